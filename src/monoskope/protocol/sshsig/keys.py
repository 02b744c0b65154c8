"""Public keys, and what they sign: read from SSH's binary form, strictly (RFC 4253, 5656, 8332, 8709; PROTOCOL.u2f).

The kinds of keys that may sign a request stand in one table. What is not there is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType
from typing import Self

from monoskope.protocol.identity import shown
from monoskope.protocol.sshsig.fields import Fault, FaultError, Reader, mpint, string, uint32
from monoskope.value import Value

_VENDOR = "@openssh.com"


class Family(Enum):
    """What a key computes with."""

    ED25519 = "ed25519"
    ECDSA = "ecdsa"
    RSA = "rsa"


class Curve(Value, frozen=True):
    """A curve of ECDSA keys."""

    name: str
    """As SSH names it."""
    bits: int
    """Of a coordinate, and of the order."""


class KeyKind(Value, frozen=True):
    """One row: a kind of key."""

    name: str
    """As SSH names it at the start of a key."""
    family: Family
    algorithms: tuple[str, ...]
    """The algorithms that its signatures may name."""
    curve: Curve | None = None
    """With ECDSA."""
    hardware: bool = False
    """Whether the key is in a FIDO device, which signs over its application and a counter, too (`sk-…`)."""

    @property
    def certificate_name(self) -> str:
        """The name of a certificate over such a key."""
        return f"{self.name.removesuffix(_VENDOR)}-cert-v01{_VENDOR}"


_P256 = Curve("nistp256", 256)
_P384 = Curve("nistp384", 384)
_P521 = Curve("nistp521", 521)
_ROWS = (
    KeyKind("ssh-ed25519", Family.ED25519, ("ssh-ed25519",)),
    *(
        KeyKind(f"ecdsa-sha2-{curve.name}", Family.ECDSA, (f"ecdsa-sha2-{curve.name}",), curve)
        for curve in (_P256, _P384, _P521)
    ),
    KeyKind("ssh-rsa", Family.RSA, ("rsa-sha2-256", "rsa-sha2-512")),
    KeyKind("sk-ssh-ed25519@openssh.com", Family.ED25519, ("sk-ssh-ed25519@openssh.com",), hardware=True),
    KeyKind(
        "sk-ecdsa-sha2-nistp256@openssh.com",
        Family.ECDSA,
        ("sk-ecdsa-sha2-nistp256@openssh.com",),
        _P256,
        hardware=True,
    ),
)

KINDS: Mapping[str, KeyKind] = MappingProxyType({kind.name: kind for kind in _ROWS})
"""By the name at the start of a key."""

CERTIFIED_KINDS: Mapping[str, KeyKind] = MappingProxyType({kind.certificate_name: kind for kind in _ROWS})
"""By the name at the start of a certificate over such a key."""


MIN_RSA_BITS = 3_072
MAX_RSA_BITS = 8_192
RSA_EXPONENT = 65_537
ED25519_KEY_BYTES = 32
ED25519_SIGNATURE_BYTES = 64

_PRIME = 2**255 - 19
_OF_ORDER_8 = 0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7
_SMALL_ORDER = frozenset({0, 1, _PRIME - 1, _OF_ORDER_8, _PRIME - _OF_ORDER_8})
"""The y of each point of Ed25519 whose order divides 8."""

_USER_PRESENT = 0x01
_APPLICATION = b"ssh:"
_UNCOMPRESSED = b"\x04"


class PublicKey(Value, frozen=True):
    """A key of one of the kinds that may sign, whose parts keep the rules of docs/signatures.md."""

    kind: KeyKind
    point: bytes = b""
    """Of Ed25519 its 32 bytes, of ECDSA the uncompressed point; of RSA nothing."""
    modulus: int = 0
    """Of RSA; its exponent is always 65537."""
    application: bytes = b""
    """Of a hardware key: what it was made for. It is a part of what such a key signs."""

    @classmethod
    def parse(cls, blob: bytes) -> Self:
        """Return the key that has `blob` as its wire form.

        Raises:
            FaultError: it is a certificate, of another kind, or breaks a rule.
        """
        reader = Reader(blob)
        name = reader.string().decode("latin-1")
        if name not in KINDS:
            raise FaultError(Fault.KEY_TYPE, "the key is of no kind that may sign")
        key = cls.read(reader, KINDS[name])
        reader.end()
        return key

    @classmethod
    def read(cls, reader: Reader, kind: KeyKind) -> Self:
        """Read the fields of a key behind its kind's name. Raises `FaultError`."""
        point, modulus = b"", 0
        if kind.curve is not None:
            point = _ecdsa_point(reader, kind.curve)
        elif kind.family is Family.RSA:
            modulus = _rsa_modulus(reader)
        else:
            point = _ed25519_point(reader)
        application = reader.string() if kind.hardware else b""
        # OpenSSH makes keys for these alone, and reads none with a zero byte. Others are for web pages.
        if kind.hardware and not (application.startswith(_APPLICATION) and _is_printable(application)):
            raise FaultError(Fault.APPLICATION, "the hardware key was made for another application than SSH")
        return cls(kind, point, modulus, application)

    @property
    def fields(self) -> bytes:
        """Its fields behind its kind's name, in their wire form."""
        match self.kind.family:
            case Family.RSA:
                fields = mpint(RSA_EXPONENT) + mpint(self.modulus)
            case _:
                fields = string(self.point)
        if self.kind.curve is not None:
            fields = string(self.kind.curve.name.encode("ascii")) + fields
        return fields + (string(self.application) if self.kind.hardware else b"")

    @property
    def blob(self) -> bytes:
        """Its wire form."""
        return string(self.kind.name.encode("ascii")) + self.fields

    @property
    def fingerprint(self) -> str:
        """How OpenSSH shows it: `SHA256:` and the unpadded base64 of its wire form's SHA-256."""
        return shown(self.blob)

    @property
    def signature_bytes(self) -> int:
        """With RSA, how many bytes each of its signatures has."""
        return (self.modulus.bit_length() + 7) // 8

    def signed(self, signature: KeySignature, message: bytes) -> bool:
        """Whether `signature` is this key's over `message`."""
        from monoskope.protocol.sshsig import primitives  # noqa: PLC0415 - only who verifies loads the library

        return primitives.verify(self, signature, message)


class KeySignature(Value, frozen=True):
    """What a key signed, in the form that fits the key."""

    algorithm: str
    body: bytes
    """Of Ed25519 64 bytes, of RSA as many as the modulus has, of ECDSA two numbers in their wire form."""
    flags: int = 0
    """Of a hardware key."""
    counter: int = 0
    """Of a hardware key."""

    @classmethod
    def parse(cls, blob: bytes, key: PublicKey) -> Self:
        """Return the signature in `blob` if `key` can have made it. Raises `FaultError`."""
        reader = Reader(blob)
        algorithm = reader.string().decode("latin-1")
        if algorithm not in key.kind.algorithms:
            raise FaultError(Fault.ALGORITHM, "the signature's algorithm is none of its key's")
        body = reader.string()
        _check_body(body, key)
        flags = counter = 0
        if key.kind.hardware:
            flags, counter = reader.byte(), reader.uint32()
            # The device may set other flags; they are a part of what it signs.
            if not flags & _USER_PRESENT:
                raise FaultError(Fault.SK_NO_TOUCH, "the hardware key signed without a touch")
        reader.end()
        return cls(algorithm, body, flags, counter)

    def serialise(self, key: PublicKey) -> bytes:
        """Return its wire form, as a signature of `key`."""
        plain = string(self.algorithm.encode("ascii")) + string(self.body)
        return plain + (bytes([self.flags]) + uint32(self.counter) if key.kind.hardware else b"")

    @property
    def numbers(self) -> tuple[int, int]:
        """With ECDSA, the numbers r and s."""
        reader = Reader(self.body)
        return reader.mpint(), reader.mpint()


def _is_printable(content: bytes) -> bool:
    """Whether bytes are printable ASCII characters alone."""
    return all(0x20 <= byte < 0x7F for byte in content)


def _ed25519_point(reader: Reader) -> bytes:
    point = reader.string()
    if len(point) != ED25519_KEY_BYTES:
        raise FaultError(Fault.POINT, "an Ed25519 key has not 32 bytes")
    y = int.from_bytes(point, "little") & (2**255 - 1)
    # Under a key of small order one signature that anyone can write down is good for many statements or for all.
    if y >= _PRIME or y in _SMALL_ORDER:
        raise FaultError(Fault.POINT, "an Ed25519 key is a point of small order, or is not written in its one form")
    return point


def _ecdsa_point(reader: Reader, curve: Curve) -> bytes:
    from monoskope.protocol.sshsig import primitives  # noqa: PLC0415 - the others do not need the library

    if reader.string() != curve.name.encode("ascii"):
        raise FaultError(Fault.KEY_TYPE, "an ECDSA key names another curve than its kind")
    point = reader.string()
    if point[:1] != _UNCOMPRESSED:
        raise FaultError(Fault.POINT, "a point is not written uncompressed")
    if not primitives.is_on_curve(curve, point):
        raise FaultError(Fault.POINT, "a point is not on its curve")
    return point


def _rsa_modulus(reader: Reader) -> int:
    if reader.mpint() != RSA_EXPONENT:
        raise FaultError(Fault.RSA_EXPONENT, "the RSA exponent is not 65537")
    modulus = reader.mpint()
    if not MIN_RSA_BITS <= modulus.bit_length() <= MAX_RSA_BITS or modulus % 2 == 0:
        raise FaultError(Fault.RSA_MODULUS, "the RSA modulus is even, or has not 3,072 to 8,192 bits")
    return modulus


def _check_body(body: bytes, key: PublicKey) -> None:
    if key.kind.curve is not None:
        _check_numbers(body, key.kind.curve)
    elif key.kind.family is Family.RSA:
        if len(body) != key.signature_bytes:
            raise FaultError(Fault.RSA_LENGTH, "an RSA signature is not as long as the modulus")
    elif len(body) != ED25519_SIGNATURE_BYTES:
        raise FaultError(Fault.SIGNATURE_FORM, "an Ed25519 signature has not 64 bytes")


def _check_numbers(body: bytes, curve: Curve) -> None:
    reader = Reader(body)
    numbers = (reader.mpint(), reader.mpint())
    reader.end()
    if any(not 1 <= number.bit_length() <= curve.bits for number in numbers):
        raise FaultError(Fault.SIGNATURE_FORM, "an ECDSA signature has a number that cannot be part of one")
