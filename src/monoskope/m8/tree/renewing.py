"""Beginning a log anew after a real loss: a new origin, new keys, and a record of where the former log ended.

Users accept it one by one, told why. It is for records or keys that are lost for good, and for nothing else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from monoskope.errors import ConflictError, UsageError
from monoskope.m8.log.event_log import EventLog
from monoskope.m8.log.tree_rows import Named
from monoskope.m8.tree import key_file
from monoskope.m8.tree.last_signed import LastSigned
from monoskope.protocol.tlog.checkpoint import Checkpoint
from monoskope.protocol.tlog.log_key import LogKey
from monoskope.protocol.tlog.note import Note
from monoskope.settings import find_private, write_private

NEW = "log.key.new"
"""The new keys, until the log has its new name."""

MAX_REASON = 500
"""Characters of a reason at most: users read it in their terminals."""


async def renew(log: EventLog, folder: Path, *, reason: str, at_ms: int, shown: Sequence[Note] = ()) -> Named:
    """Give the log a new name with new keys, and return it. A call that broke off is finished by the next one.

    The former keys stay in the folder as `log.key.former-N`. Other m8 of the log sign nothing until they have a copy of
    the new `log.key`.

    Args:
        log: The log.
        folder: Of m8.
        reason: Why, in words that users understand.
        at_ms: Now, milliseconds since 1970.
        shown: What witnesses have shown of the log, as this folder keeps it.

    Raises:
        UsageError: the reason is empty, too long or of more than one line; a file cannot be read or written.
        ConflictError: another m8 renewed it at the same time.
        UnavailableError: the log fails.
    """
    if not reason.strip() or len(reason) > MAX_REASON or not reason.isprintable():
        raise UsageError(
            f"the reason must be one line of 1 to {MAX_REASON} characters.", fix="Say what was lost, and how."
        )
    names = await log.names()
    key = await asyncio.to_thread(_new_key, folder)
    number = len(names)
    if not names or names[-1].origin != key.origin:  # else the call before this one broke off here
        number += 1
        last_note = await _last_note(log, folder, names, shown)
        named = Named(number, key.origin, tuple(map(str, key.vkeys)), at_ms, reason, last_note)
        if not await log.give_name(named):
            raise ConflictError("another m8 renewed this log just now.", fix="Run: m8 log status")
    await asyncio.to_thread(_take, folder, number)
    return (await log.names())[-1]


def _new_key(folder: Path) -> LogKey:
    content = find_private(folder / NEW)
    if content is not None:
        return LogKey.from_pem(content)
    key = key_file.make("")
    write_private(folder / NEW, key.to_pem())
    return key


def _take(folder: Path, number: int) -> None:
    """Put the new keys in the place of the former ones, which are kept."""
    former = find_private(folder / key_file.FILE)
    kept = folder / f"{key_file.FILE}.former-{number - 1}"
    if former is not None and not kept.exists():
        write_private(kept, former)
    new = find_private(folder / NEW)
    assert new is not None, "it was written"
    write_private(folder / key_file.FILE, new, replace=True)
    (folder / NEW).unlink()


async def _last_note(log: EventLog, folder: Path, names: Sequence[Named], shown: Sequence[Note]) -> bytes:
    """Return the largest checkpoint that is known of the former log: of the database, `log.checkpoint` or a witness.

    `log.checkpoint` may still hold one of a name before: it counts if there is no other.
    """
    signed = await asyncio.to_thread(LastSigned(folder).read)
    kept = await log.checkpoint(names[-1].number) if names else None
    origin = names[-1].origin if names else ""
    notes = [*map(bytes, shown), b"" if signed is None else signed.note, b"" if kept is None else kept.note]
    found = {note: Checkpoint.parse(Note.parse(note).text) for note in notes if note}
    return max(found, key=lambda note: (found[note].origin == origin, found[note].size), default=b"")
