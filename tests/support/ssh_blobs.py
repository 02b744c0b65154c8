"""SSH keys, certificates and signatures assembled by hand, with any field as wrong as a test wants it.

Nothing here knows `monoskope.protocol.sshsig`: what both agree on, they agree on by OpenSSH's own documents
(PROTOCOL.sshsig, PROTOCOL.certkeys, PROTOCOL.u2f; RFC 4253, 5656, 8332 and 8709).
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

NAMESPACE = b"request@monoskope"
DEFAULT_EXTENSIONS = (
    (b"permit-X11-forwarding", b""),
    (b"permit-agent-forwarding", b""),
    (b"permit-port-forwarding", b""),
    (b"permit-pty", b""),
    (b"permit-user-rc", b""),
)
"""What ssh-keygen gives a user's certificate by itself."""
PRESENT = 1
_CURVES: dict[int, tuple[ec.EllipticCurve, hashes.HashAlgorithm]] = {
    256: (ec.SECP256R1(), hashes.SHA256()),
    384: (ec.SECP384R1(), hashes.SHA384()),
    521: (ec.SECP521R1(), hashes.SHA512()),
}
_RSA_HASHES: dict[bytes, hashes.HashAlgorithm] = {
    b"rsa-sha2-256": hashes.SHA256(),
    b"rsa-sha2-512": hashes.SHA512(),
    b"ssh-rsa": hashes.SHA1(),  # to be refused
}


def u32(number: int) -> bytes:
    return number.to_bytes(4, "big")


def u64(number: int) -> bytes:
    return number.to_bytes(8, "big")


def string(content: bytes) -> bytes:
    return u32(len(content)) + content


def mpint(number: int, *, padding_bytes: int = 0) -> bytes:
    """A number; `padding_bytes` more zeros in front than it needs are wrong."""
    body = number.to_bytes((number.bit_length() + 8) // 8, "big") if number else b""
    return string(bytes(padding_bytes) + body)


@dataclass(frozen=True)
class SshKey:
    """A key pair: its kind's name, its public fields, and how it signs."""

    name: bytes
    fields: bytes
    algorithm: bytes
    sign_body: Callable[[bytes, bytes], bytes]
    """From algorithm and message to the body of a signature."""
    application: bytes | None = None

    @property
    def blob(self) -> bytes:
        return string(self.name) + self.fields

    @property
    def certificate_name(self) -> bytes:
        return self.name.removesuffix(b"@openssh.com") + b"-cert-v01@openssh.com"

    @property
    def fingerprint(self) -> str:
        return "SHA256:" + base64.b64encode(hashlib.sha256(self.blob).digest()).decode().rstrip("=")

    @property
    def line(self) -> str:
        return public_line(self.blob)

    def sign(
        self,
        message: bytes,
        *,
        algorithm: bytes | None = None,
        flags: int = PRESENT,
        counter: int = 7,
        change: Callable[[bytes], bytes] = bytes,
    ) -> bytes:
        """The wire form of a signature over `message`, whose body went through `change`."""
        name = algorithm or self.algorithm
        if self.application is None:
            return string(name) + string(change(self.sign_body(name, message)))
        tail = bytes([flags]) + u32(counter)
        message = hashlib.sha256(self.application).digest() + tail + hashlib.sha256(message).digest()
        return string(name) + string(change(self.sign_body(name, message))) + tail


def public_line(blob: bytes) -> str:
    size = int.from_bytes(blob[:4], "big")
    return f"{blob[4 : 4 + size].decode()} {base64.b64encode(blob).decode()}"


def ed25519(application: bytes | None = None) -> SshKey:
    private = Ed25519PrivateKey.generate()
    name = b"ssh-ed25519" if application is None else b"sk-ssh-ed25519@openssh.com"
    fields = string(private.public_key().public_bytes_raw()) + _application(application)
    return SshKey(name, fields, name, lambda _, message: private.sign(message), application)


def ecdsa(bits: int = 256, application: bytes | None = None, *, compressed: bool = False) -> SshKey:
    curve, digest = _CURVES[bits]
    private = ec.generate_private_key(curve)
    numbers = private.public_key().public_numbers()
    size = (bits + 7) // 8
    point = b"\x04" + numbers.x.to_bytes(size, "big") + numbers.y.to_bytes(size, "big")
    if compressed:
        point = bytes([2 + numbers.y % 2]) + numbers.x.to_bytes(size, "big")
    nist = f"nistp{bits}".encode()
    name = b"ecdsa-sha2-" + nist if application is None else b"sk-ecdsa-sha2-" + nist + b"@openssh.com"

    def sign(_: bytes, message: bytes) -> bytes:
        r, s = decode_dss_signature(private.sign(message, ec.ECDSA(digest)))
        return mpint(r) + mpint(s)

    return SshKey(name, string(nist) + string(point) + _application(application), name, sign, application)


def rsa_key(bits: int = 3072, exponent: int = 65537, algorithm: bytes = b"rsa-sha2-512") -> SshKey:
    private = rsa.generate_private_key(exponent, bits)
    numbers = private.public_key().public_numbers()

    def sign(name: bytes, message: bytes) -> bytes:
        return private.sign(message, padding.PKCS1v15(), _RSA_HASHES[name])

    return SshKey(b"ssh-rsa", mpint(numbers.e) + mpint(numbers.n), algorithm, sign)


def certificate(
    key: SshKey,
    ca: SshKey,
    *,
    valid: tuple[int, int],
    principals: Sequence[bytes] = (b"anna@example.org",),
    serial: int = 1,
    kind: int = 1,
    key_id: bytes = b"anna",
    critical: Sequence[tuple[bytes, bytes]] = (),
    extensions: Sequence[tuple[bytes, bytes]] = DEFAULT_EXTENSIONS,
    reserved: bytes = b"",
    ca_blob: bytes | None = None,
    ca_algorithm: bytes | None = None,
    after: bytes = b"",
) -> bytes:
    """A certificate over `key`. The CA signs whatever it is told to."""
    part = b"".join(
        (
            string(key.certificate_name),
            string(b"nonce of thirty-two bytes, fixed"),
            key.fields,
            u64(serial),
            u32(kind),
            string(key_id),
            string(b"".join(string(name) for name in principals)),
            u64(valid[0]),
            u64(valid[1]),
            string(_options(critical)),
            string(_options(extensions)),
            string(reserved),
            string(ca.blob if ca_blob is None else ca_blob),
        )
    )
    return part + string(ca.sign(part, algorithm=ca_algorithm)) + after


def to_sign(message: bytes, *, namespace: bytes = NAMESPACE, reserved: bytes = b"", hashed: bytes = b"sha512") -> bytes:
    """What a key signs for `message` (PROTOCOL.sshsig)."""
    digest = hashlib.new(hashed.decode(), message).digest()
    return b"SSHSIG" + string(namespace) + string(reserved) + string(hashed) + string(digest)


def container(
    signer: bytes,
    signature: bytes,
    *,
    magic: bytes = b"SSHSIG",
    version: int = 1,
    namespace: bytes = NAMESPACE,
    reserved: bytes = b"",
    hashed: bytes = b"sha512",
    after: bytes = b"",
) -> bytes:
    """An SSHSIG without armour."""
    head = magic + u32(version) + string(signer) + string(namespace) + string(reserved) + string(hashed)
    return head + string(signature) + after


def signed(key: SshKey, message: bytes, signer: bytes | None = None) -> bytes:
    """A good SSHSIG of `key` over `message`; `signer` is a certificate over the key, if there is one."""
    return container(key.blob if signer is None else signer, key.sign(to_sign(message)))


def _application(application: bytes | None) -> bytes:
    return b"" if application is None else string(application)


def _options(options: Sequence[tuple[bytes, bytes]]) -> bytes:
    return b"".join(string(name) + string(value) for name, value in options)
