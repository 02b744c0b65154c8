"""Sign the put of a copy with the reactor's `copy.key`, where its destination takes signed requests alone."""

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


class NoCopyKeyError(UsageError):
    """There is no `copy.key` with which to sign; nothing was sent."""

    def __init__(self, why: str) -> None:
        super().__init__(
            f"the copy's destination takes signed requests alone: {why}",
            fix="Run `m8 reactor copy-key`, and give its line to the operator of the destination.",
        )


class CopySigner:
    """Signs with `copy.key`, which is read for each signature: to make one needs no restart.

    Args:
        folder: The reactor's.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / COPY_KEY_FILE

    async def sign(self, grant: Grant, sealed_sha256: bytes) -> bytes:
        """Return an SSHSIG without armour over the request at the destination. Raises `NoCopyKeyError`."""
        from monoskope.client.signing.key_signer import KeySigner  # noqa: PLC0415 - few copy, and fewer sign

        try:
            return KeySigner(self._path).sign_now(grant, sealed_sha256)
        except Error as error:
            raise NoCopyKeyError(error.message) from None
