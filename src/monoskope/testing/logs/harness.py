"""What every part of the suite for event logs builds on: the hooks of an engine, the fixtures, the test's projector."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Iterable, Sequence
from pathlib import Path

import pytest
import pytest_asyncio

from monoskope.m8.log.event_log import Change, Delete, EventLog, Lookup, NewEvent, Put, RecordedEvent
from monoskope.testing.log_writer import LogOpener, some_time

PATIENCE_S = 180
"""After this a test that waits for an event gives up. No test expects anything to be fast."""


class BrokenProjectorError(Exception):
    """What the test's projector raises on an event of type `Broken`."""


def ledger(event: RecordedEvent, lookup: Lookup) -> Iterable[Change]:
    """The test's projector: counts the events of each stream, and keeps or drops the documents that events name."""
    count = int(lookup("counts", event.stream) or b"0") + 1
    yield Put("counts", event.stream, b"%d" % count)
    match event.type:
        case "Kept":
            yield Put("kept", event.data.decode(), b"kept at %d" % event.position)
        case "Dropped":
            yield Delete("kept", event.data.decode())
        case "Broken":
            raise BrokenProjectorError


def some(number: int = 1, *, kind: str = "Happened") -> list[NewEvent]:
    """`number` events that differ."""
    return [NewEvent(kind, b"event %d" % index) for index in range(number)]


def positions(events: Sequence[RecordedEvent]) -> list[int]:
    """Their positions, in their order."""
    return [event.position for event in events]


async def documents(log: EventLog) -> dict[str, list[tuple[str, bytes]]]:
    """Everything that the test's projector may have written."""
    return {name: await log.scan(name, limit=10_000) for name in ("counts", "kept")}


class LogHarness(ABC):
    """The hooks that an engine's test fills in. `folder` is the same temporary folder within one test."""

    pytestmark = pytest.mark.asyncio

    @abstractmethod
    def new_log(self, folder: Path) -> LogOpener:
        """An opener of one log that is empty when it is first opened."""

    @abstractmethod
    def replace_record(self, folder: Path, position: int, record: bytes, digest: bytes) -> None:
        """Behind the log's back, put `record` and `digest` where the record at `position` and its hash are kept."""

    @abstractmethod
    def delete_record(self, folder: Path, position: int) -> None:
        """Behind the log's back, delete the record at `position` and nothing else."""

    @pytest.fixture
    def opener(self, tmp_path: Path) -> LogOpener:
        """Opens this test's log."""
        return self.new_log(tmp_path)

    @pytest_asyncio.fixture
    async def log(self, opener: LogOpener) -> AsyncIterator[EventLog]:
        """This test's log, open and empty."""
        log = await opener(clock=some_time, projector=ledger)
        yield log
        await log.close()
