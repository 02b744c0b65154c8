"""The container of a signature: OpenSSH's SSHSIG (PROTOCOL.sshsig), and its forms as text.

Keys and certificates are one line as OpenSSH writes it: `ssh-ed25519 AAAA… comment`.
"""

from __future__ import annotations

import base64
import binascii
import hashlib

from monoskope.protocol.identity import MAX_SIGNATURE, Namespace
from monoskope.protocol.sshsig.certificate import Certificate
from monoskope.protocol.sshsig.fields import Fault, FaultError, Reader, string, uint32
from monoskope.protocol.sshsig.keys import CERTIFIED_KINDS, KeySignature, PublicKey
from monoskope.value import Value

_LINE_LENGTH = 70
"""Characters in a line of an armoured signature, as ssh-keygen writes it."""


def parse_public(line: str) -> PublicKey | Certificate:
    """Return the key or certificate of a line of a `.pub` file; a comment behind it is ignored. Raises `FaultError`."""
    words = line.split(maxsplit=2)
    if len(words) < 2:
        raise FaultError(Fault.MALFORMED, "a public key is the name of its kind, a space and base64")
    return parse_words(words[0], words[1])


def parse_words(name: str, encoded: str) -> PublicKey | Certificate:
    """Return the key or certificate that `encoded` holds in base64 and whose kind is called `name`.

    Raises:
        FaultError: it is not base64 in its one form, is of another kind, or breaks a rule.
    """
    try:
        blob = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        raise FaultError(Fault.MALFORMED, "a public key is not base64") from None
    if base64.b64encode(blob).decode("ascii") != encoded:
        raise FaultError(Fault.MALFORMED, "a public key is not base64 in its one form")
    # A name from a command line or the environment can hold bytes that are no UTF-8.
    if Reader(blob).string() != name.encode("utf-8", "surrogateescape"):
        raise FaultError(Fault.KEY_TYPE, "a public key is of another kind than the word before it")
    return parse_signer(blob)


def armoured(signature: bytes) -> str:
    """Return an SSHSIG as the text that `ssh-keygen -Y verify` reads (PROTOCOL.sshsig, Armored format)."""
    text = base64.b64encode(signature).decode("ascii")
    lines = [text[at : at + _LINE_LENGTH] for at in range(0, len(text), _LINE_LENGTH)]
    return "\n".join(["-----BEGIN SSH SIGNATURE-----", *lines, "-----END SSH SIGNATURE-----", ""])


_MAGIC = b"SSHSIG"
_VERSION = 1
_HASH = b"sha512"


class SshSignature(Value, frozen=True):
    """A well-formed signature. Nothing is said yet about who signed what: that is `verify`."""

    namespace: Namespace
    """What it is for."""
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
            message: What is signed: a statement of `monoskope.protocol.identity`, the one of its namespace.
        """
        if isinstance(self.signer, Certificate):
            self.signer.check_ca_signature()
        if not self.key.signed(self.signature, signed_bytes(message, self.namespace)):
            raise FaultError(Fault.SIGNATURE, "the signature is not the key's over this statement")

    def serialise(self) -> bytes:
        """Return its one wire form, which `parse` read."""
        return serialise(self.signer.blob, self.signature.serialise(self.key), self.namespace)


def signed_bytes(message: bytes, namespace: Namespace) -> bytes:
    """Return what a key signs for `message`: the client's signer hands these bytes to a key or an ssh-agent."""
    return _MAGIC + _meaning(namespace) + string(hashlib.sha512(message).digest())


def _meaning(namespace: Namespace) -> bytes:
    """Return the fields that are in the container and in what is signed: namespace, reserved, hash."""
    return string(namespace.value.encode("ascii")) + string(b"") + string(_HASH)


def serialise(signer: bytes, signature: bytes, namespace: Namespace) -> bytes:
    """Return the container of a signature.

    Args:
        signer: The wire form of the public key or certificate.
        signature: The wire form of its signature over `signed_bytes`, as an ssh-agent returns it.
        namespace: The one that `signed_bytes` was given.
    """
    return _MAGIC + uint32(_VERSION) + string(signer) + _meaning(namespace) + string(signature)


def parse(blob: bytes, namespace: Namespace) -> SshSignature:
    """Return the signature in `blob`, an SSHSIG without armour, if it is for `namespace`.

    Raises:
        FaultError: it is for something else, is not in its one form, or breaks a rule of docs/signatures.md.
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
        (Fault.NAMESPACE, namespace.value.encode("ascii"), "the signature is for another namespace"),
        (Fault.RESERVED, b"", "the signature's reserved field is not empty"),
        (Fault.HASH, _HASH, "the signature's hash is not sha512"),
    ):
        if reader.string() != wanted:
            raise FaultError(fault, sentence)
    signature_blob = reader.string()
    reader.end()
    signer = parse_signer(signer_blob)
    key = signer.key if isinstance(signer, Certificate) else signer
    found = SshSignature(namespace, signer, KeySignature.parse(signature_blob, key))
    # The rules above leave one form alone. This line holds even if one of them should be wrong.
    if found.serialise() != blob:
        raise FaultError(Fault.MALFORMED, "the signature is not in its one form")
    return found


def parse_signer(blob: bytes) -> PublicKey | Certificate:
    """Return the key or certificate that has `blob` as its wire form. Raises `FaultError`."""
    name = Reader(blob).string().decode("latin-1")
    return Certificate.parse(blob) if name in CERTIFIED_KINDS else PublicKey.parse(blob)
