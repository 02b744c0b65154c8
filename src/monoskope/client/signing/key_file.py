"""Signing by a private key file in OpenSSH's format (PROTOCOL.key), as `ssh-keygen` writes it."""

from __future__ import annotations

import base64
import binascii
import contextlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from monoskope.client.signing.signer import LocalSigner, SigningKey, from_line, from_wire
from monoskope.errors import RefusedError, UsageError
from monoskope.protocol.sshsig import FaultError
from monoskope.protocol.sshsig.fields import Reader, mpint, string
from monoskope.settings import read_private
from monoskope.value import Unshared

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.serialization import SSHPrivateKeyTypes

_BEGIN, _END = b"-----BEGIN OPENSSH PRIVATE KEY-----", b"-----END OPENSSH PRIVATE KEY-----"
_MAGIC = b"openssh-key-v1\0"
_CONVERT = "Convert it with `ssh-keygen -p -f FILE`, or make one with `ssh-keygen -t ed25519`."


class PrivateFile(Unshared):
    """The content of a private key file, and what it says without a passphrase.

    Args:
        path: Of the file, for errors.
        content: Its bytes.

    Raises:
        UsageError: it is not in OpenSSH's format, or its key cannot sign requests.
    """

    def __init__(self, path: Path, content: bytes) -> None:
        self._path = path
        self._content = content
        name = str(path)
        self.is_encrypted, public = _head(_body(content, name), name)
        self.public: SigningKey = from_wire(public, name)
        if self.public.needs_touch:
            raise UsageError(
                f"{name} belongs to a security key, which signs through an ssh-agent alone.",
                fix=f"Add it with `ssh-add {name}`, and set `signing_key` to {name}.pub.",
            )

    @classmethod
    def read(cls, path: Path) -> PrivateFile:
        """Read a file. Raises as the class, and `RefusedError` if others can reach it."""
        return cls(path, read_private(path, missing="Make one with `ssh-keygen -t ed25519`.", client=True))

    def __repr__(self) -> str:
        return f"<PrivateFile {self._path}>"

    def key(self, passphrase: bytes | None) -> SSHPrivateKeyTypes:
        """Return the private key. Raises `RefusedError` if the passphrase is wrong, `UsageError` if it is malformed."""
        from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415 - when something is signed
        from cryptography.hazmat.primitives.serialization import load_ssh_private_key  # noqa: PLC0415

        try:
            # To check an RSA key takes 0.2 s. If it is none, its signature does not verify, and is not sent.
            return load_ssh_private_key(self._content, passphrase, unsafe_skip_rsa_key_validation=True)
        except UnsupportedAlgorithm:
            raise UsageError(
                f"{self._path} is encrypted in a way that monoctl does not know.", fix="Add it to an ssh-agent instead."
            ) from None
        except (ValueError, TypeError):
            if self.is_encrypted:
                raise RefusedError(
                    f"the passphrase does not open {self._path}; nothing was sent.", fix="Try again."
                ) from None
            raise _malformed(str(self._path)) from None


def is_private(content: bytes) -> bool:
    """Whether a file holds a private key, in any form that has a PEM frame."""
    return b"PRIVATE KEY-----" in content[:200]


def signature_of(key: SSHPrivateKeyTypes, kind: str, message: bytes) -> bytes:
    """Return the signature of a key of the type `kind` over `message`, in SSH's wire form."""
    from cryptography.hazmat.primitives import hashes  # noqa: PLC0415 - when something is signed
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa, utils  # noqa: PLC0415

    if isinstance(key, ed25519.Ed25519PrivateKey):
        return string(kind.encode()) + string(key.sign(message))
    if isinstance(key, rsa.RSAPrivateKey):
        return string(b"rsa-sha2-512") + string(key.sign(message, padding.PKCS1v15(), hashes.SHA512()))
    assert isinstance(key, ec.EllipticCurvePrivateKey), "the other types were refused when the file was read"
    hashed = {256: hashes.SHA256(), 384: hashes.SHA384(), 521: hashes.SHA512()}[key.curve.key_size]
    r, s = utils.decode_dss_signature(key.sign(message, ec.ECDSA(hashed)))
    return string(kind.encode()) + string(mpint(r) + mpint(s))


def _head(body: bytes, name: str) -> tuple[bool, bytes]:
    """Return whether the private half is encrypted, and the public half in wire form. Raises `UsageError`."""
    try:
        reader = Reader(body)
        magic, cipher = reader.raw(len(_MAGIC)), reader.string()
        reader.string()  # how a key is made of the passphrase, and with which numbers
        reader.string()
        count, public = reader.uint32(), reader.string()
    except FaultError:
        raise _malformed(name) from None
    if magic != _MAGIC:
        raise _malformed(name)
    if count != 1:
        raise UsageError(f"{name} does not hold exactly one key.", fix=_CONVERT)
    return cipher != b"none", public


def _malformed(name: str) -> UsageError:
    return UsageError(f"{name} is malformed.", fix="Check it with `ssh-keygen -y -f FILE`.")


def _body(content: bytes, name: str) -> bytes:
    text = content.strip()
    if not (text.startswith(_BEGIN) and text.endswith(_END)):
        raise UsageError(f"{name} is not a private key in OpenSSH's format.", fix=_CONVERT)
    try:
        return base64.b64decode(b"".join(text[len(_BEGIN) : -len(_END)].split()), validate=True)
    except (binascii.Error, ValueError):
        raise _malformed(name) from None


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
