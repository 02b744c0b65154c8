"""Inputs made of other inputs, for where atheris has no wheel: by a seed, so that a run can be made again."""

from __future__ import annotations

import random
from collections.abc import Sequence

_TELLING = (
    b"\x00", b"\xff", b"\x7f", b"\x80", b"\r\n", b"\n", b"\r\n\r\n", b"\t", b" ", b'"', b"'", b"\\", b"{}", b"[",
    b"]", b"{", b"}", b",", b":", b"=", b"&", b"%", b"%00", b"/", b"..", b"#", b"?", b"@", b"-", b"+", b".", b"0",
    b"-1", b"1e999", b"9" * 30, b"null", b"true", b"NaN", b"\\u0000", b"\\ud800", b"\xed\xa0\x80", b"\xc3\xa9",
    b"\xe2\x80\xa8", b"\xf0\x9f\x94\x91", b"\xef\xbb\xbf", b"\xff\xff\xff\xff", b"\x00\x00\x00\x00",
    b"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01", b"[" * 2_000, b'{"a":' * 2_000,
)  # fmt: skip


def mutated(chosen: random.Random, pool: Sequence[bytes], most: int) -> bytes:
    """Return an input made of those of `pool`, of `most` bytes at most."""
    content = bytearray(chosen.choice(pool))
    for _ in range(chosen.choice((1, 1, 2, 3, 5))):
        at = chosen.randrange(len(content) + 1)
        match chosen.randrange(8):
            case 0 if at < len(content):
                content[at] ^= 1 << chosen.randrange(8)
            case 1 if at < len(content):
                content[at] = chosen.randrange(256)
            case 2:
                content[at:at] = chosen.choice(_TELLING)
            case 3:
                del content[at : at + chosen.choice((1, 2, 4, 16, 64))]
            case 4:
                end = at + chosen.randrange(1, 33)
                content[at:at] = content[at:end] * chosen.choice((1, 1, 2, 50))
            case 5:
                other = chosen.choice(pool)
                start = chosen.randrange(len(other) + 1)
                content[at:] = other[start:]
            case 6:
                content[at : at + 2] = chosen.choice(_TELLING)
            case _:
                del content[at:]
        del content[most:]
    return bytes(content)
