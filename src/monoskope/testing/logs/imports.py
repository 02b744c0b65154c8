"""The suite's part on imports: records come over byte for byte, or not at all, and half a log never passes for one."""

from __future__ import annotations

import hashlib
from abc import abstractmethod
from pathlib import Path

import pytest

from monoskope.api.eventsourcing.v1 import event_pb2
from monoskope.errors import ConflictError
from monoskope.m8.log.event_log import EventLog, LogTamperedError, NewEvent, RecordedEvent
from monoskope.testing.log_writer import LogOpener, some_time
from monoskope.testing.logs.harness import LogHarness, documents, ledger, some

SEALED = b"sealed bytes"


async def fill(log: EventLog) -> list[RecordedEvent]:
    """Seven events in two streams, documents, and sealed bytes."""
    for stream in "abab":
        await log.append(stream, None, some(2 if stream == "a" else 1), actor="ann", sealed=SEALED)
    await log.append("keeper", None, [NewEvent("Kept", b"x")], actor="ann")
    return await log.read(after=0, limit=100)


def forged(event: RecordedEvent, **changes: object) -> bytes:
    """The record of `event` with other fields, in the accepted form."""
    message = event_pb2.Event.FromString(event.record)
    for name, value in changes.items():
        setattr(message, name, value)
    return message.SerializeToString(deterministic=True)


class Imports(LogHarness):
    """What an import promises. Beside the hooks of `LogHarness` it needs `new_target`."""

    @abstractmethod
    def new_target(self, folder: Path, *, for_import: bool) -> LogOpener:
        """An opener of one other log, not that of `new_log`, which is empty when it is first opened.

        Args:
            folder: The test's folder; the same folder means the same log.
            for_import: Whether the opener opens it to be imported into; otherwise as m8 does.
        """

    async def target(self, folder: Path, *, for_import: bool = True) -> EventLog:
        """Open the log that is imported into."""
        return await self.new_target(folder, for_import=for_import)(clock=some_time, projector=ledger)

    async def test_an_import_is_the_same_log_byte_for_byte(self, log: EventLog, tmp_path: Path) -> None:
        """Records, hashes, documents, sealed bytes; and it goes on as any log does."""
        events = await fill(log)
        records = [event.record for event in events]
        target = await self.target(tmp_path)
        await target.import_records(records[:3])
        await target.import_records(records[3:], [SEALED, b"more"])
        assert await target.finish_import() == len(events)
        await target.close()
        opened = await self.target(tmp_path, for_import=False)
        assert await opened.read(after=0, limit=100) == events
        assert await documents(opened) == await documents(log)
        assert await opened.sealed(hashlib.sha256(SEALED).digest()) == SEALED
        assert await opened.check_chain() == len(events)
        assert await opened.read_stream("a") == await log.read_stream("a")
        added = await opened.append("a", 4, some(), actor="ann")
        assert added[0].previous_hash == events[-1].hash
        await opened.close()

    async def test_a_log_with_events_of_its_own_is_not_imported_into(self, log: EventLog) -> None:
        """Nothing of it changes."""
        events = await fill(log)
        with pytest.raises(ConflictError):
            await log.import_records([events[0].record])
        with pytest.raises(ConflictError):
            await log.finish_import()
        assert await log.read(after=0, limit=100) == events
        assert await log.check_chain() == len(events)

    async def test_a_record_that_does_not_follow_is_refused(self, log: EventLog, tmp_path: Path) -> None:
        """Nothing of its page is added."""
        events = await fill(log)
        good = [event.record for event in events]
        pages = {
            "gap": [good[0], good[2]],
            "order": [good[0], forged(events[1], position=3)],
            "hash": [good[0], forged(events[1], previous_hash=bytes(32))],
            "version": [good[0], forged(events[1], version=3)],
            "form": [good[0], good[1] + b"\x98\x06\x01"],
            "garbage": [good[0], b"\xff"],
        }
        target = await self.target(tmp_path)
        for broken, bad in pages.items():
            with pytest.raises(LogTamperedError):
                await target.import_records(bad)
            assert await target.head() == 0, broken
        await target.import_records(good)
        assert await target.finish_import() == len(good)
        await target.close()

    async def test_an_import_that_broke_off_is_seen_and_goes_on(self, log: EventLog, tmp_path: Path) -> None:
        """m8 does not open half a log; the import does, knows where it is, and ends whole."""
        events = await fill(log)
        records = [event.record for event in events]
        begun = await self.target(tmp_path)
        await begun.import_records(records[:3])
        await begun.close()
        with pytest.raises(ConflictError, match="import"):
            await self.target(tmp_path, for_import=False)
        target = await self.target(tmp_path)
        assert await target.head() == 3
        await target.import_records(records[3:], [SEALED])
        assert await target.finish_import() == len(records)
        await target.close()
        opened = await self.target(tmp_path, for_import=False)
        assert await opened.read(after=0, limit=100) == events
        await opened.close()
