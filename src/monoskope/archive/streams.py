"""What archives are written to and read from. Both block, and are called on a thread."""

from __future__ import annotations

from typing import Protocol


class Reader(Protocol):
    """What is read from."""

    def read(self, size: int = -1, /) -> bytes:
        """Return up to `size` bytes, none at the end."""


class Writer(Protocol):
    """What is written to."""

    def write(self, piece: bytes, /) -> int:
        """Take all of `piece`, and return its length."""

    def flush(self) -> None:
        """Do nothing that needs to be waited for."""
