"""Signing by a private key file."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from monoskope.client.signing.private_file import PrivateFile, signature_of
from monoskope.client.signing.public_key import SigningKey, from_line
from monoskope.client.signing.signer import LocalSigner
from monoskope.errors import RefusedError, UsageError
from monoskope.protocol.grant import Grant
from monoskope.value import Unshared

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.serialization import SSHPrivateKeyTypes

Passphrase = Callable[[str], str]
"""Asks a person for a passphrase; it is given a question without a colon."""
TRIES = 3
"""How often a person is asked, as `ssh` has it."""


class KeySigner(LocalSigner, Unshared):
    """Signs with a private key file in OpenSSH's format.

    A file without a passphrase is read for each signature, and what was read is dropped. A key that a passphrase opened
    stays in memory until `forget`. A certificate in `FILE-cert.pub` is used, and read for each signature, so that one
    that was renewed counts at once.

    Args:
        path: Of the file; mode 0600.
        passphrase: The passphrase, or what asks a person for it; None if there is none.
    """

    def __init__(self, path: Path | str, *, passphrase: str | Passphrase | None = None) -> None:
        self._path = Path(path)
        self._passphrase = passphrase
        self._opened: tuple[SigningKey, SSHPrivateKeyTypes] | None = None

    def __repr__(self) -> str:
        return f"<KeySigner {self._path}>"

    def public(self) -> SigningKey:
        """Return the key, or the certificate beside it, as it is now. Raises `UsageError`, `RefusedError`."""
        return self._with_certificate(PrivateFile.read(self._path).public if self._opened is None else self._opened[0])

    @property
    def needs_touch(self) -> bool:
        """Never: what a security key signs, its file alone cannot."""
        return False

    @property
    def is_prepared(self) -> bool:
        """Whether `sign` needs no answer of a person."""
        return self._opened is not None or not PrivateFile.read(self._path).is_encrypted

    def prepare(self) -> None:
        """Look whether the key can sign, and open it with its passphrase. Raises as `LocalSigner.prepare`."""
        if self._opened is not None:
            self._check_time(self.public())
            return
        file = PrivateFile.read(self._path)
        self._check_time(self._with_certificate(file.public))
        if file.is_encrypted:
            self._opened = file.public, self._open(file)

    def forget(self) -> None:
        """Drop a key that a passphrase opened."""
        self._opened = None

    async def sign(self, grant: Grant, sealed_sha256: bytes) -> bytes:
        """Sign as `Signer.sign`. It takes less than a millisecond, with a long RSA key some."""
        return self.sign_now(grant, sealed_sha256)

    def _signature(self, public: SigningKey, message: bytes, within_s: float) -> bytes:
        del within_s
        self._check_time(public)
        return signature_of(self._private(), public.key.kind.name, message)

    def _private(self) -> SSHPrivateKeyTypes:
        """Return the private key; one with a passphrase is opened, and stays so."""
        if self._opened is not None:
            return self._opened[1]
        file = PrivateFile.read(self._path)
        if not file.is_encrypted:
            return file.key(None)
        self._opened = file.public, self._open(file)
        return self._opened[1]

    def _open(self, file: PrivateFile) -> SSHPrivateKeyTypes:
        if isinstance(self._passphrase, str):
            return file.key(self._passphrase.encode())
        if self._passphrase is None:
            raise UsageError(
                f"the signing key {self._path} has a passphrase, and no terminal is there to ask; nothing was sent.",
                fix="Add the key to an ssh-agent with `ssh-add`, and set `signing_key` to its public key.",
            )
        for _ in range(TRIES - 1):
            with contextlib.suppress(RefusedError):
                return file.key(self._ask(self._passphrase))
        return file.key(self._ask(self._passphrase))

    def _ask(self, passphrase: Passphrase) -> bytes:
        return passphrase(f"Passphrase of {self._path} (hidden)").encode()

    @property
    def _certificate(self) -> Path:
        return self._path.with_name(f"{self._path.name}-cert.pub")

    @contextlib.contextmanager
    def _certificate_named(self) -> Iterator[None]:
        """Say in an error about the certificate how to do without it: it may be there for logins with SSH alone."""
        try:
            yield
        except UsageError as error:
            raise UsageError(
                error.message, fix=f"{error.fix} To sign with the key alone, move {self._certificate} away."
            ) from None

    def _check_time(self, public: SigningKey) -> None:
        with self._certificate_named():
            public.check_time(time.time())

    def _with_certificate(self, public: SigningKey) -> SigningKey:
        path = self._certificate
        try:
            text = path.read_text("utf-8", "replace")
        except (FileNotFoundError, NotADirectoryError):
            return public
        except OSError as error:
            raise UsageError(
                f"{path} cannot be read: {type(error).__name__}.", fix="Check its owner and mode."
            ) from None
        with self._certificate_named():
            found = from_line(text, str(path))
        if found.key != public.key or not found.principal:
            raise UsageError(f"{path} is no certificate of the key in {self._path}.", fix="Move it away.")
        return found
