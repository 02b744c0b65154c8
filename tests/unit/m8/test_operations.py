"""What m8 says of itself to an operator: ready or not and why, counts that follow the log, and how it stops."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import socket
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from msgspec.structs import replace

from monoskope.api.gateway.v1 import commands_pb2, queries_pb2, reactor_pb2
from monoskope.api.secrets.v1 import events_pb2, upload_pb2
from monoskope.errors import ConflictError, UnauthenticatedError, UnavailableError
from monoskope.host_port import HostPort
from monoskope.m8 import operations as endpoints
from monoskope.m8.background.presence import PREFIX
from monoskope.m8.background.timekeeper import Timekeeper
from monoskope.m8.backup.restore import check_stopped
from monoskope.m8.domain.events import M8
from monoskope.m8.domain.principal import Principal
from monoskope.m8.domain.upload import NEW
from monoskope.m8.http.server import build_http, running
from monoskope.m8.limits.settings import ServerLimits
from monoskope.m8.log.event_log import Change, Lookup, NewEvent, Put, RecordedEvent
from monoskope.m8.log.sqlite import SqliteLog
from monoskope.m8.log.sqlite import file as sqlite_file
from monoskope.m8.operations import Endpoints
from monoskope.m8.readmodels.documents import project
from monoskope.m8.readmodels.uploads import OPEN_UPLOADS, body_of
from monoskope.m8.service.app import App
from monoskope.protocol.events import upload_stream
from monoskope.protocol.outcomes import State
from monoskope.testing.logs import some_time
from tests.support.failures import failure
from tests.support.fake_reactor import FakeReactor
from tests.support.http_calls import CallError, ask, hang_up
from tests.support.m8_user import PATIENCE_S, Sealed, User
from tests.support.m8_world import Clock, World, a_world, an_m8, until_granted
from tests.support.operations import samples
from tests.support.vectors import a_request

GOOD = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that is busy makes no database slow."""
    monkeypatch.setattr(endpoints, "DATABASE_S", 60.0)


async def checks(of: Endpoints) -> tuple[int, dict[str, str]]:
    answer = await of.readyz()
    return answer.status, json.loads(answer.body)["checks"]


async def metrics(world: World) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    return samples((await Endpoints(world.app).metrics()).body)


async def test_m8_is_ready_only_if_each_check_is_well(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    schema = ["ok"]

    async def state(_log: object) -> str:
        return schema[0]

    monkeypatch.setattr(SqliteLog, "schema_state", state)
    of = Endpoints(world.app)
    well = dict.fromkeys(("database", "schema", "log", "serving"), "ok")
    assert await checks(of) == (200, well)
    schema[0] = "of another version"
    assert await checks(of) == (503, {**well, "schema": "of another version"})
    schema[0], world.app.log_is_writable = "ok", False
    assert await checks(of) == (503, {**well, "log": "not writable"})
    world.app.log_is_writable, world.app.is_draining = True, True
    assert await checks(of) == (503, {**well, "serving": "draining"})
    assert (await of.healthz()).status == 200


async def test_m8_without_room_for_the_reserve_is_ready_and_says_so(world: World) -> None:
    """Puts work meanwhile: it is a ticket for whoever looks after the disk."""
    of = Endpoints(world.app, has_reserve=lambda: False)
    answer = await of.readyz()
    assert (answer.status, json.loads(answer.body)["notes"]["reserve"]) == (200, "missing")
    assert samples((await of.metrics()).body)["m8_database_reserve", frozenset()] == 0


async def test_a_database_that_is_away_or_slow_is_told_apart(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    of = Endpoints(world.app)

    async def away(_log: object) -> int:
        raise UnavailableError("hunter2")

    async def slow(_log: object) -> int:
        await asyncio.Event().wait()
        return 0

    before = (await of.metrics()).body
    monkeypatch.setattr(SqliteLog, "head", away)
    found = (await checks(of))[1]
    assert (found["database"], found["schema"]) == ("unavailable", "unknown")
    after = (await of.metrics()).body
    assert b"hunter2" not in after
    assert samples(before)["m8_database_up", frozenset()] == 1
    assert samples(after)["m8_database_up", frozenset()] == 0
    monkeypatch.setattr(SqliteLog, "head", slow)
    monkeypatch.setattr(endpoints, "DATABASE_S", 0.01)
    assert (await checks(of))[1]["database"] == "slow"


def test_a_schema_that_another_version_made_is_seen(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    sqlite_file.prepare(path)
    assert sqlite_file.schema_state(path) == "ok"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 99")
    assert sqlite_file.schema_state(path) == "of another version"
    assert sqlite_file.schema_state(tmp_path / "none") == "unreadable"


async def test_requests_are_counted_by_store_purpose_and_outcome(world: World) -> None:
    user, reactor = world.user("anna", "vault://app"), await world.attached()
    grant = await until_granted(user, reactor)
    labels = frozenset({("store", "vault"), ("state", "granted")})
    world.clock.pass_s(90)
    found = await metrics(world)
    assert found["m8_open_requests", labels] == 1
    assert found["m8_oldest_open_request_age_seconds", frozenset({("store", "vault")})] == 90
    await asyncio.gather(user.send(grant.request.request_id, Sealed()), reactor.write(grant))

    failed = a_request(purpose=upload_pb2.PURPOSE_COMPARE)
    await user.ask(failed)
    asked = await reactor.next("SecretUploadKeyRequested")
    event = events_pb2.SecretUploadFailed(reason=upload_pb2.REASON_UNSUPPORTED)
    assert (await reactor.append(failed.request_id, 1, event)).error == ""
    assert asked.event.stream == upload_stream(failed.request_id)
    await user.upload(failed.request_id)

    async def ended() -> bool:
        now = await metrics(world)
        ends = {("purpose", "UPLOAD"), ("outcome", "UPLOADED")}, {("purpose", "COMPARE"), ("outcome", "FAILED")}
        return all(now.get(("m8_requests_total", frozenset({("store", "vault"), *one})), 0) == 1 for one in ends)

    async with asyncio.timeout(60):
        while not await ended():
            await asyncio.sleep(0)
    found = await metrics(world)
    assert found["m8_open_requests", labels] == 0
    assert found["m8_request_duration_seconds_sum", frozenset({("store", "vault")})] == 90
    assert found["m8_reactors_attached", frozenset({("store", "vault")})] == 1


async def test_requests_that_were_open_at_the_start_are_known(tmp_path: Path) -> None:
    request = a_request()
    async with a_world(tmp_path) as world:
        await world.attached()
        await world.user("anna", "vault://app").ask(request)
    async with an_m8(tmp_path) as world:
        found = await metrics(world)
        assert found["m8_open_requests", frozenset({("store", "vault"), ("state", "requested")})] == 1


async def test_a_request_that_only_a_newer_m8_can_read_ends_no_older_one(tmp_path: Path) -> None:
    """It serves on, starts again, and leaves that request to others: its reactor has it, its sealed bytes stay."""
    newer = upload_pb2.UploadRequest.FromString(a_request().content)
    newer.MergeFromString(b"\x10\x63")
    content = newer.SerializeToString(deterministic=True)
    request = replace(a_request(), content=content)
    asked = replace(NEW, state=State.GRANTED, request=request, subject=M8, sealed_sha256=b"s" * 32)

    def projector(event: RecordedEvent, _lookup: Lookup) -> Iterator[Change]:
        yield Put(OPEN_UPLOADS, newer.request_id.hex(), body_of(asked))

    async with a_world(tmp_path) as world:
        log = await SqliteLog.open(tmp_path / "log.db", clock=world.clock, projector=projector)
        message = events_pb2.SecretUploadKeyRequested(request=content, subject="anna")
        event = NewEvent(message.DESCRIPTOR.name, message.SerializeToString())
        [recorded] = await log.append(upload_stream(newer.request_id), 0, [event], actor="anna")
        await log.close()
        async with asyncio.timeout(60):
            while world.app.feed.position < recorded.position:
                await asyncio.sleep(0)
        delivery = await (await world.attached()).next("SecretUploadKeyRequested")
        assert delivery.event.stream == upload_stream(newer.request_id)
        await world.user("anna", "vault://app").ask(a_request())
    async with an_m8(tmp_path) as world:
        await Timekeeper(world.app).tick()
        found = await metrics(world)
        assert found["m8_open_requests", frozenset({("store", "vault"), ("state", "requested")})] == 1
        assert asked.sealed_sha256 in {one.sealed_sha256 async for one in world.app.documents.open_uploads()}


async def test_the_health_of_engines_and_the_lag_of_subscribers_show(world: World, reactor: FakeReactor) -> None:
    await reactor.beat(reactor_pb2.Heartbeat(engine=reactor_pb2.ENGINE_HEALTH_REFUSED))

    async def refused() -> float:
        return (await metrics(world))["m8_engine_health", frozenset({("store", "vault"), ("state", "refused")})]

    async with asyncio.timeout(60):
        while await refused() != 1:
            await asyncio.sleep(0)
    found = await metrics(world)
    assert found["m8_subscribers", frozenset()] == 1
    assert found["m8_subscribers_lag_events", frozenset()] >= 0
    assert found["m8_feed_lag_events", frozenset()] == 0
    assert found["m8_connections", frozenset()] >= 1


async def test_calls_and_writes_are_counted(world: World) -> None:
    await failure(CallError, world.user("anna", "vault://app").upload(b"x" * 16))
    found = await metrics(world)
    assert found["m8_calls_total", frozenset({("method", "GetSecretUpload"), ("code", "NOT_FOUND")})] == 1
    assert found["m8_call_duration_seconds_count", frozenset({("method", "GetSecretUpload")})] == 1


async def test_writes_are_measured_by_the_group(tmp_path: Path) -> None:
    seen: list[tuple[int, float]] = []
    log = await SqliteLog.open(tmp_path / "log.db", clock=lambda: 0, measured=lambda *one: seen.append(one))
    await asyncio.gather(*(log.beat(f"key {number}", 0) for number in range(10)))
    await log.close()
    assert sum(writes for writes, _ in seen) == 10
    assert all(seconds > 0 for _, seconds in seen)


@pytest.mark.parametrize(
    ("given", "kept"), [((GOOD,), GOOD), ((), ""), (("x",), ""), ((GOOD.upper(),), ""), (("00-" + "0" * 32,), "")]
)
async def test_a_well_formed_trace_context_is_recorded(world: World, given: tuple[str, ...], kept: str) -> None:
    await world.attached()
    user, request = world.user("anna", "vault://app"), a_request()
    user.headers += tuple(("traceparent", one) for one in given)
    await user.call(commands_pb2.RequestSecretUploadKeyRequest(request=request.content))
    (event,) = await world.app.log.read_stream(upload_stream(request.request_id))
    assert events_pb2.SecretUploadKeyRequested.FromString(event.data).traceparent == kept


class Stopping:
    """A real m8 that is told to stop, and stays in the time in which it is not ready until `noticed` is set."""

    def __init__(self, app: App, address: str) -> None:
        self.app = app
        self.address = address
        self.user = User(address, "token")
        self.started, self.stop = asyncio.Event(), asyncio.Event()
        self.noticed, self.stopped = asyncio.Event(), asyncio.Event()
        self.answers = asyncio.Event()
        """Calls wait for this before they are let in."""
        self.answers.set()
        self.asked, self.noticing = asyncio.Event(), asyncio.Event()
        """A call has come in; and m8 waits until it is noticed that it is not ready."""

    async def is_ready(self) -> bool:
        ready = await ask(self.address, "GET", "/readyz")
        assert ready.status == 200 or ready.json["checks"]["serving"] == "draining"
        return ready.status == 200

    async def until_not_ready(self) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while await self.is_ready():
                await asyncio.sleep(0.005)

    async def until_sent_away(self) -> None:
        """Wait until nothing listens at its address: another can."""
        host, port = self.address.split(":")
        async with asyncio.timeout(PATIENCE_S):
            while True:
                with contextlib.suppress(OSError):
                    socket.create_server((host, int(port))).close()
                    return
                await asyncio.sleep(0.005)

    async def ask(self) -> str:
        """Return the subject that m8 takes the user for."""
        answer = await self.user.call(queries_pb2.GetServerRequest())
        return str(answer.subject)


@pytest.fixture
async def m8(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Stopping]:
    log = await SqliteLog.open(tmp_path / "log.db", clock=Clock(), projector=project)
    anna = Principal.of_token("token", "anna", events_pb2.ROLE_USER, expires_at_ms=2_000_000_000_000)

    async def authenticate(token: str) -> Principal:
        if token != "token":
            raise UnauthenticatedError("the token does not count.")
        of.asked.set()
        await of.answers.wait()
        return anna

    app = App(log, authenticate, {"m8:1"}, Clock(), "m8", "1", ServerLimits(not_ready_s=1, drain_s=PATIENCE_S))
    http = await build_http(app, Endpoints(app), None, listen=HostPort("127.0.0.1", 0))
    of = Stopping(app, f"127.0.0.1:{http.port}")

    async def noticed(_seconds: float) -> None:
        of.noticing.set()
        await of.noticed.wait()

    async def serve() -> None:
        async with running(app, http):
            of.started.set()
            await of.stop.wait()
        of.stopped.set()

    monkeypatch.setattr("monoskope.m8.http.server.noticed", noticed)
    serving = asyncio.create_task(serve())
    await of.started.wait()
    yield of
    of.stop.set()
    of.noticed.set()
    of.answers.set()
    await serving
    await hang_up()
    await log.close()


async def test_it_says_that_it_is_not_ready_and_takes_calls_until_that_is_noticed(m8: Stopping) -> None:
    assert await m8.ask() == "anna"
    m8.stop.set()
    await m8.until_not_ready()
    assert await m8.ask() == "anna"
    async with asyncio.timeout(PATIENCE_S):
        await m8.noticing.wait()
    # Another one can keep the time from now on.
    assert await m8.app.log.lease("timekeeper", "m8/other", ttl_ms=1_000)
    assert not m8.stopped.is_set()


async def test_a_call_under_way_ends_and_a_new_one_is_sent_away(m8: Stopping) -> None:
    m8.answers.clear()
    under_way = asyncio.create_task(m8.ask())
    async with asyncio.timeout(PATIENCE_S):
        await m8.asked.wait()
    m8.stop.set()
    await m8.until_not_ready()
    m8.noticed.set()
    await m8.until_sent_away()
    async with asyncio.timeout(PATIENCE_S):
        assert not m8.stopped.is_set()
        m8.answers.set()
        assert await under_way == "anna"
        await m8.stopped.wait()


async def test_m8_says_that_it_stops_and_streams_end_before_it_does(m8: Stopping) -> None:
    ending = asyncio.create_task(m8.user.watch().read())
    async with asyncio.timeout(PATIENCE_S):
        while not m8.app.feed.subscribers:
            await asyncio.sleep(0.005)
        m8.stop.set()
        await m8.until_not_ready()
        assert not ending.done()
        m8.noticed.set()
        ended = await failure(CallError, ending)
        assert ended.code == "unavailable"
        assert "stop" in ended.message
        await m8.stopped.wait()
    await failure(ConnectionRefusedError, ask(m8.address, "GET", "/healthz"))


TICK_S = 0.001
HOUR_MS = 3_600_000


@pytest.fixture
async def log(tmp_path: Path) -> AsyncIterator[SqliteLog]:
    opened = await SqliteLog.open(tmp_path / "log.db", clock=some_time)
    yield opened
    await opened.close()


@pytest.mark.parametrize("off_ms", [-HOUR_MS, 0, HOUR_MS])
async def test_an_m8_whose_clock_is_wrong_is_seen(log: SqliteLog, off_ms: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """It runs on another machine; a copy of the log that it writes to would miss what it acknowledges."""
    beats, times = log.beats, itertools.count(some_time() + off_ms)

    async def beats_of_one_that_serves() -> dict[str, int]:
        await log.beat(f"{PREFIX}one", next(times))
        return await beats()

    with monkeypatch.context() as serving:
        serving.setattr(log, "beats", beats_of_one_that_serves)
        await failure(ConflictError, check_stopped(log, tick_s=TICK_S), "an m8 serves this event log now")
    # What a killed one left behind is no m8.
    await check_stopped(log, tick_s=TICK_S)
