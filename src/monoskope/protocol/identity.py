"""Identities, and what signatures are over: one Ed25519 key a store, and the statements that people sign.

An identity is shown as `SHA256:` and unpadded base64 of the key's SHA-256. A label before what is signed or MACed keeps
one input from being read as another. An identity is replaced in steps, each signed by the old key and the new one.

A reactor with `[signers]` acts only on what a key of its own list signed (docs/signed-requests.md), and where it asks
for approvals, only on what others have signed, too. Each signature is OpenSSH's SSHSIG, so that the keys that people
have will do: files, an ssh-agent, hardware keys, certificates.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import re
from collections.abc import Sequence
from enum import Enum
from typing import TYPE_CHECKING

from monoskope.api.secrets.v1 import identity_pb2, upload_pb2
from monoskope.errors import IdentityChangedError, UsageError
from monoskope.lazy import pattern
from monoskope.protocol.wire import MalformedError, parse, serialise
from monoskope.uri import check_store_name
from monoskope.value import Value

SEALED_SECRET = b"m8/sealed-secret/v1"
UPLOAD_GRANT = b"m8/upload-grant/v1"
RECEIPT = b"m8/receipt/v1"
IDENTITY_ROTATION = b"m8/identity-rotation/v1"
REACTOR_HELLO = b"m8/reactor-hello/v1"
WRITE_TAG = b"m8/write-tag/v1"
WRITE_INTENT = b"m8/write-intent/v1"
FINGERPRINT = b"m8/fingerprint/v1"
FINGERPRINT_VALUE = b"m8/fingerprint-value/v1"
FINGERPRINT_KEY_ID = b"m8/fingerprint-key-id/v1"
COPY_REQUEST = b"m8/copy-request/v1"
SIGNED_REQUEST = b"m8/signed-request/v1"
APPROVAL = b"m8/approval/v1"


def labelled(label: bytes, content: bytes = b"") -> bytes:
    """Return `label`, one zero byte and `content` (docs/protocol.md, Bytes)."""
    return label + b"\x00" + content


if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

KEY_BYTES = 32
SIGNATURE_BYTES = 64
DIGEST_BYTES = 32

_SHOWN = pattern(r"SHA256:[A-Za-z0-9+/]{43}", re.ASCII)


class ProofError(IdentityChangedError):
    """A signature, a pin or what a proof is about does not hold. Nothing that came with it was used."""

    def __init__(self, what: str) -> None:
        super().__init__(
            f"{what}.",
            fix="An attacker in between may be changing messages: ask your administrator first.",
        )


def shown(public_key: bytes) -> str:
    """Return how people see a public key: an identity's 32 bytes, or the wire form of an OpenSSH key."""
    return shown_digest(hashlib.sha256(public_key).digest())


def shown_digest(digest: bytes) -> str:
    """Return how people see a public key with this SHA-256."""
    return "SHA256:" + base64.b64encode(digest).decode("ascii").rstrip("=")


def grouped(identity: str) -> str:
    """Return a shown identity in groups of four characters, for eyes that compare it with another one."""
    label, _, digest = identity.partition(":")
    return " ".join([f"{label}:", *(digest[at : at + 4] for at in range(0, len(digest), 4))])


def check_shown(text: str) -> str:
    """Return `text` if it is a shown identity, else raise `UsageError` that states the rule."""
    if _SHOWN.fullmatch(text) is None:
        raise UsageError(
            f"identity {text!r} is not valid: 'SHA256:' and 43 characters of base64.",
            fix="Copy it from what `m8 reactor init` printed.",
        )
    return text


@functools.lru_cache(maxsize=64)
def _key(public_key: bytes) -> Ed25519PublicKey:
    """The same few identities sign everything."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey  # noqa: PLC0415 - see `load`

    return Ed25519PublicKey.from_public_bytes(public_key)


def load() -> None:
    """Load what `verify` needs. It takes 6 ms once in a process, so call it while an answer is awaited."""
    from cryptography.exceptions import InvalidSignature  # noqa: F401,PLC0415
    from cryptography.hazmat.primitives.asymmetric import ed25519  # noqa: F401,PLC0415


def verify(public_key: bytes, label: bytes, content: bytes, signature: bytes) -> None:
    """Verify one Ed25519 signature over `label`, a zero byte and `content`.

    Raises:
        ProofError: sizes are wrong or the signature does not verify.
    """
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415 - see `load`

    if len(public_key) != KEY_BYTES:
        raise ProofError("an identity key does not have 32 bytes")
    if len(signature) != SIGNATURE_BYTES:
        raise ProofError("a signature does not have 64 bytes")
    try:
        _key(public_key).verify(signature, labelled(label, content))
    except (InvalidSignature, ValueError):
        raise ProofError("a signature does not verify") from None


def open_signed(signed: upload_pb2.Signed, label: bytes, identity: str) -> bytes:
    """Return the content of `signed`, its signature verified under the identity shown as `identity`.

    Raises:
        ProofError: another identity signed it, or the signature does not verify.
    """
    if shown(signed.identity_key) != identity:
        raise ProofError(f"a message is signed by {shown(signed.identity_key)}, not by the store's identity {identity}")
    verify(signed.identity_key, label, signed.content, signed.signature)
    return signed.content


MAX_STEPS = 64

_NAME = "IdentityRotation"


class Tree(Value, frozen=True):
    """A tree of m8's log."""

    size: int
    """Its entries, at least 1."""
    root: bytes
    """32 bytes."""


class Rotation(Value, frozen=True):
    """One verified step."""

    store: str
    old: str
    """The identity until now, as shown."""
    new: str
    """The identity from now on, as shown."""
    tree: Tree | None
    """The log's tree at the rotation; None where m8 had no witnessed log."""
    previous_sha256: bytes
    """SHA-256 of the content of the step before; b"" for the first one."""


def rotation_content(
    store: str, old_key: bytes, new_key: bytes, *, tree: Tree | None = None, previous_sha256: bytes = b""
) -> bytes:
    """Return the bytes that both keys sign."""
    return serialise(
        identity_pb2.IdentityRotation(
            store=store,
            old_key=old_key,
            new_key=new_key,
            log_size=0 if tree is None else tree.size,
            log_root=b"" if tree is None else tree.root,
            previous_sha256=previous_sha256,
        )
    )


def open_rotation(signed: identity_pb2.SignedRotation, *, store: str) -> Rotation:
    """Verify one step for `store`.

    Raises:
        ProofError: either signature does not verify, or the step is for another store.
        MalformedError: not well formed.
    """
    message = parse(identity_pb2.IdentityRotation, signed.content)
    check_store_name(message.store)
    if message.old_key == message.new_key:
        raise MalformedError(_NAME, "new_key", "must differ from old_key")
    if len(message.old_key) != KEY_BYTES:
        raise MalformedError(_NAME, "old_key", "must have 32 bytes")
    if len(message.new_key) != KEY_BYTES:
        raise MalformedError(_NAME, "new_key", "must have 32 bytes")
    if len(message.log_root) != (DIGEST_BYTES if message.log_size else 0):
        raise MalformedError(_NAME, "log_root", "must have 32 bytes beside a size, and none without")
    if len(message.previous_sha256) not in {0, DIGEST_BYTES}:
        raise MalformedError(_NAME, "previous_sha256", "must have 32 bytes, or none")
    verify(message.old_key, IDENTITY_ROTATION, signed.content, signed.old_signature)
    verify(message.new_key, IDENTITY_ROTATION, signed.content, signed.new_signature)
    if message.store != store:
        raise ProofError("an identity rotation is for another store")
    tree = Tree(message.log_size, message.log_root) if message.log_size else None
    return Rotation(message.store, shown(message.old_key), shown(message.new_key), tree, message.previous_sha256)


def steps_from(
    pin: str, rotations: Sequence[identity_pb2.SignedRotation], *, store: str
) -> list[tuple[identity_pb2.SignedRotation, Rotation]]:
    """Return the steps that lead on from `pin`, oldest first, each as it came and as verified; [] if none does.

    Steps before the pin are passed over unverified and do not count to the 64, so that what does not lead on costs
    nobody a signature; from it on, each must begin where the one before ended, and the first that does not hold ends
    the walk.

    Raises:
        ProofError: a step does not verify, leads back to an earlier identity, or there are more than 64.
        MalformedError: a step is not well formed.
    """
    chain = [pin]
    steps: list[tuple[identity_pb2.SignedRotation, Rotation]] = []
    for signed in rotations:
        if not steps and _claimed_old(signed) != pin:
            continue
        if len(steps) == MAX_STEPS:
            raise ProofError(f"more than {MAX_STEPS} identity rotations lead on from the pin")
        step = open_rotation(signed, store=store)
        if step.old != chain[-1]:
            raise ProofError("the identity rotations do not form a chain")
        if step.new in chain:
            raise ProofError("an identity rotation leads back to an earlier identity")
        chain.append(step.new)
        steps.append((signed, step))
    return steps


def follow(pin: str, rotations: Sequence[identity_pb2.SignedRotation], *, store: str) -> list[str]:
    """Return the identities that follow `pin` through `rotations`, oldest first, [] if none does.

    Raises:
        ProofError, MalformedError: as `steps_from`.
    """
    return [step.new for _, step in steps_from(pin, rotations, store=store)]


def _claimed_old(signed: identity_pb2.SignedRotation) -> str:
    """The identity from which a step says that it leads on, as shown. Proves nothing."""
    return shown(parse(identity_pb2.IdentityRotation, signed.content).old_key)


class Namespace(Enum):
    """What a person's signature is for (OpenSSH, PROTOCOL.sshsig). One of one namespace never counts in the other."""

    REQUEST = "request@monoskope"
    """A request of one's own: `statement`."""
    APPROVAL = "approval@monoskope"
    """A change that another proposed: `approval_statement`."""


MAX_SIGNATURE = 8_192
"""Bytes of a signature at most."""

_PRINCIPAL = pattern(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,127}", re.ASCII)


def statement(grant_sha256: bytes, sealed_sha256: bytes) -> bytes:
    """Return what a requester signs: it fits one request, one one-time key and one content.

    Args:
        grant_sha256: SHA-256 of the serialised grant, 32 bytes.
        sealed_sha256: SHA-256 of encapsulated key || ciphertext, 32 bytes; of nothing sealed that of no bytes.
    """
    return labelled(SIGNED_REQUEST, grant_sha256 + sealed_sha256)


def approval_statement(change_sha256: bytes) -> bytes:
    """Return what an approver signs: it fits one change.

    Args:
        change_sha256: SHA-256 of the serialised change, 32 bytes.
    """
    return labelled(APPROVAL, change_sha256)


COPIES_FROM = "copies-from-"
"""How the principals of copy keys begin; the name of the store that copies follows."""


def is_principal(text: str) -> bool:
    """Whether `text` can be the principal of a signature."""
    return _PRINCIPAL.fullmatch(text) is not None


def is_key_fingerprint(text: str) -> bool:
    """Whether `text` has the form in which OpenSSH shows a key: `SHA256:` and unpadded base64 of 32 bytes."""
    return _SHOWN.fullmatch(text) is not None
