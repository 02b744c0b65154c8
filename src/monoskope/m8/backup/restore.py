"""Restoring a backup into an empty log, or going on where an import broke off."""

from __future__ import annotations

from google.protobuf.message import DecodeError

from monoskope.archive.errors import damaged
from monoskope.errors import ConflictError
from monoskope.m8.backup import form
from monoskope.m8.backup.check import Checking
from monoskope.m8.log.event_log import EventLog, LogTamperedError, RecordedEvent
from monoskope.m8.log.noted import last
from monoskope.protocol.wire import MalformedError


async def restore(checking: Checking, log: EventLog) -> form.Header:
    """Import everything that `checking` reads into `log`, make its documents, and return the header.

    Until it returns, the log is marked as unfinished, and m8 does not open it. After a failure, and even after this
    process was killed, the same call goes on where it was.

    Args:
        checking: The backup, of which nothing was read but the header, if that.
        log: It was opened for an import.

    Raises:
        ConflictError: the log has events of its own, or an unfinished import of another log.
        Error: as `Checking` does.
    """
    header = checking.header or await checking.begin()
    await log.import_records([])  # a log with events of its own is refused before anything is read
    there = await last(log)
    async for page in checking.pages():
        new = [event for event in page.events if event.position > there.position]
        for event in page.events[: len(page.events) - len(new)]:
            _check_same(event, there.position, there.hash)
        if new or page.sealed:
            await log.import_records([event.record for event in new], page.sealed)
        if page.names or page.checkpoints:
            await log.import_names(page.names, page.checkpoints)
    if there.position > header.position:
        raise _another()
    try:
        position = await log.finish_import()
    except (DecodeError, AssertionError, LookupError, ValueError, MalformedError):
        # m8 recorded no such event: somebody made the backup who is not m8.
        raise damaged("its events do not follow from one another, though their hashes do") from None
    restored = await last(log)
    if position != header.position or restored.hash.hex() != header.head:
        raise LogTamperedError(max(position, 1), "what was restored is not what the backup holds")
    return header


def _check_same(event: RecordedEvent, position: int, digest: bytes) -> None:
    if event.position == position and event.hash != digest:
        raise _another()


def _another() -> ConflictError:
    return ConflictError(
        "the target holds an unfinished import of another log.",
        fix="Move the target to another folder, and restore into an empty one.",
    )
