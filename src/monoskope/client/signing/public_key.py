"""Public keys and certificates in OpenSSH's one-line form, as `.pub` files hold them."""

from __future__ import annotations

import base64
import binascii
import hashlib

from monoskope.client.signing.certificate import Certificate, inner_key, parse_certificate
from monoskope.client.signing.ssh_wire import Reader
from monoskope.errors import UsageError
from monoskope.value import Value

CERTIFICATE = "-cert-v01@openssh.com"
"""How the types of certificates end."""
ECDSA = ("ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521")
HARDWARE = ("sk-ssh-ed25519@openssh.com", "sk-ecdsa-sha2-nistp256@openssh.com")
"""Types of keys that live in a security key, and sign when it is touched."""
TYPES = ("ssh-ed25519", *ECDSA, "ssh-rsa", *HARDWARE)
"""The types of keys that can sign requests."""
RSA_BITS = range(3_072, 8_193)
"""Sizes of RSA keys that count."""

_USABLE = "Use an ed25519, ECDSA or RSA key, or one of a security key: `ssh-keygen -t ed25519`, or `-t ed25519-sk`."


class PublicKey(Value, frozen=True):
    """A key, with its certificate if it has one."""

    kind: str
    """The key's own type, without what marks a certificate."""
    key: bytes
    """The key in wire form."""
    certificate: bytes = b""
    """The certificate in wire form; b"" without one."""
    comment: str = ""
    """What its owner wrote behind it. It says nothing that is checked."""
    certified: Certificate | None = None
    """What the certificate says."""

    @property
    def shown(self) -> str:
        """The key as OpenSSH shows it, `SHA256:…`; of a certificate the key in it."""
        return fingerprint(self.key)

    @property
    def content(self) -> bytes:
        """What a signature names as its key: the certificate, or the key."""
        return self.certificate or self.key

    @property
    def needs_touch(self) -> bool:
        """Whether it signs only when a security key is touched."""
        return self.kind in HARDWARE

    def check_usable(self, now_s: float) -> None:
        """Raise `UsageError` if no reactor would take its signatures, or the certificate does not count at `now_s`."""
        if self.kind == "ssh-rsa" and (bits := _rsa_bits(self.key)) not in RSA_BITS:
            raise UsageError(
                f"the signing key {self.shown} is an RSA key of {bits:,} bits; reactors take 3,072 to 8,192.",
                fix=_USABLE,
            )
        if self.certified is not None:
            self.certified.check_usable(now_s)


def fingerprint(key: bytes) -> str:
    """Return `SHA256:` and unpadded base64 of a key in wire form."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(key).digest()).decode("ascii").rstrip("=")


def parse_line(line: str, where: str) -> PublicKey:
    """Parse `TYPE BASE64 COMMENT`; `where` names its source in errors.

    Raises:
        UsageError: it is no public key or certificate of a type that can sign requests.
    """
    words = line.split(maxsplit=2)
    try:
        content = base64.b64decode(words[1], validate=True)
    except (IndexError, binascii.Error, ValueError):
        raise UsageError(f"{where} is not a public SSH key.", fix="Name a `.pub` file, or a private key.") from None
    public = from_wire(content, where)
    if Reader(content, where).string() != words[0].encode():
        raise UsageError(f"{where} names another type than its key has.", fix="Copy the whole line of the key.")
    comment = words[2].strip() if len(words) > 2 else ""
    return PublicKey(public.kind, public.key, public.certificate, comment, public.certified)


def from_wire(content: bytes, where: str) -> PublicKey:
    """Return the key or certificate with this wire form. Raises as `parse_line`."""
    kind = Reader(content, where).string().decode("ascii", "replace")
    plain = kind.removesuffix(CERTIFICATE) + ("@openssh.com" if kind.startswith("sk-") and CERTIFICATE in kind else "")
    if plain not in TYPES:
        raise UsageError(f"{where} is a key of the type {kind[:64]!r}, which cannot sign requests.", fix=_USABLE)
    if CERTIFICATE not in kind:
        return PublicKey(plain, content)
    return PublicKey(
        plain, inner_key(content, plain, where), content, certified=parse_certificate(content, plain, where)
    )


def _rsa_bits(key: bytes) -> int:
    reader = Reader(key, "the RSA key")
    reader.string()
    reader.string()
    return int.from_bytes(reader.string(), "big").bit_length()
