"""How m8 stops: first it says so, then it takes nothing new, and what is under way ends."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from monoskope.api.gateway.v1 import queries_pb2
from monoskope.api.secrets.v1 import events_pb2
from monoskope.errors import UnauthenticatedError
from monoskope.host_port import HostPort
from monoskope.m8.domain.principal import Principal
from monoskope.m8.http.server import build_http, running
from monoskope.m8.log.sqlite import SqliteLog
from monoskope.m8.operations import Endpoints
from monoskope.m8.readmodels.documents import project
from monoskope.m8.service.app import App
from monoskope.m8.service.server_limits import ServerLimits
from tests.support.http_calls import CallError, ask, hang_up
from tests.support.m8_world import PATIENCE_S, Clock, User


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
    watching = m8.user.watch()
    ending = asyncio.create_task(watching.read())
    async with asyncio.timeout(PATIENCE_S):
        while not m8.app.feed.subscribers:
            await asyncio.sleep(0.005)
        m8.stop.set()
        await m8.until_not_ready()
        assert not ending.done()
        m8.noticed.set()
        with pytest.raises(CallError) as ended:
            await ending
        assert ended.value.code == "unavailable"
        assert "stop" in ended.value.message
        await m8.stopped.wait()
    with pytest.raises(ConnectionRefusedError):
        await ask(m8.address, "GET", "/healthz")
