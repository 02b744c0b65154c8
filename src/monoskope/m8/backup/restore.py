"""Reading a backup with every check, and restoring it into an empty log that no m8 serves."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field

from google.protobuf.message import DecodeError

from monoskope.errors import ConflictError
from monoskope.m8.background.presence import PREFIX
from monoskope.m8.backup import form
from monoskope.m8.backup.form import damaged, named
from monoskope.m8.log.event_log import EventLog, LogTamperedError, RecordedEvent
from monoskope.m8.log.folder import Noted
from monoskope.m8.log.record import Following, genesis
from monoskope.m8.log.tree_rows import Checkpoint, Named
from monoskope.protocol.wire import MalformedError
from monoskope.text import counted

BEATS = (PREFIX, "m8-timekeeper/")
"""What the keys of m8's own heartbeats begin with. One sends every tick; a process that ends drops its own."""

_TICKS = 5


async def check_stopped(log: EventLog, *, tick_s: float) -> None:
    """Return if no m8 serves `log`. It watches the heartbeats for some ticks if there are any.

    How old they are says nothing: the m8 may run on a machine whose clock is wrong.

    Args:
        log: Opened, also for an import.
        tick_s: How often an m8 sends a heartbeat, seconds.

    Raises:
        ConflictError: one does.
    """
    before = await _beats(log)
    if not before:
        return
    for _ in range(_TICKS):
        await asyncio.sleep(tick_s)
        if await _beats(log) != before:
            raise ConflictError(
                "an m8 serves this event log now.", fix="Stop every m8 that uses it, then run this command again."
            )


async def _beats(log: EventLog) -> dict[str, int]:
    return {key: at_ms for key, at_ms in (await log.beats()).items() if key.startswith(BEATS)}


@dataclass(frozen=True, slots=True)
class Page:
    """Some records, or sealed bytes that the records of the page before name; or the log's names, or checkpoints."""

    events: Sequence[RecordedEvent] = ()
    sealed: Sequence[bytes] = field(default=(), repr=False)
    names: Sequence[Named] = ()
    checkpoints: Sequence[Checkpoint] = ()


class Checking:
    """One backup that is being read.

    Args:
        pieces: It, decrypted, in pieces of any size.
        at_least: A position that it must reach, and the hash of the record there if that is known.
    """

    def __init__(self, pieces: AsyncGenerator[bytes, None], at_least: Noted | None = None) -> None:
        self._frames = form.Frames(pieces)
        self._at_least = at_least
        self._following: Following = genesis()
        self._records = self._sealed = self._named = self._checkpoints = 0
        self._names: Sequence[Named] = ()
        self.header: form.Header | None = None
        self.end: form.End | None = None

    @property
    def begun(self) -> form.Header:
        """The header, which was read."""
        assert self.header is not None, "it has begun"
        return self.header

    async def begin(self) -> form.Header:
        """Read the header.

        Raises:
            DamagedError: it does not hold, or this is no backup.
            UsageError: a newer m8 made it.
            ConflictError: it ends before the position that it must reach.
        """
        await self._frames.begin()
        kind, content = await self._frames.next()
        if kind != form.HEADER:
            raise damaged("it does not begin with its header")
        self.header = form.header(content)
        if self._at_least is not None and self.header.position < self._at_least.position:
            raise _too_old(self.header.position, self._at_least.position)
        return self.header

    async def pages(self) -> AsyncGenerator[Page, None]:
        """Yield what is in it. Only when this has ended is it certain that the backup holds.

        Raises:
            DamagedError: it is cut off or was changed.
            LogTamperedError: a record does not follow the one before it.
            ConflictError: it is of another log than the position that was noted.
        """
        events: Sequence[RecordedEvent] = ()
        while True:
            kind, content = await self._frames.next()
            if kind == form.RECORDS:
                events = self._follow(form.bodies(content))
                yield Page(events)
            elif kind == form.SEALED:
                yield Page(sealed=self._checked(form.bodies(content), events))
            elif kind == form.NAMES:
                self._names = form.names(content)
                yield Page(names=self._names)
            elif kind == form.CHECKPOINTS:
                yield Page(checkpoints=self._of_records(form.checkpoints(content)))
            elif kind == form.END:
                await self._finish(form.end(content))
                return
            else:
                raise damaged("a frame is of no known kind")

    async def close(self) -> None:
        """Read no more. To be called however it ended."""
        await self._frames.close()

    def _follow(self, records: Sequence[bytes]) -> Sequence[RecordedEvent]:
        events = [self._following.take(record) for record in records]
        self._records += len(events)
        self._named += len(named(events))
        noted = self._at_least
        for event in events:
            if noted is not None and event.position == noted.position and noted.hash not in (b"", event.hash):
                raise ConflictError(
                    f"the backup is not of the log that was noted: the record at position {event.position} is another.",
                    fix="Find out which of the two is yours before you restore anything; keep both.",
                )
        return events

    def _checked(self, sealed: Sequence[bytes], events: Sequence[RecordedEvent]) -> Sequence[bytes]:
        expected = set(named(events))
        if not {hashlib.sha256(body).digest() for body in sealed} <= expected:
            raise damaged("it has sealed bytes that no record before them names")
        self._sealed += len(sealed)
        return sealed

    def _of_records(self, checkpoints: Sequence[Checkpoint]) -> Sequence[Checkpoint]:
        """Return checkpoints that can be of the records before them. Whether they are, `m8 events verify` says."""
        numbers = {named.number for named in self._names}
        if any(one.number not in numbers or not 1 <= one.size <= self._records for one in checkpoints):
            raise damaged("it has checkpoints of records that it does not have")
        self._checkpoints += len(checkpoints)
        return checkpoints

    async def _finish(self, end: form.End) -> None:
        if end.sha256 != self._frames.sha256.hex():
            raise damaged("its content is not what its end says")
        counted = (self._records, self._sealed, self._named - self._sealed)
        if (end.records, end.sealed, end.erased) != counted or self._records != self.begun.position:
            raise damaged("it has more or fewer records or sealed bytes than it says")
        if end.checkpoints != self._checkpoints:
            raise damaged("it has more or fewer checkpoints than it says")
        if self.begun.position and self._following.hash.hex() != self.begun.head:
            raise LogTamperedError(self.begun.position, "the last record is not the one that the header names")
        if not await self._frames.is_over():
            raise damaged("something follows its end")
        self.end = end


def _too_old(position: int, noted: int) -> ConflictError:
    lacks = counted(noted - position, "event")
    return ConflictError(
        f"the backup ends at position {position}, and position {noted} was noted: it lacks {lacks}.",
        fix="Take a later backup. If there is none, --accept-loss restores this one; what it lacks is lost.",
    )


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
    there = await Noted.last(log)
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
        position = await log.finish_import(log_id=header.log_id)
    except (DecodeError, AssertionError, LookupError, ValueError, MalformedError):
        # m8 recorded no such event: the backup was not made of a log of m8.
        raise damaged("its events do not follow from one another, though their hashes do") from None
    restored = await Noted.last(log)
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
