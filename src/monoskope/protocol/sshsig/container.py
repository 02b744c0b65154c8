"""The container of a signature: OpenSSH's SSHSIG without armour (PROTOCOL.sshsig)."""

from __future__ import annotations

import hashlib

from monoskope.protocol.signed_request import MAX_SIGNATURE, NAMESPACE
from monoskope.protocol.sshsig.certificate import Certificate
from monoskope.protocol.sshsig.faults import Fault, FaultError
from monoskope.protocol.sshsig.fields import Reader, string, uint32
from monoskope.protocol.sshsig.keys import KeySignature, PublicKey
from monoskope.protocol.sshsig.kinds import CERTIFIED_KINDS
from monoskope.value import Value

_MAGIC = b"SSHSIG"
_VERSION = 1
_NAMESPACE = NAMESPACE.encode("ascii")
_HASH = b"sha512"


class SshSignature(Value, frozen=True):
    """A well-formed signature. Nothing is said yet about who signed what: that is `verify`."""

    signer: PublicKey | Certificate
    """The key or certificate as it stands in the container."""
    signature: KeySignature

    @property
    def key(self) -> PublicKey:
        """The key that signed: of a certificate the key in it."""
        return self.signer.key if isinstance(self.signer, Certificate) else self.signer

    @property
    def certificate(self) -> Certificate | None:
        """The certificate over the key, None for a plain key."""
        return self.signer if isinstance(self.signer, Certificate) else None

    def verify(self, message: bytes) -> None:
        """Raise `FaultError` unless the key signed `message`, and a certificate's CA signed the certificate.

        Whether key or CA may sign at all is the list's to say, and is asked first.

        Args:
            message: What is signed: `monoskope.protocol.signed_request.statement`.
        """
        if isinstance(self.signer, Certificate):
            self.signer.check_ca_signature()
        if not self.key.signed(self.signature, signed_bytes(message)):
            raise FaultError(Fault.SIGNATURE, "the signature is not the key's over this statement")

    def serialise(self) -> bytes:
        """Return its one wire form, which `parse` read."""
        return serialise(self.signer.blob, self.signature.serialise(self.key))


def signed_bytes(message: bytes) -> bytes:
    """Return what a key signs for `message`: the client's signer hands these bytes to a key or an ssh-agent."""
    return _MAGIC + string(_NAMESPACE) + string(b"") + string(_HASH) + string(hashlib.sha512(message).digest())


def serialise(signer: bytes, signature: bytes) -> bytes:
    """Return the container of a signature.

    Args:
        signer: The wire form of the public key or certificate.
        signature: The wire form of its signature over `signed_bytes`, as an ssh-agent returns it.
    """
    head = _MAGIC + uint32(_VERSION) + string(signer) + string(_NAMESPACE) + string(b"") + string(_HASH)
    return head + string(signature)


def parse(blob: bytes) -> SshSignature:
    """Return the signature in `blob`, an SSHSIG without armour.

    Raises:
        FaultError: it is not in its one form, or breaks a rule of docs/signatures.md.
    """
    if len(blob) > MAX_SIGNATURE:
        raise FaultError(Fault.SIZE, "the signature has more than 8,192 bytes")
    reader = Reader(blob)
    if reader.raw(len(_MAGIC)) != _MAGIC:
        raise FaultError(Fault.MALFORMED, "the signature is no SSHSIG")
    if reader.uint32() != _VERSION:
        raise FaultError(Fault.VERSION, "the signature is of another version of SSHSIG than 1")
    signer_blob = reader.string()
    for fault, wanted, sentence in (
        (Fault.NAMESPACE, _NAMESPACE, "the signature is for another namespace"),
        (Fault.RESERVED, b"", "the signature's reserved field is not empty"),
        (Fault.HASH, _HASH, "the signature's hash is not sha512"),
    ):
        if reader.string() != wanted:
            raise FaultError(fault, sentence)
    signature_blob = reader.string()
    reader.end()
    signer = parse_signer(signer_blob)
    key = signer.key if isinstance(signer, Certificate) else signer
    found = SshSignature(signer, KeySignature.parse(signature_blob, key))
    # The rules above leave one form alone. This line holds even if one of them should be wrong.
    if found.serialise() != blob:
        raise FaultError(Fault.MALFORMED, "the signature is not in its one form")
    return found


def parse_signer(blob: bytes) -> PublicKey | Certificate:
    """Return the key or certificate that has `blob` as its wire form. Raises `FaultError`."""
    name = Reader(blob).string().decode("latin-1")
    return Certificate.parse(blob) if name in CERTIFIED_KINDS else PublicKey.parse(blob)
