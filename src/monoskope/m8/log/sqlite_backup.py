"""A copy of the log while m8 writes to it: SQLite's own online backup, checked before it counts."""

from __future__ import annotations

import os
from contextlib import closing
from pathlib import Path

from monoskope.m8.log import sqlite_file
from monoskope.m8.log.sqlite_readers import check_chain


def back_up(log: Path, copy: Path) -> int:
    """Copy the log in the file `log` into the new file `copy` (mode 0600), and return its last position. Blocks.

    What is recorded while it runs is not in the copy, or all of it is. The copy is a file of its own, without `-wal`.

    Raises:
        UsageError, RefusedError, UnavailableError: as `sqlite_file.prepare` does.
        LogTamperedError: the log, and so its copy, does not hold.
        OSError: the copy cannot be made.
    """
    sqlite_file.prepare(log)  # a server that never ran has no log yet
    os.close(os.open(copy, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))
    with closing(sqlite_file.connect(log, read_only=True)) as source, closing(sqlite_file.connect(copy)) as target:
        source.backup(target)
        return check_chain(target)
