"""Disk space kept for the day on which the disk is full, so that erasing, which gives space back, can still run.

To erase something SQLite must write: the erased pages go into the write-ahead log first. So a file beside the log takes
some space. `m8 events erase-sealed` frees it before it begins; `m8 serve` makes it again when there is room.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from monoskope.errors import UsageError
from monoskope.settings import write_private

SIZE = 8_388_608
"""Bytes of the reserve: a write-ahead log of the usual size and one piece of erasing fit twice."""

ROOM = 4 * SIZE
"""So many bytes must be free before the reserve is made: otherwise the log needs them itself."""


class Reserve:
    """The reserve of the log in the file `log`."""

    def __init__(self, log: Path) -> None:
        self._path = log.with_name(f"{log.name}-reserve")

    @property
    def is_made(self) -> bool:
        """Whether the reserve is there, and whole."""
        try:
            return self._path.stat().st_size == SIZE
        except OSError:
            return False

    @property
    def is_needed(self) -> bool:
        """Whether the disk has so little room that erasing may need the reserve."""
        try:
            return self._room() < ROOM
        except OSError:
            return True

    def has_room(self, size: int) -> bool:
        """Whether the disk has so many bytes left, as far as that is known. Blocks."""
        try:
            return self._room() >= size
        except OSError:
            return True

    def _room(self) -> int:
        found = os.statvfs(self._path.parent)
        return found.f_bavail * found.f_frsize

    def make(self) -> bool:
        """Make the reserve if it is not there and the disk has room. Return whether it is there now. Blocks."""
        if self.is_made:
            return True
        try:
            if self._room() < ROOM:
                return False
            # Random bytes, because some file systems store zeros, or a hole, without taking space.
            write_private(self._path, os.urandom(SIZE), replace=True)
        except (OSError, UsageError):
            self.free()
            return False
        return True

    def free(self) -> None:
        """Give the space back, if that is possible."""
        with contextlib.suppress(OSError):
            self._path.unlink(missing_ok=True)
