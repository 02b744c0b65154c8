"""`log.evidence-*` in m8's folder: notes that witnesses showed, signed by this log's keys, and that do not fit.

They stay: a process that starts again, while no witness answers, must not sign as if nothing had been seen. So they
count like what witnesses show: as long as the log does not continue them, nothing is signed.
"""

from __future__ import annotations

from pathlib import Path

from monoskope.errors import UsageError
from monoskope.protocol.tlog.checkpoint import Checkpoint
from monoskope.protocol.tlog.note import Note
from monoskope.settings import find_private, write_private

PREFIX = "log.evidence-"


class Evidence:
    """The files of one folder. Its methods block.

    Args:
        folder: Of m8.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self) -> list[Note]:
        """Return the notes.

        Raises:
            UsageError: a file is damaged: what was seen is not known, so nothing is to be signed.
            RefusedError: others than the owner can reach one.
        """
        found = ((path, find_private(path)) for path in sorted(self._folder.glob(f"{PREFIX}*")))
        return [_note(path, content) for path, content in found if content is not None]

    def keep(self, checkpoint: Checkpoint, note: bytes) -> Path:
        """Write the note of `checkpoint` down, forced to disk, and return where it is.

        Raises:
            UsageError: the file cannot be written.
        """
        path = self._folder / f"{PREFIX}{checkpoint.size}-{checkpoint.root[:4].hex()}"
        write_private(path, note, replace=True)
        return path


def _note(path: Path, content: bytes) -> Note:
    try:
        return Note.parse(content)
    except UsageError as error:
        raise UsageError(
            f"{path} is damaged: {error.message}",
            fix="Compare this m8's log with its witnesses and with users' notes. Only then move the file away.",
        ) from None
