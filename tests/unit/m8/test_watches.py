"""Who waits for the log and is woken, and m8 itself, which notices a log that fails or lost events."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import pytest

from monoskope.api.gateway.v1 import views_pb2
from monoskope.errors import UnavailableError
from monoskope.m8.background.watches import LogWatch, PositionNote
from monoskope.m8.domain.events import may_end
from monoskope.m8.log import record
from monoskope.m8.log.event_log import GENESIS_HASH, EventLog, NewEvent, RecordedEvent
from monoskope.m8.log.folder import FILE, Noted
from tests.support.log_lines import capture_logs
from tests.support.m8_world import World
from tests.support.vectors import a_request

BROKEN = "the event log cannot be written"
WORKS = "the event log can be written again"


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
    last = Noted.find(tmp_path)
    assert last is not None
    assert last.position == (4 if grows else 3)


async def test_a_note_does_not_go_back(tmp_path: Path) -> None:
    """As when a backup ends that began long ago. What is damaged is replaced."""
    later = Noted(9, bytes(32))
    assert later.advance(tmp_path)
    assert not Noted(8, bytes(32)).advance(tmp_path)
    assert Noted.find(tmp_path) == later
    (tmp_path / FILE).write_text("damaged")
    assert Noted(8).advance(tmp_path)
    assert Noted.find(tmp_path) == Noted(8)


async def test_a_new_request_is_answered_with_its_key_without_reading_its_stream_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    user, reactor = world.user("anna", "vault://app"), await world.attached()
    shown, read = world.app.documents.upload, []

    async def reading(request_id: bytes) -> views_pb2.SecretUpload | None:
        read.append(request_id)
        return await shown(request_id)

    monkeypatch.setattr(world.app.documents, "upload", reading)
    request = a_request()
    asking = asyncio.create_task(user.ask_and_wait(request))
    _, grant = await reactor.give_key()
    answer = await asking
    assert answer.key.state == views_pb2.UPLOAD_STATE_GRANTED
    assert answer.key.grant.content == grant.content
    assert read == []

    # The same request again finds its key by a read: its events were recorded before the call began to wait.
    assert (await user.ask_and_wait(request)).key.grant == answer.key.grant
    assert read == [request.request_id]


async def test_what_is_recorded_between_the_request_and_the_waiting_is_not_lost(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    user, reactor = world.user("anna", "vault://app"), await world.attached()
    change = world.app.aggregates.change
    granted = asyncio.Event()

    async def slow(*event: Any, **rest: Any) -> list[RecordedEvent]:
        recorded = await change(*event, **rest)
        await granted.wait()
        return recorded

    monkeypatch.setattr(world.app.aggregates, "change", slow)
    asking = asyncio.create_task(user.ask_and_wait(a_request()))
    await reactor.give_key()
    granted.set()
    assert (await asking).key.state == views_pb2.UPLOAD_STATE_GRANTED


async def test_a_server_that_stops_ends_the_waiting_of_calls_that_began_before_and_after(world: World) -> None:
    async def never() -> int | None:
        return None

    with world.app.feed.waiting("upload/1", may_end) as before:
        waiting = asyncio.create_task(before.until(never, wait_s=60, at_once=False))
        await asyncio.sleep(0)
        world.app.feed.stop()
        assert await waiting is None
    with world.app.feed.waiting("upload/1", may_end) as after:
        assert await after.until(never, wait_s=60, at_once=False) is None
