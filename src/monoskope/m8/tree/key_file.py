"""`log.key` in m8's folder: the two private keys that sign checkpoints; and giving the log new keys after a real loss.

Every replica has a copy of `log.key`, or signs nothing. A renewed log has a new origin, new keys and a record of where
the former log ended. Users accept it one by one, told why. It is for records or keys that are lost for good, and for
nothing else.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections.abc import Sequence
from pathlib import Path

from monoskope.errors import AlreadyExistsError, ConflictError, UsageError
from monoskope.m8.log.event_log import EventLog
from monoskope.m8.log.tree_rows import Named
from monoskope.m8.tree.signing import LastSigned
from monoskope.protocol.tlog.checkpoint import Checkpoint
from monoskope.protocol.tlog.forms import NoteError
from monoskope.protocol.tlog.log_key import LogKey
from monoskope.protocol.tlog.note import Note
from monoskope.settings import find_private, write_private
from monoskope.value import Unshared

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
    key = make("")
    write_private(folder / NEW, key.to_pem())
    return key


def _take(folder: Path, number: int) -> None:
    """Put the new keys in the place of the former ones, which are kept."""
    former = find_private(folder / FILE)
    kept = folder / f"{FILE}.former-{number - 1}"
    if former is not None and not kept.exists():
        write_private(kept, former)
    new = find_private(folder / NEW)
    assert new is not None, "it was written"
    write_private(folder / FILE, new, replace=True)
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
