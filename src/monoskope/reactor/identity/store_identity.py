"""The store's identity: an Ed25519 key that only signs, and the rotations that led to it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Self

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from google.protobuf.message import DecodeError

from monoskope.api.secrets.v1 import identity_pb2, upload_pb2
from monoskope.errors import RefusedError, UsageError, docs_page
from monoskope.protocol.identity import (
    IDENTITY_ROTATION,
    KEY_BYTES,
    MAX_STEPS,
    ProofError,
    Tree,
    labelled,
    open_rotation,
    rotation_content,
    shown,
)
from monoskope.protocol.wire import serialise
from monoskope.settings import read_private, write_private
from monoskope.value import Unshared

KEY_FILE = "identity.key"
NEXT_FILE = "identity.key.next"
FORMER_FILE = "identity.key.former"
"""The key before the last rotation, until that is finished."""
ROTATIONS = "rotations"

LOST = (
    "Restore it from your copy, under this name and with mode 0600. Without a copy this identity is lost: no command"
    f" makes it again, and every user has to pin another one. {docs_page('operate/lost-identity.md')} says how."
)
"""What to do without an identity key."""

_STEP = re.compile(r"[0-9]{4}", re.ASCII)


class ApartError(UsageError):
    """The identity key and the rotations in a folder do not belong together."""

    def __init__(self, fix: str = "Restore identity.key and the folder rotations from one copy.") -> None:
        super().__init__("the identity key is not the one that its rotations lead to.", fix=fix)


class Identity(Unshared):
    """A store's identity. Shows its public half, never its seed.

    Args:
        seed: 32 bytes.
        store: The store's name.
        rotations: The rotations that lead to this identity, oldest first.

    Raises:
        UsageError: the seed has another size, or the steps do not lead here.
        ProofError: a step does not verify.
    """

    def __init__(self, seed: bytes, *, store: str, rotations: Sequence[identity_pb2.SignedRotation] = ()) -> None:
        if len(seed) != KEY_BYTES:
            raise UsageError("an identity key must have 32 bytes.", fix=LOST)
        self._key = Ed25519PrivateKey.from_private_bytes(seed)
        self.store = store
        self.public_key = self._key.public_key().public_bytes_raw()
        self.shown = shown(self.public_key)
        self.rotations = tuple(rotations)
        self.accepted = frozenset({self.shown, *_former(self.rotations, store=store, current=self.shown)})
        """The identities, as shown, whose receipts say what is upstream: this one and its predecessors."""

    def __repr__(self) -> str:
        return f"<Identity {self.store} {self.shown}>"

    @classmethod
    def load(cls, folder: Path, *, store: str) -> Self:
        """Read the identity of the reactor in `folder`. Raises as the constructor and `read_private` do."""
        try:
            return cls(read_private(folder / KEY_FILE, missing=LOST), store=store, rotations=_load_rotations(folder))
        except ApartError:
            if not (folder / NEXT_FILE).exists():
                raise
            raise ApartError(
                fix=f"A rotation was interrupted. Complete it: m8 reactor rotate-identity {folder}"
            ) from None

    def sign(self, label: bytes, content: bytes) -> upload_pb2.Signed:
        """Return `content` with a signature over `label`, a zero byte and `content`."""
        return upload_pb2.Signed(
            content=content, signature=self._key.sign(labelled(label, content)), identity_key=self.public_key
        )


def make(folder: Path, *, store: str) -> Identity:
    """Make the first identity of a store in `folder`. Raises `UsageError` if there is one."""
    seed = Ed25519PrivateKey.generate().private_bytes_raw()
    write_private(folder / KEY_FILE, seed)
    return Identity(seed, store=store)


def to_rotate(folder: Path, *, store: str) -> str:
    """Return the identity that `rotate` would replace, as shown. Raises what `rotate` would, and changes nothing."""
    if (folder / NEXT_FILE).exists():
        return Identity(read_private(folder / KEY_FILE, missing=LOST), store=store).shown
    known = Identity.load(folder, store=store)
    if (folder / FORMER_FILE).exists():
        raise UsageError(
            "the last rotation of this identity is not finished.",
            fix=f"Once all replicas have the new key: m8 reactor rotate-identity {folder} --finish",
        )
    _check_another_step(known)
    return known.shown


def is_signed(folder: Path, *, store: str) -> bool:
    """Whether a rotation was interrupted after its step was signed: then `rotate` completes it, whatever its tree."""
    following = folder / NEXT_FILE
    if not following.exists():
        return False
    new = Identity(read_private(following), store=store).shown
    return new in {open_rotation(signed, store=store).new for signed in _load_rotations(folder)}


def rotate(folder: Path, *, store: str, tree: Tree | None = None) -> Identity:
    """Give the store in `folder` a new identity, proven by the old one, and return it. The former key is kept.

    Completes a call that was interrupted: the new key is written first, then the proof, then the key takes its place.
    Whatever else is wrong with the folder is reported before anything is written.

    Args:
        folder: The reactor's folder.
        store: The store.
        tree: The log's tree, which has all that the former identity signed; None where m8 has no witnessed log.
    """
    following = folder / NEXT_FILE
    to_rotate(folder, store=store)
    if not following.exists():
        write_private(following, Ed25519PrivateKey.generate().private_bytes_raw())
    seeds = [read_private(folder / KEY_FILE, missing=LOST), read_private(following)]
    old, new = (Identity(seed, store=store) for seed in seeds)
    rotations = _load_rotations(folder)
    if new.shown not in {open_rotation(signed, store=store).new for signed in rotations}:
        previous = hashlib.sha256(rotations[-1].content).digest() if rotations else b""
        content = rotation_content(store, old.public_key, new.public_key, tree=tree, previous_sha256=previous)
        _write_rotation(folder, len(rotations) + 1, _step(old, new, content))
    write_private(folder / FORMER_FILE, seeds[0], replace=True)
    following.replace(folder / KEY_FILE)
    return Identity.load(folder, store=store)


def _check_another_step(identity: Identity) -> None:
    if len(identity.rotations) >= MAX_STEPS:
        raise RefusedError(
            f"the identity has been rotated {MAX_STEPS} times; clients follow no more steps.",
            fix="Keep this identity: it works. If you must replace it, as after a theft, every user has to pin the new"
            f" one: {docs_page('operate/lost-identity.md')}.",
        )


def _step(old: Identity, new: Identity, content: bytes) -> identity_pb2.SignedRotation:
    return identity_pb2.SignedRotation(
        content=content,
        old_signature=old.sign(IDENTITY_ROTATION, content).signature,
        new_signature=new.sign(IDENTITY_ROTATION, content).signature,
    )


def _former(rotations: Sequence[identity_pb2.SignedRotation], *, store: str, current: str) -> list[str]:
    steps = [open_rotation(signed, store=store) for signed in rotations]
    for before, after in pairwise(steps):
        if before.new != after.old:
            raise ProofError("the reactor's own identity rotations do not form a chain")
    if steps and steps[-1].new != current:
        raise ApartError
    return [step.old for step in steps]


def _load_rotations(folder: Path) -> list[identity_pb2.SignedRotation]:
    found = []
    for path in sorted((folder / ROTATIONS).glob("*")):
        if _STEP.fullmatch(path.name):
            try:
                found.append(identity_pb2.SignedRotation.FromString(path.read_bytes()))
            except DecodeError:
                raise UsageError(f"{path} is not an identity rotation.", fix="Restore it from your copy.") from None
    return found


def _write_rotation(folder: Path, number: int, signed: identity_pb2.SignedRotation) -> None:
    (folder / ROTATIONS).mkdir(mode=0o700, exist_ok=True)
    write_private(folder / ROTATIONS / f"{number:04}", serialise(signed))
