"""What a folder of m8 remembers of its log: which one it serves, and how far that had come.

Each log has an id of its own, and the folder keeps it from the first start on, in `log-id`. A folder whose settings
name another log by mistake would issue tokens and take puts there. So it is refused until an operator names the other
log.

The last known position stands in `noted-position`, outside of the database. `m8 serve` and `m8 backup create` write it,
`m8 backup restore` reads it: a backup, or a database, that ends before it has lost something. `last-backup` holds when
`m8 backup create` made a backup last, for `m8 doctor`.
"""

from __future__ import annotations

import contextlib
import re
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from monoskope.errors import ConflictError, Error, UsageError
from monoskope.m8.log.event_log import EventLog
from monoskope.settings import NotWritableError, find_private, write_private
from monoskope.times import instant, parse_moment

_ID = re.compile(r"[0-9a-f]{32}", re.ASCII)


def new_id() -> str:
    """Return an id for a new log: 32 hex digits of chance."""
    return secrets.token_hex(16)


def is_id(text: str) -> bool:
    """Whether a text has the form of a log's id."""
    return _ID.fullmatch(text) is not None


class AnotherLogError(ConflictError):
    """The settings name another log than the one that this folder serves. Nothing was changed."""

    def __init__(self, file: Path, place: str, *, remembered: str, found: str) -> None:
        is_what = f"holds the log {found}" if found else "holds no log"
        fix = "Correct `database` in m8.toml, or restore that log from a backup."
        if found:
            fix += f" If {found} is the right one, as after a restore, run: m8 events adopt {found} --dir {file.parent}"
        super().__init__(f"{file.parent} serves the log {remembered}, but {place} {is_what}.", fix=fix)


def remembered(file: Path) -> str:
    """Return the id in a folder's `log-id`, "" if there is none yet.

    Raises:
        UsageError: the file cannot be read, or holds something else.
    """
    try:
        text = file.read_text(encoding="ascii").strip()
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError):
        text = ""
    if not is_id(text):
        raise UsageError(
            f"{file} does not hold the id of a log.",
            fix="Restore it from your backup, or say which log the folder serves: m8 events adopt ID",
        )
    return text


def check_served(file: Path, found: str, place: str) -> None:
    """Check that a log is the one that the folder serves, and remember it if the folder serves none yet.

    Args:
        file: The folder's `log-id`.
        found: The id of the log that the settings name, "" if that would be a new one.
        place: What they name, for the error.

    Raises:
        AnotherLogError: it is another one.
        UsageError: as `remembered`.
    """
    known = remembered(file)
    if known and known != found:
        raise AnotherLogError(file, place, remembered=known, found=found)
    if found and not known:
        # Without it m8 works all the same, as on a full disk: the next start writes it.
        with contextlib.suppress(NotWritableError):
            adopt(file, found)


def adopt(file: Path, found: str) -> None:
    """Let the folder serve the log with the id `found` from now on. Raises `NotWritableError`."""
    write_private(file, f"{found}\n".encode("ascii"), replace=True)


FILE = "noted-position"

_FORM = re.compile(r"(?P<position>[0-9]{1,18})(:(?P<hash>[0-9a-f]{64}))?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Noted:
    """A position, and the hash of the record there; b"" if only the position is known."""

    position: int
    hash: bytes = b""

    def __str__(self) -> str:
        return f"{self.position}:{self.hash.hex()}" if self.hash else str(self.position)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return what `POSITION` or `POSITION:HASH` says. Raises `UsageError`."""
        match = _FORM.fullmatch(text.strip())
        if match is None:
            raise UsageError(
                "a noted position is not of the form POSITION or POSITION:HASH.",
                fix="POSITION is a number, HASH has 64 hex digits; m8 events verify prints both.",
            )
        return cls(int(match["position"]), bytes.fromhex(match["hash"] or ""))

    @classmethod
    def find(cls, folder: Path) -> Self | None:
        """Return what the folder of an m8 has noted, None if nothing.

        Raises:
            UsageError: the file says something else.
            RefusedError: others can reach it.
        """
        content = find_private(folder / FILE)
        if content is None:
            return None
        try:
            return cls.parse(content.decode("ascii", errors="replace"))
        except UsageError as error:
            raise UsageError(f"{folder / FILE}: {error.message}", fix="Correct it, or move it away.") from None

    @classmethod
    async def last(cls, log: EventLog) -> Self:
        """Return the last position of a log, and the hash there. Raises as `log` does."""
        position = await log.head()
        events = await log.read(after=position - 1, limit=1) if position else []
        return cls(position, events[0].hash if events else b"")

    def write(self, folder: Path) -> None:
        """Write it down. Raises `UsageError` if that is not possible."""
        write_private(folder / FILE, f"{self}\n".encode("ascii"), replace=True)

    def advance(self, folder: Path) -> bool:
        """Write it down unless the folder has noted a later position, and return whether it did.

        A log that has become shorter must not take away the proof of it. Raises `UsageError` if it cannot be written.
        """
        found = None
        with contextlib.suppress(Error):  # a file that is damaged, or that others can reach, is replaced
            found = self.find(folder)
        if found is not None and found.position > self.position:
            return False
        self.write(folder)
        return True


BACKUP_FILE = "last-backup"


def note_backup(folder: Path, at_ms: int) -> None:
    """Write down that a backup was made at `at_ms`, milliseconds since 1970. Raises `UsageError` if it cannot be."""
    write_private(folder / BACKUP_FILE, f"{instant(at_ms)}\n".encode("ascii"), replace=True)


def last_backup_ms(folder: Path) -> int:
    """Return when a backup was made last, milliseconds since 1970; 0 if that is not known."""
    try:
        return parse_moment((folder / BACKUP_FILE).read_text(encoding="ascii").strip(), now_ms=0)
    except (OSError, UnicodeDecodeError, UsageError):
        return 0
