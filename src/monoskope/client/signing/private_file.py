"""Private key files in OpenSSH's format (PROTOCOL.key), as `ssh-keygen` writes them."""

from __future__ import annotations

import base64
import binascii
from pathlib import Path
from typing import TYPE_CHECKING

from monoskope.client.signing.public_key import SigningKey, from_wire
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
