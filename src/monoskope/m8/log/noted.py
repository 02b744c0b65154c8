"""The last known position of the log, noted outside of the database: in the file `noted-position` of m8's folder.

`m8 serve` and `m8 backup create` write it, `m8 backup restore` reads it: a backup, or a database, that ends before it
has lost something.
"""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass
from pathlib import Path

from monoskope.errors import Error, UsageError
from monoskope.m8.log.event_log import EventLog
from monoskope.settings import find_private, write_private

FILE = "noted-position"

_FORM = re.compile(r"(?P<position>[0-9]{1,18})(:(?P<hash>[0-9a-f]{64}))?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Noted:
    """A position, and the hash of the record there; b"" if only the position is known."""

    position: int
    hash: bytes = b""

    def __str__(self) -> str:
        return f"{self.position}:{self.hash.hex()}" if self.hash else str(self.position)


def parse(text: str) -> Noted:
    """Return what `POSITION` or `POSITION:HASH` says. Raises `UsageError`."""
    match = _FORM.fullmatch(text.strip())
    if match is None:
        raise UsageError(
            "a noted position is not of the form POSITION or POSITION:HASH.",
            fix="POSITION is a number, HASH has 64 hex digits; m8 events verify prints both.",
        )
    return Noted(int(match["position"]), bytes.fromhex(match["hash"] or ""))


def find(folder: Path) -> Noted | None:
    """Return what the folder of an m8 has noted, None if nothing.

    Raises:
        UsageError: the file says something else.
        RefusedError: others can reach it.
    """
    content = find_private(folder / FILE)
    if content is None:
        return None
    try:
        return parse(content.decode("ascii", errors="replace"))
    except UsageError as error:
        raise UsageError(f"{folder / FILE}: {error.message}", fix="Correct it, or move it away.") from None


def note(folder: Path, noted: Noted) -> None:
    """Write it down. Raises `UsageError` if that is not possible."""
    write_private(folder / FILE, f"{noted}\n".encode("ascii"), replace=True)


def advance(folder: Path, noted: Noted) -> bool:
    """Write it down unless the folder has noted a later position, and return whether it did.

    A log that has become shorter must not take away the proof of it. Raises `UsageError` if it cannot be written.
    """
    found = None
    with contextlib.suppress(Error):  # a file that is damaged, or that others can reach, is replaced
        found = find(folder)
    if found is not None and found.position > noted.position:
        return False
    note(folder, noted)
    return True


async def last(log: EventLog) -> Noted:
    """Return the last position of a log, and the hash there. Raises as `log` does."""
    position = await log.head()
    events = await log.read(after=position - 1, limit=1) if position else []
    return Noted(position, events[0].hash if events else b"")
