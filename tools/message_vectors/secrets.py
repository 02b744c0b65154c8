"""Vectors of plaintexts, of what is sealed, and of the hashes that users see."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.hpke import (
    AEAD,
    KDF,
    KEM,
    MLKEM768X25519PrivateKey,
    MLKEM768X25519PublicKey,
    Suite,
)

from tools.message_vectors.parts import SEED, Vector, fault, grant, one_time_key, public_key, request, serialised

_SUITE = Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA256, AEAD.CHACHA20_POLY1305)
_K = bytes(range(32))
_KEM_BYTES = 1_120
_SECRETS: dict[str, dict[str, bytes]] = {
    "one value": {"password": b"hunter2"},
    "values of 0 to 4 bytes": {"a0": b"", "a1": b"\xff", "a2": b"\xff\xfe", "a3": b"\0\0\0", "a4": b"\x10\x20\x30\x40"},
    "keys in byte order": {"b": b"1", "B": b"2", "_": b"3", "-": b"4", ".a": b"5", "0": b"6", "a.": b"7"},
    "the longest key": {"k" * 253: b"x"},
    "all of 512 bytes": {"k": bytes(378)},
    "a byte more": {"k": bytes(379)},
    "64 keys": {f"k{index:02}": bytes([index]) for index in range(64)},
}


def plain(values: Mapping[str, bytes]) -> bytes:
    """Return a plaintext without its padding."""
    pairs = sorted(values.items(), key=lambda pair: pair[0].encode())
    return json.dumps({key: base64.b64encode(value).decode() for key, value in pairs}, separators=(",", ":")).encode()


def padded(content: bytes, by: bytes = b" ") -> bytes:
    """Return a text filled up to its size class."""
    size = 512
    while size < len(content):
        size *= 2
    return content.ljust(size, by)


def plaintexts() -> Iterator[Vector]:
    """Yield plaintexts: those of secrets, then bytes that no client makes."""
    for name, values in _SECRETS.items():
        yield {"name": name, "plaintext": padded(plain(values)).hex(), "expected": {"values": _shown(values)}}
    for name, content in _bad_plaintexts().items():
        yield {"name": name, "plaintext": content.hex(), "expected": fault("BAD_PAYLOAD")}


def unsealable() -> Iterator[Vector]:
    """Yield secrets that no client seals: their keys, and the size of each value in bytes."""
    yield {"name": "no key", "sizes": {}}
    yield {"name": "65 keys", "sizes": {f"k{index:02}": 1 for index in range(65)}}
    for key in ("", ".", "..a", "a b", "a/b", "k" * 254, "\u00e4", "a\n"):
        yield {"name": f"key {key!r}", "sizes": {key: 1}}
    yield {"name": "more than 1,048,576 bytes", "sizes": {"k": 786_427}}


def _bad_plaintexts() -> dict[str, bytes]:
    good = plain(_SECRETS["one value"])
    return {
        "not padded": good,
        "padded to the next size": padded(good).ljust(1_024),
        "padded with tabs": padded(good, b"\t"),
        "padded with zero bytes": padded(good, b"\0"),
        "padded before": padded(good)[len(good) :] + good,
        "nothing": b"",
        "spaces": b" " * 512,
        "white space inside": padded(b'{"a": "YQ=="}'),
        "keys out of order": padded(b'{"b":"YQ==","a":"YQ=="}'),
        "a key twice": padded(b'{"a":"YQ==","a":"YQ=="}'),
        "an escaped key": padded(b'{"\\u0061":"YQ=="}'),
        "spare bits": padded(b'{"a":"YR=="}'),
        "no padding of base64": padded(b'{"a":"YQ"}'),
        "base64 for URLs": padded(b'{"a":"_-8="}'),
        "a number": padded(b'{"a":1}'),
        "no key": padded(b"{}"),
        "a list": padded(b'["YQ=="]'),
        "a bad key": padded(b'{"..":"YQ=="}'),
        "65 keys": padded(plain({f"k{index:02}": b"" for index in range(65)})),
        "a byte that is not ASCII": padded(b'{"\xc3\xa4":"YQ=="}'),
        "something behind it": padded(good + b"{}"),
    }


def _shown(values: Mapping[str, bytes]) -> dict[str, str]:
    return {key: base64.b64encode(values[key]).decode() for key in sorted(values)}


def hashes() -> Iterator[Vector]:
    """Yield secrets with the hashes of their values and of the whole."""
    for name, values in _SECRETS.items():
        macs = {key: _value(key, value) for key, value in sorted(values.items())}
        whole = _mac(
            b"m8/fingerprint/v1", _u32(len(macs)) + b"".join(_sized(key.encode()) + mac for key, mac in macs.items())
        )
        shown = {key: _fingerprint(mac) for key, mac in macs.items()}
        yield {
            "name": name,
            "fingerprint_key": _K.hex(),
            "values": _shown(values),
            "expected": {"values": shown, "whole": _fingerprint(whole)},
        }


def _value(key: str, value: bytes) -> bytes:
    return _mac(b"m8/fingerprint-value/v1", _sized(key.encode()) + _sized(value))


def _mac(label: bytes, content: bytes = b"") -> bytes:
    return hmac.digest(_K, label + b"\0" + content, "sha256")


def _u32(number: int) -> bytes:
    return number.to_bytes(4, "big")


def _sized(content: bytes) -> bytes:
    return _u32(len(content)) + content


def _fingerprint(digest: bytes) -> str:
    return f"fp1:{_mac(b'm8/fingerprint-key-id/v1')[:8].hex()}:{digest.hex()}"


def sealed(known: Sequence[Vector]) -> Iterator[Vector]:
    """Yield what is sealed with fixed keys, then one fault each.

    Sealing takes fresh randomness, so good ones that are `known` and open as they must stay as they are.
    """
    by_name = {one["name"]: one for one in known}
    granted = serialised(grant(request()))
    info = b"m8/sealed-secret/v1\0" + granted
    base = {"private_key": SEED.hex(), "grant": granted.hex()}
    made: list[bytes] = []
    for name, values in _SECRETS.items():
        plaintext = padded(plain(values))
        made.append(_kept(by_name.get(name), plaintext, info) or _sealed(plaintext, info))
        yield {"name": name, **base, **_parts(made[-1]), "expected": {"plaintext": plaintext.hex()}}
    for name, changed in _spoilt(made[0], serialised(grant(request(), subject="bert"))).items():
        yield {"name": name, **base, **changed, "expected": fault("OPEN")}


def public_keys() -> Iterator[Vector]:
    """Yield grants with one-time keys of which one half is none: nothing is sealed for them."""
    good = public_key()
    small = {
        "0": bytes(32),
        "1": b"\x01" + bytes(31),
        "order 8": bytes.fromhex(_ORDER_8),
        "p": (2**255 - 19).to_bytes(32, "little"),
    }
    keys = {
        "ML-KEM: the first coefficient is 3,329": b"\x01" + bytes([good[1] & 0xF0 | 0x0D]) + good[2:],
        "ML-KEM: the last coefficient is 4,095": good[:1_150] + bytes([good[1_150] | 0xF0, 0xFF]) + good[1_152:],
        **{f"X25519: {name}": good[:1_184] + point for name, point in small.items()},
    }
    for name, key in keys.items():
        yield {
            "name": name,
            "grant": serialised(grant(request(), public_key=key)).hex(),
            "expected": fault("PUBLIC_KEY"),
        }


_ORDER_8 = "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"


def _spoilt(both: bytes, other: bytes) -> dict[str, Vector]:
    def flipped(at: int) -> Vector:
        content = bytearray(both)
        content[at] ^= 1
        return _parts(bytes(content))

    return {
        "another grant": _parts(both) | {"grant": other.hex()},
        "another bit of ML-KEM": flipped(0),
        "another bit of X25519": flipped(_KEM_BYTES - 32),
        "another bit of the ciphertext": flipped(_KEM_BYTES),
        "another bit of the tag": flipped(-1),
        "cut short": _parts(both[:-1]),
    }


def _parts(both: bytes) -> dict[str, Any]:
    parts = {"encapsulated_key": both[:_KEM_BYTES].hex(), "ciphertext": both[_KEM_BYTES:].hex()}
    return parts | {"sealed_sha256": hashlib.sha256(both).hexdigest()}


def _sealed(plaintext: bytes, info: bytes) -> bytes:
    kem, curve = one_time_key()
    return _SUITE.encrypt(plaintext, MLKEM768X25519PublicKey(kem.public_key(), curve.public_key()), info)


def _kept(known: Vector | None, plaintext: bytes, info: bytes) -> bytes | None:
    if known is None:
        return None
    both = bytes.fromhex(known["encapsulated_key"] + known["ciphertext"])
    try:
        return both if _SUITE.decrypt(both, MLKEM768X25519PrivateKey(*one_time_key()), info) == plaintext else None
    except InvalidTag:
        return None
