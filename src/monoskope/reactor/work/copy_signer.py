"""Sign the put of a copy with the reactor's `copy.key`, where its destination takes signed requests alone.

Only for a copy that a key of this reactor's own list signed. Otherwise m8 could ask for a copy on its own, of a value
that it wrote here, and the key would carry that into a store in which m8 can write nothing.
"""

from __future__ import annotations

from pathlib import Path

from monoskope.errors import Error, UsageError
from monoskope.protocol.grant import Grant
from monoskope.reactor.identity.copy_key import COPY_KEY_FILE

NO_COPY_KEY = (
    "the destination takes signed requests alone, and this store's reactor has no usable copy.key: see"
    " `m8 reactor copy-key`."
)
"""Why a copy fails at such a destination."""
NOBODY_SIGNED = (
    "the destination takes signed requests alone, and nobody signed this copy: set [signers] at this store's reactor,"
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
        from monoskope.client.signing.key_signer import KeySigner  # noqa: PLC0415 - few copy, and fewer sign

        if not self._signed:
            raise NoCopyKeyError(
                "nobody signed the copy.", fix="Set [signers] in reactor.toml, without `copy` in `unsigned`."
            )
        try:
            return KeySigner(self._path).sign_now(grant, sealed_sha256)
        except Error as error:
            raise NoCopyKeyError(error.message) from None
