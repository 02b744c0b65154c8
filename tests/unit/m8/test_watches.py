"""Who waits for the log is woken and bounded, and m8 notices a log that fails or lost events."""

from __future__ import annotations

import asyncio
import contextlib
import os
import statistics
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, cast

import pytest

from monoskope import operations as listener
from monoskope.api.gateway.v1 import commands_pb2, queries_pb2, views_pb2
from monoskope.api.secrets.v1 import events_pb2
from monoskope.errors import RateLimitedError, UnavailableError, UsageError
from monoskope.m8.background.timekeeper import Timekeeper
from monoskope.m8.background.watches import LogWatch, PositionNote
from monoskope.m8.domain.events import may_end
from monoskope.m8.domain.principal import Principal
from monoskope.m8.limits.settings import ServerLimits
from monoskope.m8.limits.subjects import CallPlaces
from monoskope.m8.log import record
from monoskope.m8.log.event_log import GENESIS_HASH, EventLog, NewEvent, RecordedEvent
from monoskope.m8.log.folder import FILE, Noted
from tests.support.fake_reactor import FakeReactor
from tests.support.http_calls import CallError
from tests.support.log_lines import capture_logs
from tests.support.m8_user import PATIENCE_S, Sealed, User, refusal
from tests.support.m8_world import World, a_world
from tests.support.vectors import a_request

BROKEN = "the event log cannot be written"
WORKS = "the event log can be written again"


async def test_an_outage_is_noticed_once_although_nobody_appends(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
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
                assert not world.app.log_is_writable
        assert [line["event"] for line in lines] == [BROKEN]
        with capture_logs() as lines:
            for _ in range(2):
                await watch.look()
        assert world.app.log_is_writable
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


async def test_a_new_request_gets_its_key_without_another_read(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
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
    assert (answer.key.grant.content, read) == (grant.content, [])

    # The same request again finds its key by a read: its events were recorded before the call began to wait.
    assert (await user.ask_and_wait(request)).key.grant == answer.key.grant
    assert read == [request.request_id]


async def test_what_is_recorded_before_the_waiting_is_not_lost(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
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


LIMITS = ServerLimits(
    watchers_per_token=3, watchers_per_user=5, watchers=10, waiting_per_user=4, sending_per_user=2, tick_s=3_600
)
WATCHERS = 40
PUTS = 9


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with a_world(tmp_path, limits=LIMITS) as world:
        yield world


async def watching(user: User, count: int) -> list[Any]:
    """Watchers that have their place: each has read its first event."""
    calls = [user.watch() for _ in range(count)]
    for call in calls:
        assert isinstance(await call.read(), queries_pb2.WatchEventsResponse)
    return calls


async def the_answer(call: Any) -> str:
    """The code with which m8 refuses `call`."""
    with pytest.raises(CallError) as caught:
        await call.read()
    return caught.value.reason


async def asked(user: User) -> bytes:
    return await user.ask(a_request(request_id=os.urandom(16)))


async def test_watchers_of_a_token_of_a_subject_and_of_all_are_bounded(world: World) -> None:
    await world.attached()
    anna, again, boris, carla = (world.user(name, "vault://") for name in ("anna", "anna", "boris", "carla"))
    await asked(anna)
    first = await watching(anna, 3)
    assert await the_answer(anna.watch()) == "RATE_LIMITED"
    await watching(again, 2)
    assert await the_answer(again.watch()) == "RATE_LIMITED"
    await watching(boris, 3)
    await watching(carla, 1)
    assert await the_answer(carla.watch()) == "RATE_LIMITED", "half of what the others leave"

    first[0].cancel()
    async with asyncio.timeout(PATIENCE_S):  # m8 learns of it a moment later
        while not isinstance(await read_or_refused(carla.watch()), queries_pb2.WatchEventsResponse):
            pass


async def read_or_refused(call: Any) -> Any:
    try:
        return await call.read()
    except CallError as error:
        return error.reason


def test_the_refusal_says_how_many_and_what_to_do() -> None:
    places = CallPlaces("watchers", of_token=2, of_subject=3, in_all=4)
    anna = Principal.of_token("id", "anna", events_pb2.ROLE_USER, expires_at_ms=0)
    with places.held(anna), places.held(anna), pytest.raises(RateLimitedError) as refusal, places.held(anna):
        pytest.fail("a third place was given")
    assert refusal.value.message == "your token has 2 watchers already, and may not have more at once."
    assert refusal.value.fix
    with places.held(anna):
        pass


def test_users_who_take_all_that_they_can_get_leave_places_to_others() -> None:
    places = CallPlaces("uploads under way", of_token=200, of_subject=200, in_all=500)
    names = ("anna", "boris", "carla", "dora", "emil")
    counts = []
    with ExitStack() as held:
        for name in names:
            user = Principal.of_token(name, name, events_pb2.ROLE_USER, expires_at_ms=0)
            before = len(places)
            with contextlib.suppress(RateLimitedError):
                while True:
                    held.enter_context(places.held(user))
            counts.append(len(places) - before)
    assert (counts, len(places)) == ([200, 150, 75, 38, 19], 0)


async def test_calls_of_one_user_that_wait_are_bounded_and_others_get_in(world: World) -> None:
    await world.attached()
    anna, boris = world.user("anna", "vault://"), world.user("boris", "vault://")
    request_id = await asked(anna)
    wait = queries_pb2.GetSecretUploadRequest(request_id=request_id, wait=True)
    parked = [asyncio.ensure_future(anna.call(wait)) for _ in range(LIMITS.waiting_per_user + 1)]
    done, waiting = await asyncio.wait(parked, return_when=asyncio.FIRST_COMPLETED)
    (ended,) = done
    error = ended.exception()
    assert isinstance(error, CallError)
    assert error.reason == "RATE_LIMITED"
    await asked(boris)
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)


async def test_calls_of_one_user_that_hold_sealed_bytes_are_bounded(world: World) -> None:
    reactor, anna = await world.attached(), world.user("anna", "vault://")
    request_id = await asked(anna)
    await reactor.give_key()
    sealed = Sealed()
    message = commands_pb2.RequestUploadSecretRequest(
        request_id=request_id, encapsulated_key=sealed.encapsulated_key, ciphertext=sealed.ciphertext
    )
    parked = [asyncio.ensure_future(anna.call(message)) for _ in range(3)]
    done, waiting = await asyncio.wait(parked, return_when=asyncio.FIRST_COMPLETED)
    await refusal("RATE_LIMITED", done.pop())
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)


async def test_a_user_with_all_the_watchers_that_it_can_get_slows_nobodys_put(tmp_path: Path) -> None:
    """Measured in calls of Python functions: they are as many on a busy machine as on an idle one.

    The client's half is in it, too. 400 watchers made a put twenty times as expensive; 2 is the aim, 4 is asserted.
    """
    async with a_world(tmp_path) as world:
        reactor = await world.attached()
        anna, mallory = world.user("anna", "vault://"), world.user("mallory", "vault://")
        await put_cost(anna, reactor)
        alone = await put_cost(anna, reactor)

        head = await world.app.log.head()
        opened = [mallory.watch(after=head) for _ in range(WATCHERS)]
        reading = [asyncio.ensure_future(read_or_refused(call)) for call in opened]
        async with asyncio.timeout(PATIENCE_S):
            while sum(one.done() for one in reading) + world.app.feed.subscribers < WATCHERS + 1:  # and the reactor
                await asyncio.sleep(0.01)
        beside = await put_cost(anna, reactor)
        for call, task in zip(opened, reading, strict=True):
            task.cancel()
            call.cancel()
        await asyncio.gather(*reading, return_exceptions=True)
    assert beside < 4 * alone, (beside, alone)


async def put_cost(user: User, reactor: FakeReactor) -> float:
    """Calls of Python functions in this thread that a put costs, in the middle."""
    costs = []
    for _ in range(PUTS):
        with counted_calls() as cost:
            request_id = await asked(user)
            _, grant = await reactor.give_key()
            await asyncio.gather(user.send(request_id, Sealed()), reactor.write(grant, os.urandom(4).hex()))
        costs.append(cost())
    return statistics.median(costs)


@contextmanager
def counted_calls() -> Iterator[Callable[[], int]]:
    """Count the calls of Python functions in this thread, of every task, until the end of the block."""
    count = 0

    def called(_frame: object, event: str, _argument: object) -> None:
        nonlocal count
        count += event == "call"

    sys.setprofile(called)
    try:
        yield lambda: count
    finally:
        sys.setprofile(None)


def test_without_room_for_the_address_file_m8_still_serves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, *_: object, **__: object) -> None:
        raise UsageError(f"{path} cannot be written: No space left on device.", fix="Check the folder.")

    monkeypatch.setattr(listener, "write_private", full)
    with capture_logs() as lines, listener.announced_in(tmp_path / "address", "127.0.0.1:7443"):
        pass
    assert [line["event"] for line in lines] == ["the address file is not written"]


async def test_a_log_that_does_not_answer_is_said_once_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with a_world(tmp_path) as world:
        keeper = Timekeeper(world.app)
    ticks = iter([*[UnavailableError("full.")] * 3, None, UnavailableError("full.")])

    async def tick() -> None:
        error = next(ticks, asyncio.CancelledError())
        if error is not None:
            raise error

    async def soon(_: float) -> None:
        return

    monkeypatch.setattr(keeper, "tick", tick)
    monkeypatch.setattr("monoskope.m8.background.leased.asyncio.sleep", soon)
    with capture_logs() as lines, pytest.raises(asyncio.CancelledError):
        await keeper.run()
    assert [line["event"] for line in lines] == ["the timekeeper waits"] * 2
