"""Keys, trees and signature lines, made by the words of the specifications."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

Vector = dict[str, Any]

ORIGIN = "monoskope/0123456789abcdef"
LOG_TIME = 1_798_000_000
WITNESSES = ("witness.example/one", "witness.example/two", "witness.example/three")
WITNESS_TIMES = (1_798_000_003, 1_798_000_005, 1_798_000_004)


def b64(content: bytes) -> str:
    """Return standard base64."""
    return base64.b64encode(content).decode()


def sha256(content: bytes) -> bytes:
    """Return the SHA-256."""
    return hashlib.sha256(content).digest()


def ed25519(name: str) -> Ed25519PrivateKey:
    """Return the private key of a name."""
    return Ed25519PrivateKey.from_private_bytes(sha256(b"Ed25519 " + name.encode()))


def ml_dsa_44(name: str) -> MLDSA44PrivateKey:
    """Return the private key of a name."""
    return MLDSA44PrivateKey.from_seed_bytes(sha256(b"ML-DSA-44 " + name.encode()))


def public(name: str, kind: int) -> bytes:
    """Return the public key of a name, by the type of its signatures."""
    if kind == 6:
        return ml_dsa_44(name).public_key().public_bytes_raw()
    return ed25519(name).public_key().public_bytes_raw()


def key_id(name: str, kind: int, key: bytes) -> bytes:
    """Return the key id of c2sp.org/signed-note."""
    return sha256(name.encode() + b"\n" + bytes([kind]) + key)[:4]


def vkey(name: str, kind: int, key: bytes | None = None) -> str:
    """Return a verifier key."""
    key = public(name, kind) if key is None else key
    return f"{name}+{key_id(name, kind, key).hex()}+{b64(bytes([kind]) + key)}"


def entries(size: int) -> list[bytes]:
    """Entry number n is the SHA-256 of n in decimal."""
    return [sha256(str(number).encode()) for number in range(size)]


def _k(count: int) -> int:
    k = 1
    while k * 2 < count:
        k *= 2
    return k


def root(of: Sequence[bytes]) -> bytes:
    """RFC 6962, section 2.1."""
    if not of:
        return sha256(b"")
    if len(of) == 1:
        return sha256(b"\0" + of[0])
    k = _k(len(of))
    return sha256(b"\1" + root(of[:k]) + root(of[k:]))


def path(index: int, of: Sequence[bytes]) -> list[bytes]:
    """RFC 6962, section 2.1.1."""
    if len(of) == 1:
        return []
    k = _k(len(of))
    if index < k:
        return [*path(index, of[:k]), root(of[k:])]
    return [*path(index - k, of[k:]), root(of[:k])]


def consistency(old: int, of: Sequence[bytes], *, whole: bool = True) -> list[bytes]:
    """RFC 6962, section 2.1.2."""
    if old == len(of):
        return [] if whole else [root(of)]
    k = _k(len(of))
    if old <= k:
        return [*consistency(old, of[:k], whole=whole), root(of[k:])]
    return [*consistency(old - k, of[k:], whole=False), root(of[:k])]


def checkpoint(size: int, top: bytes, origin: str = ORIGIN) -> str:
    """Return the three lines of a checkpoint."""
    return f"{origin}\n{size}\n{b64(top)}\n"


def line(name: str, kind: int, signature: bytes, key: bytes | None = None) -> str:
    """Return a signature line."""
    key = public(name, kind) if key is None else key
    return f"\N{EM DASH} {name} {b64(key_id(name, kind, key) + signature)}\n"


def plain(name: str, text: str) -> str:
    """A signature of type 0x01."""
    return line(name, 1, ed25519(name).sign(text.encode()))


def cosigned(name: str, text: str, at: int) -> str:
    """A signature of type 0x04."""
    signature = ed25519(name).sign(f"cosignature/v1\ntime {at}\n{text}".encode())
    return line(name, 4, at.to_bytes(8, "big") + signature)


def subtree(name: str, text: str, at: int, *, start: int = 0, says: int | None = None) -> str:
    """A signature of type 0x06; `says` is the time in front of it, where that is another one."""
    origin, size, top = text.split("\n")[:3]
    message = b"subtree/v1\n\0" + bytes([len(name.encode())]) + name.encode() + at.to_bytes(8, "big")
    message += bytes([len(origin.encode())]) + origin.encode() + start.to_bytes(8, "big")
    message += int(size).to_bytes(8, "big") + base64.b64decode(top)
    shown = at if says is None else says
    return line(name, 6, shown.to_bytes(8, "big") + ml_dsa_44(name).sign(message))


def signed(text: str, *lines: str) -> str:
    """A note with both signatures of the log, and more lines."""
    origin = text.partition("\n")[0]
    return f"{text}\n{plain(origin, text)}{subtree(origin, text, LOG_TIME)}" + "".join(lines)


def witnessed(text: str, count: int) -> list[str]:
    """The lines of the first witnesses; the second one is of type 0x06."""
    lines = [
        cosigned(WITNESSES[0], text, WITNESS_TIMES[0]),
        subtree(WITNESSES[1], text, WITNESS_TIMES[1]),
        cosigned(WITNESSES[2], text, WITNESS_TIMES[2]),
    ]
    return lines[:count]


KEYS = {
    "log, Ed25519": vkey(ORIGIN, 1),
    "log, ML-DSA-44": vkey(ORIGIN, 6),
    "witness one": vkey(WITNESSES[0], 4),
    "witness two": vkey(WITNESSES[1], 6),
    "witness three": vkey(WITNESSES[2], 4),
}
LOG_KEYS = ["log, Ed25519", "log, ML-DSA-44"]
WITNESS_KEYS = ["witness one", "witness two", "witness three"]


def policy(quorum: int = 0, *, witnesses: Sequence[str] = (), log: Sequence[str] = LOG_KEYS) -> Vector:
    """What a reader demands; keys by their names in `keys`."""
    return {"log": list(log), "witnesses": list(witnesses), "quorum": quorum}


def flipped(content: bytes, at: int = 0) -> bytes:
    """With one bit changed."""
    changed = bytearray(content)
    changed[at] ^= 1
    return bytes(changed)
