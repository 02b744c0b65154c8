"""`log.key` in m8's folder: the two private keys that sign checkpoints. Every replica has a copy, or signs none."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from pathlib import Path

from monoskope.errors import AlreadyExistsError, UsageError
from monoskope.m8.log.tree_rows import Named
from monoskope.protocol.tlog.forms import NoteError
from monoskope.protocol.tlog.log_key import LogKey
from monoskope.settings import find_private, write_private
from monoskope.unshared import Unshared

FILE = "log.key"


def new_origin() -> str:
    """Return a name for a new log that no other has."""
    return f"monoskope/{secrets.token_hex(8)}"


def make(origin: str) -> LogKey:
    """Return new keys for the log `origin`, "" for a name by chance. Raises `UsageError` if the origin is none."""
    try:
        return LogKey.make(origin or new_origin())
    except NoteError:
        raise UsageError(
            "the log's origin must have 1 to 255 bytes, without spaces, control characters and +.",
            fix="Choose another one, such as example.com/secrets.",
        ) from None


def write(folder: Path, key: LogKey) -> None:
    """Write the keys into a folder that has none.

    Raises:
        AlreadyExistsError: there are keys.
        UsageError: the folder cannot be written to.
    """
    if (folder / FILE).exists():
        raise AlreadyExistsError(
            f"{folder / FILE} exists already; it was not changed.", fix="m8 log key shows its public keys."
        )
    write_private(folder / FILE, key.to_pem())


class KeyFile(Unshared):
    """The keys in one folder, read again when the file has changed.

    Args:
        folder: Of m8.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE
        self._digest = b""
        self._key: LogKey | None = None

    def load(self) -> LogKey | None:
        """Return the keys, None if there are none. Blocks.

        Raises:
            UsageError: the file holds something else.
            RefusedError: others can reach it.
        """
        content = find_private(self._path)
        if content is None:
            return None
        digest = hashlib.sha256(content).digest()
        if self._key is None or digest != self._digest:
            try:
                self._key = LogKey.from_pem(content)
            except UsageError as error:
                raise UsageError(f"{self._path}: {error.message}", fix="Restore it from your backup.") from None
            self._digest = digest
        return self._key


def misfit(key: LogKey | None, names: Sequence[Named]) -> str:
    """Return why a process with this key can sign nothing for a log with these names, "" if it can."""
    if key is None:
        if names:
            return f"{FILE} is missing in the folder of this m8. Copy it from another m8 of this log, or from a backup."
        return (
            "This log is not witnessed: it has no keys. Run: m8 log init , on one m8, and copy log.key to the others."
        )
    if names and (key.origin, tuple(map(str, key.vkeys))) != (names[-1].origin, names[-1].vkeys):
        return (
            f"{FILE} is not the key of this log, which is {names[-1].origin}. Copy it from another m8 of this log, or "
            "from a backup."
        )
    return ""
