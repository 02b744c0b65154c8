"""The kinds of keys that may sign a request: one row a kind. What is not here is refused."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType

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

    @property
    def coordinate_bytes(self) -> int:
        """How many bytes a coordinate takes."""
        return (self.bits + 7) // 8


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
