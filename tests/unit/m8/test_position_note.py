"""The noted position never goes back by itself, so that a log which lost events is noticed: at once, and later."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import cast

import pytest

from monoskope.m8.background.watches import PositionNote
from monoskope.m8.log import noted, record
from monoskope.m8.log.event_log import GENESIS_HASH, EventLog, NewEvent, RecordedEvent
from monoskope.m8.log.noted import Noted


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
