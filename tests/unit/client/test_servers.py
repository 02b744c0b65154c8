"""A list of servers: which calls go on at the next one, which must not, and which answer counts."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from monoskope.api.gateway.v1 import commands_pb2, queries_pb2, views_pb2
from monoskope.client import Client
from monoskope.client.connection import Connection
from monoskope.client.http import methods, on_asyncio, transport
from monoskope.client.http.on_asyncio import HttpTransport
from monoskope.client.http.transport import Roots
from monoskope.client.queries import Queries
from monoskope.client.runtime import blocking
from monoskope.client.settings import ClientSettings, load_settings
from monoskope.errors import Error, IdentityChangedError, NotReachedError, UnavailableError, UsageError
from monoskope.http.client.destination import BrokenError, LateError
from monoskope.http.client.pool import Stream
from monoskope.http.messages import Decision, Head
from monoskope.m8.http import tls
from monoskope.testing.scripted import connect
from monoskope.testing.scripted.client import stores_of
from monoskope.testing.scripted.m8 import ScriptedM8

FIRST, SECOND = "first", "second"
IDENTITY = "SHA256:" + "A" * 43


class Answering(ScriptedM8):
    """Says by its version which one it is."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name
        created = commands_pb2.CreateSecretStoreResponse(store=views_pb2.SecretStore(name=name))
        self.answers[commands_pb2.CreateSecretStoreRequest] = created
        self.answers[queries_pb2.GetServerRequest] = queries_pb2.GetServerResponse(version=name)
        self.streamed = [views_pb2.EventSummary(position=1, type=name)]


@pytest.fixture
async def first(tmp_path: Path) -> AsyncIterator[Answering]:
    (tmp_path / FIRST).mkdir()
    async with Answering(FIRST).serving(tmp_path / FIRST) as m8:
        yield m8


@pytest.fixture
async def second(tmp_path: Path) -> AsyncIterator[Answering]:
    (tmp_path / SECOND).mkdir()
    async with Answering(SECOND).serving(tmp_path / SECOND) as m8:
        yield m8


@pytest.fixture
def nobody() -> Iterator[str]:
    """An address where nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{taken.getsockname()[1]}"


def both(first: ScriptedM8, second: ScriptedM8) -> str:
    """The authorities of both: here each has its own."""
    return first.ca_file.read_text() + second.ca_file.read_text()


async def who_answers(servers: list[str], ca: str, *, blocks: bool = False) -> str:
    """Ask one of the servers which one it is."""

    async def ask() -> str:
        runtime = blocking.BlockingRuntime() if blocks else None
        connection = Connection(servers, None, "a.b.c", ca=ca, runtime=runtime)
        try:
            return (await Queries(connection).server()).version
        finally:
            await connection.close()

    return await (asyncio.to_thread(blocking.run, ask()) if blocks else ask())


async def test_the_first_that_answers_is_asked_from_then_on(nobody: str, second: Answering) -> None:
    connection = Connection([nobody, second.server], second.ca_file, "a.b.c")
    assert connection.server == nobody
    for _ in range(2):
        assert (await Queries(connection).server()).version == SECOND
        assert connection.server == second.server
    await connection.close()


@pytest.mark.parametrize("failure", ["unavailable", UnavailableError("the event log cannot be written.")])
async def test_failed_queries_are_asked_elsewhere(first: Answering, second: Answering, failure: Error | str) -> None:
    first.failing["GetServer"] = [failure]
    assert await who_answers([first.server, second.server], both(first, second)) == SECOND


async def test_a_command_whose_fate_is_unknown_is_not_made_again(first: Answering, second: Answering) -> None:
    first.failing["CreateSecretStore"] = ["unavailable"]
    connection = Connection([first.server, second.server], None, "a.b.c", ca=both(first, second))
    with pytest.raises(NotReachedError):
        await stores_of(connection).create("vault", kind="vault", identity=IDENTITY)
    assert second.calls == []
    # The next command goes to the one that is there.
    assert (await stores_of(connection).create("vault", kind="vault", identity=IDENTITY)).name == SECOND
    await connection.close()


async def test_a_command_of_which_nothing_was_sent_is_made_elsewhere(nobody: str, second: Answering) -> None:
    connection = Connection([nobody, second.server], second.ca_file, "a.b.c")
    assert (await stores_of(connection).create("vault", kind="vault", identity=IDENTITY)).name == SECOND
    await connection.close()


async def test_each_server_is_tried_once_a_call(nobody: str, second: Answering) -> None:
    second.failing["GetServer"] = ["unavailable"] * 5
    connection = Connection([nobody, second.server], second.ca_file, "a.b.c", retry_for_s=0)
    with pytest.raises(NotReachedError, match=f"at any of {nobody}, {second.server}"):
        await Queries(connection).server()
    assert second.count("GetServer") == 1
    await connection.close()


@pytest.mark.parametrize("nobody_is_last", [True, False])
async def test_no_refusal_is_final_while_one_is_away(nobody: str, second: Answering, *, nobody_is_last: bool) -> None:
    """It may be starting, as in an update: whoever waits for that does not depend on which of them is asked last."""
    refusal = UnavailableError("the event log has a newer form.")
    second.failing["GetServer"] = [refusal, refusal]
    servers = [second.server, nobody] if nobody_is_last else [nobody, second.server]
    connection = Connection(servers, second.ca_file, "a.b.c", pause_s=0.001)
    request = queries_pb2.GetServerRequest()
    assert (await connection.call(methods.GET_SERVER, request, 60.0)).version == SECOND
    await connection.close()
    # Whoever does not wait is told what the one that answers said.
    second.failing["GetServer"] = [refusal]
    connection = Connection([nobody, second.server], second.ca_file, "a.b.c", retry_for_s=0)
    with pytest.raises(UnavailableError, match="newer form") as raised:
        await Queries(connection).server()
    assert raised.value.by_m8
    await connection.close()


async def test_a_certificate_that_does_not_hold_ends_the_call(
    first: Answering, second: Answering, tmp_path: Path
) -> None:
    """Another server may be honest. But somebody stands in the way of the first, and the user shall know."""
    other = tmp_path / "other.crt"
    other.write_bytes(tls.make(["127.0.0.1"], now=dt.datetime.now(dt.UTC)).ca)
    connection = Connection([first.server, second.server], other, "a.b.c")
    with pytest.raises(IdentityChangedError, match=r"not signed by an authority in .*, or expired"):
        await Queries(connection).server()
    assert second.calls == []
    await connection.close()


async def test_a_watch_that_broke_goes_on_elsewhere(nobody: str, second: Answering) -> None:
    connection = Connection([nobody, second.server], second.ca_file, "a.b.c")
    with pytest.raises(NotReachedError):
        [event async for event in Queries(connection).watch()]
    assert [event.type async for event in Queries(connection).watch()] == [SECOND]
    await connection.close()


async def test_the_client_says_which_server_answered(nobody: str, second: Answering) -> None:
    settings = ClientSettings(servers=(nobody, second.server), token="a.b.c", ca_file=second.ca_file)
    async with Client(settings) as client:
        await client.queries.server()
        assert client.server == second.server


def test_a_list_is_given_as_text_or_as_servers(tmp_path: Path) -> None:
    environ = {"HOME": str(tmp_path), "MONOCTL_SERVER": "A.example:1, b.example:2", "MONOCTL_TOKEN": "a.b.c"}
    assert load_settings(environ=environ).servers == ("a.example:1", "b.example:2")
    assert load_settings(environ=environ, servers=["c:3"], token="d").servers == ("c:3",)
    assert load_settings(environ=environ, server="c:3", token="d").server == "c:3"
    assert ClientSettings(server="b:2,a:1", token="t").servers == ("b:2", "a:1")
    for wrong in (
        {"server": "a:1,", "token": "t"},
        {"server": "a:1,a:1", "token": "t"},
        {"server": "a:1", "servers": ("b:1",), "token": "t"},
        {"token": "t"},
    ):
        with pytest.raises(UsageError):
            ClientSettings(**wrong)
    with pytest.raises(UsageError, match="both server and servers"):
        load_settings(environ=environ, server="c:3", servers=["c:3"])


class Still:
    """A server whose process stands still after the first request: only its machine accepts connections.

    Args:
        said: What it says before that.
    """

    def __init__(self, said: bytes = b"") -> None:
        self._said = said
        made = tls.make(["127.0.0.1"], now=dt.datetime.now(dt.UTC))
        self.ca = made.ca.decode()
        self._context = connect.showing(made)
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.server = f"127.0.0.1:{self._listening.getsockname()[1]}"
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        plain, _ = self._listening.accept()
        # A client may leave it before the two have shaken hands.
        with plain, suppress(OSError), self._context.wrap_socket(plain, server_side=True) as connection:
            connection.recv(65_536)
            connection.sendall(self._said)
            self._over.wait(60)

    def stop(self) -> None:
        self._over.set()
        self._thread.join(60)
        self._listening.close()


@pytest.fixture
def looking(monkeypatch: pytest.MonkeyPatch) -> None:
    """Clients look soon, and not for long until a server is found to stand still: the next one may be slow."""
    monkeypatch.setattr(transport, "LOOK_AFTER_S", 0.02)
    monkeypatch.setattr(transport, "LOOK_S", 0.1)
    stands_still = transport.Dialled.stands_still

    def found(dialled: transport.Dialled) -> Error:
        monkeypatch.setattr(transport, "LOOK_S", 60.0)
        return stands_still(dialled)

    monkeypatch.setattr(transport.Dialled, "stands_still", found)


@pytest.mark.usefixtures("looking")
@pytest.mark.parametrize("blocks", [True, False])
async def test_a_server_that_stands_still_is_left_for_the_next(second: Answering, *, blocks: bool) -> None:
    still = Still()
    ca = still.ca + second.ca_file.read_text()
    assert await who_answers([still.server, second.server], ca, blocks=blocks) == SECOND
    still.stop()


@pytest.mark.usefixtures("looking")
@pytest.mark.parametrize("blocks", [True, False])
async def test_a_watch_at_a_server_that_stands_still_goes_on_elsewhere(second: Answering, *, blocks: bool) -> None:
    still = Still(b"HTTP/1.1 200 OK\r\nContent-Type: application/connect+proto\r\nTransfer-Encoding: chunked\r\n\r\n")
    ca = still.ca + second.ca_file.read_text()

    async def watch() -> list[str]:
        runtime = blocking.BlockingRuntime() if blocks else None
        connection = Connection([still.server, second.server], None, "a.b.c", ca=ca, runtime=runtime)
        try:
            with pytest.raises(NotReachedError):
                [event async for event in Queries(connection).watch()]
            return [event.type async for event in Queries(connection).watch()]
        finally:
            await connection.close()

    assert await (asyncio.to_thread(blocking.run, watch()) if blocks else watch()) == [SECOND]
    still.stop()


@pytest.mark.parametrize("blocks", [True, False])
async def test_a_server_that_answers_late_is_waited_for(
    first: Answering, second: Answering, monkeypatch: pytest.MonkeyPatch, *, blocks: bool
) -> None:
    """It waits for a reactor, for example: it says that it is there whenever a client looks."""
    monkeypatch.setattr(transport, "LOOK_AFTER_S", 0.01)
    looked = asyncio.Event()

    async def accept(door: connect.ScriptedDoor, head: Head) -> Decision:
        if head.path == transport.LOOK_AT:
            looked.set()
        else:
            await looked.wait()
        return await accepted(door, head)

    accepted = connect.ScriptedDoor.accept
    monkeypatch.setattr(connect.ScriptedDoor, "accept", accept)

    assert await who_answers([first.server, second.server], both(first, second), blocks=blocks) == FIRST
    assert looked.is_set()


class Dripping:
    """An answer of which a byte comes every ten seconds."""

    def __init__(self) -> None:
        self.now = 0.0

    async def receive(self, timeout_s: float) -> bytes:
        self.now += min(10.0, max(timeout_s, 0.0))
        if timeout_s <= 10.0:
            raise LateError("late", sent=True)
        return b"x"


async def test_an_error_in_place_of_a_stream_has_one_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    dripping = Dripping()
    monkeypatch.setattr(on_asyncio, "time", SimpleNamespace(monotonic=lambda: dripping.now))
    with pytest.raises(LateError):
        await on_asyncio._body(cast("Stream", dripping))
    assert dripping.now == 30.0


@pytest.fixture
async def standing(monkeypatch: pytest.MonkeyPatch) -> HttpTransport:
    """A transport with other servers, whose calls look at once, and find that the server stands still."""
    monkeypatch.setattr(transport, "LOOK_AFTER_S", 0.0)
    monkeypatch.setattr(transport, "trusting", lambda roots: None)
    return HttpTransport("127.0.0.1:1", Roots(b"", ""), has_others=True)


@pytest.mark.parametrize("breaks", [False, True])
async def test_of_a_look_and_a_call_that_end_together_the_call_counts(
    standing: HttpTransport, monkeypatch: pytest.MonkeyPatch, *, breaks: bool
) -> None:
    looked = asyncio.Event()

    async def look() -> None:
        looked.set()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        raise LateError("it stands still.", sent=True)

    async def answer() -> bool:
        await looked.wait()
        if breaks:
            raise BrokenError("broken")
        return True

    monkeypatch.setattr(standing, "_seen", look)
    with pytest.raises(BrokenError) if breaks else contextlib.nullcontext():
        assert await standing._while_it_stands(answer())
