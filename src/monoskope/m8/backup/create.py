"""Making a backup: everything up to the position at which the log is when it begins. m8 serves meanwhile."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncGenerator, Sequence

import msgspec

from monoskope.m8.backup import form
from monoskope.m8.backup.form import named
from monoskope.m8.log.event_log import EventLog, LogTamperedError, RecordedEvent
from monoskope.m8.log.record import Following, genesis
from monoskope.m8.log.tree_rows import Named

READ = 256
"""Records that are read at once."""
_TOGETHER = 16
"""Sealed bytes, a megabyte each at worst, that are read at once; and checkpoints."""


class Making:
    """One backup in the making.

    Args:
        log: What it is of.
        created_at_ms: Now, milliseconds since 1970.
        log_id: The id of the log, "" for none.
        engine: "sqlite" or "postgresql".
        version: Of this m8.
    """

    def __init__(self, log: EventLog, *, created_at_ms: int, log_id: str, engine: str, version: str) -> None:
        self._log = log
        self._log_id = log_id
        self._created_at_ms = created_at_ms
        self._engine = engine
        self._version = version
        self._sha256 = hashlib.sha256()
        self._records = self._sealed = self._erased = self._checkpoints = 0
        self._names: Sequence[Named] = ()
        self.header: form.Header | None = None
        """Known once the first piece was made."""
        self.end: form.End | None = None
        """Known once the last piece was made."""

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        """Yield the backup, a piece at a time. The chain is checked on the way.

        Raises:
            LogTamperedError: the log does not hold.
            UnavailableError: it cannot be read.
        """
        self.header = await self._begin()
        yield self._noted(form.MAGIC + form.frame(form.HEADER, msgspec.json.encode(self.header)))
        following = genesis()
        while following.position < self.header.position:
            left = self.header.position - following.position
            events = await self._log.read(after=following.position, limit=min(READ, left))
            if not events:
                raise LogTamperedError(following.position + 1, "the record is missing")
            for some in _pages(events):
                yield self._noted(self._page(some, following))
                async for piece in self._sealed_of(some):
                    yield self._noted(piece)
        if following.hash.hex() != self.header.head and self.header.position:
            raise LogTamperedError(following.position, "the last record is not the one that was there before")
        async for piece in self._tree():
            yield self._noted(piece)
        self.end = form.End(
            self._records, self._sealed, self._erased, self._sha256.hexdigest(), checkpoints=self._checkpoints
        )
        yield form.frame(form.END, msgspec.json.encode(self.end))

    async def _begin(self) -> form.Header:
        position = await self._log.head()
        last = await self._log.read(after=position - 1, limit=1) if position else []
        self._names = await self._log.names()
        return form.Header(
            format=form.FORMAT,
            created_at_ms=self._created_at_ms,
            position=position,
            head="".join(event.hash.hex() for event in last),
            log_id=self._log_id,
            engine=self._engine,
            version=self._version,
        )

    def _page(self, events: Sequence[RecordedEvent], following: Following) -> bytes:
        for event in events:
            following.take(event.record)
        self._records += len(events)
        return form.frame(form.RECORDS, form.page([event.record for event in events]))

    async def _sealed_of(self, events: Sequence[RecordedEvent]) -> AsyncGenerator[bytes, None]:
        digests = named(events)
        for start in range(0, len(digests), _TOGETHER):
            some = digests[start : start + _TOGETHER]
            found = await asyncio.gather(*(self._log.sealed(digest) for digest in some))
            there = [body for body in found if body is not None]
            self._sealed += len(there)
            self._erased += len(found) - len(there)
            if there:
                yield form.frame(form.SEALED, form.page(there))

    async def _tree(self) -> AsyncGenerator[bytes, None]:
        """Yield the names of the log, and checkpoints of what is in this backup. The tree is made of the records."""
        assert self.header is not None, "it was begun"
        if self._names:
            yield form.frame(form.NAMES, msgspec.json.encode(self._names))
        for name in self._names:
            after = 0
            while page := await self._log.checkpoints(name.number, after=after, limit=_TOGETHER):
                after = page[-1].size
                if some := [one for one in page if one.size <= self.header.position]:
                    self._checkpoints += len(some)
                    yield form.frame(form.CHECKPOINTS, msgspec.json.encode(some))

    def _noted(self, piece: bytes) -> bytes:
        self._sha256.update(piece)
        return piece


def _pages(events: Sequence[RecordedEvent]) -> list[list[RecordedEvent]]:
    """Divide events into pages of about `form.PAGE` bytes."""
    pages: list[list[RecordedEvent]] = [[]]
    size = 0
    for event in events:
        if pages[-1] and size + len(event.record) > form.PAGE:
            pages.append([])
            size = 0
        pages[-1].append(event)
        size += len(event.record)
    return pages
