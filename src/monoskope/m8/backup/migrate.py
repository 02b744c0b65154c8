"""`m8 migrate --to`: copy a log, byte for byte, into an empty one of another engine. Nobody may append meanwhile."""

from __future__ import annotations

import hashlib

from monoskope.errors import ConflictError
from monoskope.m8.log.event_log import EventLog, LogTamperedError
from monoskope.m8.log.noted import Noted, last

READ = 256
"""Records that are copied in one transaction."""
_SEALED = 16
"""Sealed bytes, a megabyte each at worst, that are copied in one transaction."""


async def copy(source: EventLog, target: EventLog) -> Noted:
    """Copy everything but heartbeats, check both chains, and return the last position and its hash.

    It goes on where an earlier copy was interrupted. The documents are made anew from the records. Until both chains
    are checked, the target is marked as unfinished, and m8 does not open it.

    Args:
        source: The log in use, which no m8 serves.
        target: Opened for an import.

    Raises:
        ConflictError: the target has other events, or the source got new ones meanwhile.
        LogTamperedError: one of them does not hold.
    """
    await target.import_records([])
    there = await last(target)
    await _check_same(source, there)
    after = there.position
    while events := await source.read(after=after, limit=READ):
        await target.import_records([event.record for event in events])
        after = events[-1].position
    await _copy_sealed(source, target, goes_on=there.position > 0)
    await _copy_tree(source, target)
    await source.check_chain()
    await target.check_chain()
    if await source.head() != after:
        raise _grown("Stop whatever uses it, then run this command again.")
    await target.finish_import()
    if await source.head() != after:
        raise _grown("Stop whatever uses it, then copy it into another empty place.")
    ended = await last(target)
    if ended != await last(source):
        raise LogTamperedError(max(ended.position, 1), "the last record is not that of the log in use")
    return ended


async def _copy_sealed(source: EventLog, target: EventLog, *, goes_on: bool) -> None:
    digest = b""
    while sealed := await source.sealed_after(digest, limit=_SEALED):
        await target.import_records([], sealed)
        digest = hashlib.sha256(sealed[-1]).digest()
    digest, erased = b"", []
    # What was erased since an earlier copy must not stay in the new place.
    while goes_on and (sealed := await target.sealed_after(digest, limit=_SEALED)):
        for body in sealed:
            digest = hashlib.sha256(body).digest()
            if await source.sealed(digest) is None:
                erased.append(digest)
    if erased:
        await target.erase_sealed(erased)


async def _copy_tree(source: EventLog, target: EventLog) -> None:
    """Copy what the log is called, and its checkpoints. The tiles are made anew from the records."""
    names = await source.names()
    await target.import_names(names, ())
    for named in names:
        after = 0
        while page := await source.checkpoints(named.number, after=after, limit=READ):
            await target.import_names((), page)
            after = page[-1].size


def _grown(fix: str) -> ConflictError:
    return ConflictError("the log got new events while it was copied.", fix=fix)


async def _check_same(source: EventLog, there: Noted) -> None:
    if not there.position:
        return
    events = await source.read(after=there.position - 1, limit=1)
    if not events or events[0].hash != there.hash:
        raise ConflictError(
            "the target holds an unfinished import of another log.",
            fix="Move the target to another place, and migrate into an empty one.",
        )
