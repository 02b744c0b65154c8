"""m8 is not ready from the moment the log fails until a write works, and it notices a log that lost events.

The noted position never goes back by itself.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import cast

import pytest

from monoskope.errors import UnavailableError
from monoskope.m8.background.watches import LogWatch, PositionNote
from monoskope.m8.log import noted, record
from monoskope.m8.log.event_log import GENESIS_HASH, EventLog, NewEvent, RecordedEvent
from monoskope.m8.log.noted import Noted
from tests.support.log_lines import capture_logs
from tests.support.m8_world import World, a_world

BROKEN = "the event log cannot be written"
WORKS = "the event log can be written again"


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with a_world(tmp_path) as world:
        yield world


async def test_a_database_that_is_gone_is_one_outage_although_nobody_appends(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No write fails meanwhile, as in a process that only answers queries."""

    async def gone(*_: object) -> int:
        raise UnavailableError("the database does not answer.", fix="Start it.")

    watch = LogWatch(world.app)
    for _ in range(2):  # The next outage is told, too, and nothing in between.
        with monkeypatch.context() as patched, capture_logs() as lines:
            patched.setattr(type(world.app.log), "head", gone)
            patched.setattr(type(world.app.log), "beat", gone)
            for _ in range(3):
                await watch.look()
                assert not world.app.state.log_is_writable
        assert [line["event"] for line in lines] == [BROKEN]
        with capture_logs() as lines:
            for _ in range(2):
                await watch.look()
        assert world.app.state.log_is_writable
        assert [line["event"] for line in lines] == [WORKS]


def events(*texts: bytes) -> list[RecordedEvent]:
    made: list[RecordedEvent] = []
    for position, text in enumerate(texts, start=1):
        previous = made[-1].hash if made else GENESIS_HASH
        new = NewEvent("Happened", text)
        made.append(
            record.make(
                new,
                position=position,
                stream="s",
                version=position,
                recorded_at_ms=1,
                actor="a",
                previous_hash=previous,
            )
        )
    return made


class AnyLog:
    """A log whose records the test sets."""

    def __init__(self) -> None:
        self.records: list[RecordedEvent] = []

    async def head(self) -> int:
        return len(self.records)

    async def read(self, *, after: int, limit: int) -> Sequence[RecordedEvent]:
        return self.records[after : after + limit]


@pytest.fixture
def log() -> AnyLog:
    return AnyLog()


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    said: list[str] = []

    class Log:
        def error(self, event: str, **fields: str) -> None:
            said.append(f"{event}: {fields['message']}")

    monkeypatch.setattr("monoskope.operating_log.get", Log)
    return said


@pytest.mark.parametrize("grows", [(), (b"d", b"e")])
async def test_a_log_that_loses_events_while_it_is_served_is_noticed(
    tmp_path: Path, log: AnyLog, told: list[str], grows: tuple[bytes, ...]
) -> None:
    """A standby that lagged took over. Whether or not others recorded new events in their place, it is told once."""
    note = PositionNote(cast("EventLog", log), tmp_path)
    log.records = events(b"a", b"b", b"c")
    await note.write()
    log.records = events(b"a", b"b", *grows)
    await note.write()
    await note.write()
    assert told == [
        "the event log lacks what was noted: Position 3 was noted in noted-position, and the log has no such record."
    ]
    last = noted.find(tmp_path)
    assert last is not None
    assert last.position == (4 if grows else 3)


async def test_a_note_does_not_go_back(tmp_path: Path) -> None:
    """As when a backup ends that began long ago. What is damaged is replaced."""
    later = Noted(9, bytes(32))
    assert noted.advance(tmp_path, later)
    assert not noted.advance(tmp_path, Noted(8, bytes(32)))
    assert noted.find(tmp_path) == later
    (tmp_path / noted.FILE).write_text("damaged")
    assert noted.advance(tmp_path, Noted(8))
    assert noted.find(tmp_path) == Noted(8)
