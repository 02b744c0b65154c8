"""How far somebody who reads the log has come: a position, and the hash of the record there."""

from __future__ import annotations

from monoskope.value import Value

MAX_NAME = 128
"""Bytes in the name of a cursor at most."""


class Cursor(Value, frozen=True):
    """The last event that a reader has dealt with.

    Attributes:
        position: Its place in the log, 0 before the first one.
        hash: Of its record, `GENESIS_HASH` before the first one.
    """

    position: int
    hash: bytes


def check(name: str, now: Cursor) -> None:
    """Raise `ValueError` unless a cursor may have that name and stand there."""
    if not 1 <= len(name.encode()) <= MAX_NAME or "\0" in name:
        raise ValueError(f"the name of a cursor is 1 to {MAX_NAME} bytes of UTF-8 without NUL.")
    if now.position < 0 or len(now.hash) != 32:
        raise ValueError("a cursor stands at a position, and has a hash of 32 bytes.")
