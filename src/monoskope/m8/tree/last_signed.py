"""`log.checkpoint` in m8's folder: the last checkpoint that was signed, or seen, here. It is outside of the database.

A database that was put back to an earlier state cannot know what was signed since. This file does. So it must never be
put back together with the database: no backup holds it.
"""

from __future__ import annotations

from pathlib import Path

from monoskope.errors import UsageError
from monoskope.protocol.tlog.checkpoint import Checkpoint
from monoskope.protocol.tlog.note import Note
from monoskope.settings import find_private, locked, write_private
from monoskope.value import Value

FILE = "log.checkpoint"


class Signed(Value, frozen=True):
    """A checkpoint and the note that it stands in."""

    checkpoint: Checkpoint
    note: bytes


class LastSigned:
    """The file of one folder. Several processes may use it at once. Its methods block.

    Args:
        folder: Of m8.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE

    def read(self) -> Signed | None:
        """Return what was signed last, None if nothing was.

        Raises:
            UsageError: the file holds something else: nothing is to be signed until an operator has looked.
            RefusedError: others can reach it.
        """
        content = find_private(self._path)
        if content is None:
            return None
        try:
            return Signed(Checkpoint.parse(Note.parse(content).text), content)
        except UsageError as error:
            raise UsageError(
                f"{self._path} is damaged: {error.message}",
                fix="If m8 log status shows that the log is whole, move the file away; m8 writes it anew.",
            ) from None

    def advance(self, note: bytes, *, after: Signed | None) -> bool:
        """Write `note`, which continues `after`, down, forced to disk, and return whether the file holds it now.

        It does not if the file has changed since it held `after` (None: nothing), unless to the same checkpoint.

        Raises:
            UsageError: as `read`, or the file cannot be written.
        """
        new = Checkpoint.parse(Note.parse(note).text)
        with locked(self._path):
            found = self.read()
            there = None if found is None else found.checkpoint
            if there not in (new, None if after is None else after.checkpoint):
                return False
            write_private(self._path, note, replace=True)
            return True
