"""`copy.key`: the key with which this reactor signs the puts that its copies make, mostly in other stores.

It is a key of its own, never the store's identity: the identity proves what a store says, this key asks a store to do
something, and that store's list decides what (docs/signed-requests.md). A store that copies within itself lists
its own.

It signs the put of a copy where the destination takes signed requests alone, and only for a copy that a key of this
reactor's own list signed. Otherwise m8 could ask for a copy on its own, of a value that it wrote here, and the key
would carry that into a store in which m8 can write nothing.
"""

from __future__ import annotations

from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_ssh_private_key,
)

from monoskope.errors import Error, UsageError
from monoskope.protocol.grant import Grant
from monoskope.protocol.identity import COPIES_FROM, Namespace
from monoskope.settings import read_private, write_private

COPY_KEY_FILE = "copy.key"
"""An Ed25519 key in OpenSSH's format, mode 0600. All replicas of a store have the same one."""

AFTER = (
    "Give this line to the operators of the stores to which this one copies, for their allowed_signers. Each also needs"
    ' a table in reactor.toml: [[signers.may]] with principal = "{principal}", the prefixes, and purposes ='
    ' ["upload"]. Copy the file copy.key to all replicas of this store.'
)
"""What to do with the line."""


def principal_of(store: str) -> str:
    """Return the principal under which the destinations of copies know the reactor of `store`."""
    return f"{COPIES_FROM}{store}"


def make(folder: Path, *, store: str) -> str:
    """Make the key in `folder` unless there is one, and return its line for the destination's `allowed_signers`.

    Raises:
        UsageError: what is there is no Ed25519 key in OpenSSH's format.
        RefusedError: others than its owner can reach it.
    """
    path = folder / COPY_KEY_FILE
    if not path.exists():
        key = Ed25519PrivateKey.generate()
        write_private(path, key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))
    return _line(_read(path), store)


def _read(path: Path) -> Ed25519PrivateKey:
    content = read_private(path, missing="Make one with `m8 reactor copy-key`.")
    try:
        key = load_ssh_private_key(content, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise UsageError(
            f"{path} is not an Ed25519 key in OpenSSH's format without a passphrase.",
            fix="Restore it from your copy, or move it away and run `m8 reactor copy-key` again.",
        )
    return key


def _line(key: Ed25519PrivateKey, store: str) -> str:
    public = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    return f'{principal_of(store)} namespaces="{Namespace.REQUEST.value}" {public}'


NO_COPY_KEY = (
    "the destination takes signed requests alone, and this store's reactor has no usable copy.key: see"
    " `m8 reactor copy-key`."
)
"""Why a copy fails at such a destination."""
NOBODY_SIGNED = (
    "the destination takes signed requests alone, and this copy was not signed: set [signers] at this store's reactor,"
    " without `copy` in `unsigned`."
)
"""Why a copy fails there that this reactor did not have to see signed."""


class NoCopyKeyError(UsageError):
    """The put cannot be signed, or must not be; nothing was sent."""

    def __init__(
        self, why: str, fix: str = "Run `m8 reactor copy-key`, and give its line to the operator of the destination."
    ) -> None:
        super().__init__(f"the copy's destination takes signed requests alone: {why}", fix=fix)


class CopySigner:
    """Signs with `copy.key`, which is read for each signature: to make one needs no restart.

    Args:
        folder: The reactor's.
        signed: Whether a key of the reactor's own list signed the copy.
    """

    def __init__(self, folder: Path, *, signed: bool) -> None:
        self._path = folder / COPY_KEY_FILE
        self._signed = signed

    async def sign(self, grant: Grant, sealed_sha256: bytes) -> bytes:
        """Return an SSHSIG without armour over the request at the destination. Raises `NoCopyKeyError`."""
        from monoskope.client.signing.key_file import KeySigner  # noqa: PLC0415 - few copy, and fewer sign

        if not self._signed:
            raise NoCopyKeyError(
                "the copy was not signed.", fix="Set [signers] in reactor.toml, without `copy` in `unsigned`."
            )
        try:
            return KeySigner(self._path).sign_now(grant, sealed_sha256)
        except Error as error:
            raise NoCopyKeyError(error.message) from None
