"""User certificates over keys (OpenSSH, PROTOCOL.certkeys), as narrow as docs/signatures.md allows them."""

from __future__ import annotations

import unicodedata
from typing import Self

from monoskope.protocol.identity import is_principal
from monoskope.protocol.sshsig.fields import Fault, FaultError, Reader, string, uint32, uint64
from monoskope.protocol.sshsig.keys import CERTIFIED_KINDS, KeySignature, PublicKey
from monoskope.value import Value

_USER = 1
_NO_END = 2**64 - 1

EXTENSIONS = (
    b"permit-X11-forwarding",
    b"permit-agent-forwarding",
    b"permit-port-forwarding",
    b"permit-pty",
    b"permit-user-rc",
)
"""The extensions that a certificate may have: those that ssh-keygen adds by itself. They say what a login may do, and
nothing about signatures."""


class Certificate(Value, frozen=True):
    """A user's certificate with one principal and bounded validity. Nothing is said yet about its CA's signature."""

    nonce: bytes
    key: PublicKey
    """The key that it is about."""
    serial: int
    key_id: str
    """The name that the CA gave it, without control characters."""
    principal: str
    valid_after: int
    """The first second of its validity, since 1970."""
    valid_before: int
    """The first second after it."""
    extensions: tuple[bytes, ...]
    ca_key: PublicKey
    """The plain key of the CA."""
    ca_signature: KeySignature

    @classmethod
    def parse(cls, blob: bytes) -> Self:
        """Return the certificate that has `blob` as its wire form. Raises `FaultError`."""
        reader = Reader(blob)
        name = reader.string().decode("latin-1")
        if name not in CERTIFIED_KINDS:
            raise FaultError(Fault.KEY_TYPE, "the certificate is of no kind that may sign")
        nonce = reader.string()
        key = PublicKey.read(reader, CERTIFIED_KINDS[name])
        serial = reader.uint64()
        if reader.uint32() != _USER:
            raise FaultError(Fault.HOST_CERTIFICATE, "the certificate is not a user's")
        key_id = _key_id(reader.string())
        principal = _principal(reader.string())
        valid_after, valid_before = _validity(reader)
        if reader.string():
            raise FaultError(Fault.CRITICAL_OPTION, "the certificate has a critical option")
        extensions = _extensions(reader.string())
        if reader.string():
            raise FaultError(Fault.RESERVED, "the certificate's reserved field is not empty")
        ca_key = _ca_key(reader.string())
        ca_signature = KeySignature.parse(reader.string(), ca_key)
        reader.end()
        return cls(nonce, key, serial, key_id, principal, valid_after, valid_before, extensions, ca_key, ca_signature)

    @property
    def signed_part(self) -> bytes:
        """What the CA signed, in its wire form."""
        return b"".join(
            (
                string(self.key.kind.certificate_name.encode("ascii")),
                string(self.nonce),
                self.key.fields,
                uint64(self.serial),
                uint32(_USER),
                string(self.key_id.encode()),
                string(string(self.principal.encode("ascii"))),
                uint64(self.valid_after),
                uint64(self.valid_before),
                string(b""),
                string(b"".join(string(name) + string(b"") for name in self.extensions)),
                string(b""),
                string(self.ca_key.blob),
            )
        )

    @property
    def blob(self) -> bytes:
        """Its wire form."""
        return self.signed_part + string(self.ca_signature.serialise(self.ca_key))

    def check_ca_signature(self) -> None:
        """Raise `FaultError` unless the CA signed it."""
        if not self.ca_key.signed(self.ca_signature, self.signed_part):
            raise FaultError(Fault.CA_SIGNATURE, "the certificate's signature is not its CA's")


def _key_id(content: bytes) -> str:
    # OpenSSH reads none with a zero byte, and the audit log shows it.
    try:
        key_id = content.decode("utf-8")
    except UnicodeDecodeError:
        key_id = "\0"
    if any(unicodedata.category(character) == "Cc" for character in key_id):
        raise FaultError(Fault.KEY_ID, "the certificate's key id is not UTF-8, or has a control character")
    return key_id


def _principal(packed: bytes) -> str:
    reader = Reader(packed)
    found = reader.string() if packed else b""
    principal = found.decode("latin-1")
    if not reader.ended() or not is_principal(principal):
        raise FaultError(Fault.PRINCIPALS, "the certificate has not exactly one principal, in the form of one")
    return principal


def _validity(reader: Reader) -> tuple[int, int]:
    after, before = reader.uint64(), reader.uint64()
    if after == 0 or before == _NO_END or before <= after:
        raise FaultError(Fault.OPEN_VALIDITY, "the certificate has no beginning, no end, or ends before it begins")
    return after, before


def _extensions(packed: bytes) -> tuple[bytes, ...]:
    reader = Reader(packed)
    found: list[bytes] = []
    while not reader.ended():
        name, value = reader.string(), reader.string()
        if name not in EXTENSIONS or value or (found and name <= found[-1]):
            raise FaultError(
                Fault.EXTENSION, "the certificate has an extension that is unknown, has a value or is out of order"
            )
        found.append(name)
    return tuple(found)


def _ca_key(blob: bytes) -> PublicKey:
    name = Reader(blob).string().decode("latin-1")
    if name in CERTIFIED_KINDS:
        raise FaultError(Fault.CA_KEY, "the CA's key is a certificate")
    key = PublicKey.parse(blob)
    if key.kind.hardware:
        raise FaultError(Fault.CA_KEY, "the CA's key is a hardware key")
    return key
