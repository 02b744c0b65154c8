"""How m8 stops: first it says so, then it takes nothing new, and what is under way ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import grpc.aio
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from monoskope.api.gateway.v1 import queries_pb2
from monoskope.api.secrets.v1 import events_pb2
from monoskope.errors import UnauthenticatedError
from monoskope.host_port import HostPort
from monoskope.m8 import doors
from monoskope.m8.domain.principal import Principal
from monoskope.m8.doors import running
from monoskope.m8.grpc.server import build_server
from monoskope.m8.http.server import build_http
from monoskope.m8.log.sqlite import SqliteLog
from monoskope.m8.operations.endpoints import Endpoints
from monoskope.m8.readmodels.documents import project
from monoskope.m8.service.app import App
from monoskope.m8.service.server_limits import ServerLimits
from tests.support.http_calls import ask, hang_up
from tests.support.m8_world import PATIENCE_S, Clock, User


class Stopping:
    """A real m8 that is told to stop, and stays in the time in which it is not ready until `noticed` is set."""

    def __init__(self, app: App, channel: grpc.aio.Channel, http: str) -> None:
        self.app = app
        self.http = http
        self.user = User(channel, "token", http=http)
        self.health = health_pb2_grpc.HealthStub(channel)
        self.stop, self.noticed, self.stopped = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self.answers = asyncio.Event()
        """Calls wait for this before they are let in."""
        self.answers.set()
        self.asked, self.noticing = asyncio.Event(), asyncio.Event()
        """A call has come in; and m8 waits until it is noticed that it is not ready."""

    async def is_ready(self, timeout_s: float | None = None) -> bool:
        answer = await self.health.Check(health_pb2.HealthCheckRequest(), timeout=timeout_s)
        return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)

    async def ask_health_again_and_again(self) -> None:
        """Raises `AioRpcError` once one is sent away. One that nobody answers is given up, as callers do."""
        while True:
            try:
                await self.is_ready(timeout_s=PATIENCE_S / 10)
            except grpc.aio.AioRpcError as error:
                if error.code() is not grpc.StatusCode.DEADLINE_EXCEEDED:
                    raise

    async def until_not_ready(self) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while await self.is_ready():
                await asyncio.sleep(0.005)

    async def ask(self) -> str:
        """Return the subject that m8 takes the user for."""
        answer = await self.user.queries.GetServer(queries_pb2.GetServerRequest(), metadata=self.user.metadata)
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
    bound = build_server(app, None)
    http = await build_http(app, Endpoints(app), None, listen=HostPort("127.0.0.1", 0))
    async with grpc.aio.insecure_channel(f"127.0.0.1:{bound.port}") as channel:
        of = Stopping(app, channel, f"127.0.0.1:{http.port}")

        async def noticed(_seconds: float) -> None:
            of.noticing.set()
            await of.noticed.wait()

        async def serve() -> None:
            async with running(app, [bound, http]):
                await of.stop.wait()
            of.stopped.set()

        monkeypatch.setattr(doors, "noticed", noticed)
        serving = asyncio.create_task(serve())
        await channel.channel_ready()
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


@pytest.mark.usefixtures("door")
async def test_a_call_under_way_ends_and_a_new_one_is_sent_away(m8: Stopping) -> None:
    m8.answers.clear()
    under_way = asyncio.create_task(m8.ask())
    async with asyncio.timeout(PATIENCE_S):
        await m8.asked.wait()
    m8.stop.set()
    await m8.until_not_ready()
    m8.noticed.set()
    async with asyncio.timeout(PATIENCE_S):
        with pytest.raises(grpc.aio.AioRpcError) as sent_away:
            await m8.ask_health_again_and_again()
        assert sent_away.value.code() in {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED}
        assert not m8.stopped.is_set()
        m8.answers.set()
        assert await under_way == "anna"
        await m8.stopped.wait()


@pytest.mark.usefixtures("door")
async def test_m8_says_that_it_stops_and_streams_end_before_it_does(m8: Stopping) -> None:
    watching = m8.user.queries.WatchEvents(queries_pb2.WatchEventsRequest(), metadata=m8.user.metadata)
    ending = asyncio.create_task(watching.read())
    async with asyncio.timeout(PATIENCE_S):
        while not m8.app.feed.subscribers:
            await asyncio.sleep(0.005)
        m8.stop.set()
        await m8.until_not_ready()
        ready = await ask(m8.http, "GET", "/readyz")
        assert (ready.status, ready.json["checks"]["serving"]) == (503, "draining")
        assert not ending.done()
        m8.noticed.set()
        with pytest.raises(grpc.aio.AioRpcError) as ended:
            await ending
        assert ended.value.code() is grpc.StatusCode.UNAVAILABLE
        assert "stop" in str(ended.value.details())
        await m8.stopped.wait()
    with pytest.raises(ConnectionRefusedError):
        await ask(m8.http, "GET", "/healthz")
