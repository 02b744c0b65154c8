"""Connections that are kept: to whom an answer belongs, what is sent again, and what an error says of what was sent."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import gc
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeAlias
from unittest.mock import Mock

import pytest
import uvloop

from monoskope.http.client.connection import Connection
from monoskope.http.client.destination import (
    BrokenError,
    LateError,
    MalformedError,
    NotSentError,
    TooLargeError,
    UntrustedError,
)
from monoskope.http.client.exchange import ResponseReader
from monoskope.http.client.pool import Pool, Server
from monoskope.m8.http import tls as certificates
from tests.support.failures import failure

Reader: TypeAlias = asyncio.StreamReader
Writer: TypeAlias = asyncio.StreamWriter
Script = Callable[["Peer", Reader, Writer], Awaitable[None]]

HELLO = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
EVIL = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"
PATIENCE_S = 60.0


class Peer:
    """A server that does with each connection what the test says, and counts."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self.connections = 0
        self.requests: list[bytes] = []
        self.gone = asyncio.Event()
        """Set when a client's connection has ended."""
        self._under_way: list[tuple[asyncio.Future[None], asyncio.Event]] = []

    async def serve(self, reader: Reader, writer: Writer) -> None:
        self.connections += 1
        script = asyncio.ensure_future(self._script(self, reader, writer))
        ended = asyncio.Event()
        self._under_way.append((script, ended))
        try:
            await script
            await reader.read()
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            self.gone.set()
            writer.transport.abort()
            ended.set()

    async def stop(self) -> None:
        for script, ended in self._under_way:
            script.cancel()
            await asyncio.wait_for(ended.wait(), PATIENCE_S)
        for _ in range(3):
            await asyncio.sleep(0)  # the transports end in the next turns of the event loop

    async def request(self, reader: asyncio.StreamReader) -> bytes:
        head = await reader.readuntil(b"\r\n\r\n")
        self.requests.append(head)
        return head


@pytest.fixture(scope="module")
def made() -> certificates.Certificate:
    return certificates.make(["localhost"], now=dt.datetime.now(dt.UTC))


@pytest.fixture(scope="module")
def shown(made: certificates.Certificate, tmp_path_factory: pytest.TempPathFactory) -> ssl.SSLContext:
    folder: Path = tmp_path_factory.mktemp("tls")
    (folder / "pair").write_bytes(made.key + made.certificate)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(folder / "pair")
    return context


class World:
    def __init__(self, shown: ssl.SSLContext, made: certificates.Certificate) -> None:
        self._shown = shown
        self.tls = ssl.create_default_context(cadata=made.ca.decode())
        self.peer: Peer

    @asynccontextmanager
    async def serving(self, script: Script, **settings: float) -> AsyncIterator[Pool]:
        peer = self.peer = Peer(script)
        server = await asyncio.start_server(peer.serve, "127.0.0.1", 0, ssl=self._shown)
        async with server:
            port = server.sockets[0].getsockname()[1]
            given = {"connect_timeout_s": PATIENCE_S} | settings
            pool = Pool(Server("localhost", port, self.tls), **given)  # type: ignore[arg-type]
            try:
                yield pool
            finally:
                await pool.close()
                await peer.stop()


@pytest.fixture
def world(shown: ssl.SSLContext, made: certificates.Certificate) -> World:
    return World(shown, made)


async def get(pool: Pool, method: str = "GET", *, body: bytes | None = None, repeat: bool = False) -> bytes:
    answer = await pool.request(method, "/", body=body, timeout_s=PATIENCE_S, most_body=1000, repeat=repeat)
    return answer.body


def says(*answers: bytes, then: Callable[[Writer], object] = lambda _: None) -> Script:
    """Answer the requests of a connection in turn, and then do that with it."""

    async def script(peer: Peer, reader: Reader, writer: Writer) -> None:
        for answer in answers:
            await peer.request(reader)
            writer.write(answer)
        await writer.drain()
        then(writer)

    return script


def abort(writer: Writer) -> None:
    writer.transport.abort()


async def hello(peer: Peer, reader: Reader, writer: Writer) -> None:
    while True:
        await peer.request(reader)
        writer.write(HELLO)


async def test_one_connection_carries_one_exchange_after_the_other(world: World) -> None:
    async with world.serving(hello) as pool:
        assert [await get(pool) for _ in range(3)] == [b"hello"] * 3
        assert world.peer.connections == 1


async def test_more_requests_than_connections_wait_for_one(world: World) -> None:
    async with world.serving(hello, most_connections=2) as pool:
        assert await asyncio.gather(*[get(pool) for _ in range(9)]) == [b"hello"] * 9
        assert world.peer.connections <= 2


async def test_what_nobody_asked_for_is_never_the_next_answer(world: World) -> None:
    async with world.serving(says(HELLO + EVIL)) as pool:
        assert [await get(pool), await get(pool)] == [b"hello", b"hello"]
        assert world.peer.connections == 2


async def test_bytes_on_an_idle_connection_close_it(world: World) -> None:
    answered = asyncio.Event()

    async def speaks_out_of_turn(peer: Peer, reader: Reader, writer: Writer) -> None:
        await peer.request(reader)
        writer.write(HELLO)
        if peer.connections == 1:
            await answered.wait()
            writer.write(EVIL)

    async with world.serving(speaks_out_of_turn) as pool:
        assert await get(pool) == b"hello"
        answered.set()
        await asyncio.wait_for(world.peer.gone.wait(), PATIENCE_S)
        assert await get(pool) == b"hello"
        assert world.peer.connections == 2


async def test_a_connection_that_ended_while_idle_is_not_used(world: World) -> None:
    async with world.serving(says(HELLO, then=Writer.close)) as pool:
        assert await get(pool, "POST", body=b"x") == b"hello"
        await asyncio.wait_for(world.peer.gone.wait(), PATIENCE_S)
        # The event loop of the client may not have looked at the connection yet.
        assert await get(pool, "POST", body=b"x") == b"hello"


async def test_a_request_on_a_kept_connection_is_sent_again_only_where_it_may_be(world: World) -> None:
    async with world.serving(says(HELLO, b"", then=abort)) as pool:
        await get(pool)
        assert await get(pool, repeat=True) == b"hello"
        assert (world.peer.connections, len(world.peer.requests)) == (2, 3)
    async with world.serving(says(HELLO, b"", then=abort)) as pool:
        await get(pool)
        await failure(BrokenError, get(pool, "POST", body=b"x"))
        assert (world.peer.connections, len(world.peer.requests)) == (1, 2)


async def test_a_request_on_a_new_connection_is_never_sent_again(world: World) -> None:
    async with world.serving(says(b"", then=abort)) as pool:
        await failure(BrokenError, get(pool, repeat=True))
        assert len(world.peer.requests) == 1


async def test_an_answer_that_began_is_not_asked_for_again(world: World) -> None:
    async with world.serving(says(HELLO, HELLO[:20], then=Writer.close)) as pool:
        await get(pool)
        await failure(BrokenError, get(pool, repeat=True))
        assert len(world.peer.requests) == 2


async def test_an_answer_before_the_whole_request_was_sent_counts(world: World) -> None:
    async def refuses_early(peer: Peer, reader: Reader, writer: Writer) -> None:
        await peer.request(reader)
        writer.write(b"HTTP/1.1 413 Too Large\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
        await refused.wait()

    refused = asyncio.Event()
    async with world.serving(refuses_early) as pool:
        body = b"x" * 30_000_000  # more than the buffers of both ends
        answer = await pool.request("POST", "/", body=body, timeout_s=PATIENCE_S, most_body=1000)
        assert answer.status == 413
        refused.set()
        await asyncio.wait_for(world.peer.gone.wait(), PATIENCE_S)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx", MalformedError),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n", TooLargeError),
        (b"HTTP/1.1 100 Continue\r\n\r\n" * 100, MalformedError),
        (b"HTTP/1.1 200 OK\r\nA: " + b"b" * 100_000, TooLargeError),
    ],
    ids=["two lengths", "too large", "endless 1xx", "a large head"],
)
async def test_a_malformed_answer_ends_the_connection(world: World, answer: bytes, kind: type[BrokenError]) -> None:
    async def malformed(peer: Peer, reader: Reader, writer: Writer) -> None:
        await peer.request(reader)
        writer.write(answer if peer.connections == 1 else HELLO)

    async with world.serving(malformed) as pool:
        assert (await failure(kind, get(pool))).__context__ is None
        assert await get(pool) == b"hello"


SILENT_LATER = says(HELLO, b"")
"""Answers one request, so that the next one finds a connection and is sent at once, and no other."""


async def test_a_server_that_does_not_answer_has_a_deadline(world: World) -> None:
    async with world.serving(SILENT_LATER) as pool:
        await get(pool)
        assert (await failure(LateError, pool.request("GET", "/", timeout_s=0.1, most_body=1000))).sent
        await asyncio.wait_for(world.peer.gone.wait(), PATIENCE_S)


async def test_waiting_for_a_connection_has_a_deadline_and_nothing_was_sent(world: World) -> None:
    async with world.serving(says(b""), most_connections=1) as pool:
        busy = asyncio.create_task(get(pool))
        await asyncio.sleep(0)
        assert not (await failure(LateError, pool.request("GET", "/", timeout_s=0.05, most_body=1000))).sent
        busy.cancel()
        await failure(asyncio.CancelledError, busy)


async def test_a_cancelled_request_ends_its_connection_and_frees_its_place(world: World) -> None:
    async def second_time(peer: Peer, reader: Reader, writer: Writer) -> None:
        await peer.request(reader)
        if peer.connections > 1:
            writer.write(HELLO)
        else:
            asked.set()

    asked = asyncio.Event()
    async with world.serving(second_time, most_connections=1) as pool:
        asking = asyncio.create_task(get(pool))
        await asked.wait()
        asking.cancel()
        await failure(asyncio.CancelledError, asking)
        assert await get(pool) == b"hello"
        assert world.peer.connections == 2


async def test_what_is_idle_for_long_is_closed(world: World) -> None:
    async with world.serving(hello, idle_s=0.01) as pool:
        await get(pool)
        await asyncio.wait_for(world.peer.gone.wait(), PATIENCE_S)
        await get(pool)
        assert world.peer.connections == 2


async def test_nobody_listens() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        pool = Pool(Server("127.0.0.1", taken.getsockname()[1], ssl.create_default_context()))
        await failure(NotSentError, get(pool))
    await pool.close()
    await failure(NotSentError, get(pool))


async def test_a_certificate_that_is_not_trusted_or_not_the_servers_is_refused(world: World) -> None:
    async with world.serving(hello) as pool:
        port = pool._server.port
        for host, context in (("localhost", ssl.create_default_context()), ("127.1", world.tls)):
            stranger = Pool(Server(host, port, context))
            assert (await failure(UntrustedError, get(stranger))).certificate
            await stranger.close()
        assert world.peer.requests == []


async def test_a_server_without_tls_is_refused(world: World) -> None:
    async def plain(reader: Reader, writer: Writer) -> None:
        writer.write(HELLO)
        await reader.read()
        writer.transport.abort()
        ended.set()

    ended = asyncio.Event()
    async with await asyncio.start_server(plain, "127.0.0.1", 0) as server:
        pool = Pool(Server("localhost", server.sockets[0].getsockname()[1], world.tls))
        assert not (await failure(UntrustedError, get(pool))).certificate
        await pool.close()
        await asyncio.wait_for(ended.wait(), PATIENCE_S)


async def test_a_stream_comes_piece_by_piece_and_gives_its_connection_back(world: World) -> None:
    read = asyncio.Event()

    async def streams(peer: Peer, reader: Reader, writer: Writer) -> None:
        while True:
            await peer.request(reader)
            writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n")
            await read.wait()
            writer.write(b"3\r\ntwo\r\n0\r\n\r\n")

    async with world.serving(streams) as pool:
        for _ in range(2):
            stream = await pool.stream("GET", "/", timeout_s=PATIENCE_S)
            assert (stream.status, await stream.receive(PATIENCE_S)) == (200, b"one")
            read.set()
            assert b"".join([piece async for piece in stream.pieces()]) == b"two"
            assert await stream.receive() == b""
            stream.close()
            read.clear()
        assert world.peer.connections == 1


async def test_a_stream_waits_for_its_reader_and_may_be_left(world: World) -> None:
    async def floods(peer: Peer, reader: Reader, writer: Writer) -> None:
        await peer.request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(1000):  # not for ever: a reader that takes it all fails the test, and not the machine
            writer.write(b"10000\r\n" + b"x" * 65536 + b"\r\n")
            await writer.drain()

    async with world.serving(floods) as pool:
        stream = await pool.stream("GET", "/", timeout_s=PATIENCE_S)
        [connection] = pool._busy
        async with asyncio.timeout(PATIENCE_S):
            while not connection._paused:
                await asyncio.sleep(0)
        for _ in range(100):  # much more would come meanwhile
            await asyncio.sleep(0)
        assert len(await stream.receive(PATIENCE_S)) < 8_000_000
        stream.close()
        stream.close()
        await asyncio.wait_for(world.peer.gone.wait(), PATIENCE_S)
        await failure(BrokenError, stream.receive())


async def test_a_silent_stream_has_a_deadline_where_the_caller_wants_one(world: World) -> None:
    async with world.serving(says(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")) as pool:
        stream = await pool.stream("GET", "/", timeout_s=PATIENCE_S)
        await failure(LateError, stream.receive(0.05))
        stream.close()


async def test_nothing_of_a_request_is_in_its_errors(world: World) -> None:
    async with world.serving(SILENT_LATER) as pool:
        await get(pool)
        with pytest.raises(LateError) as caught:
            await pool.request(
                "POST", "/", [("X-Token", "s.secret-token")], b"secret-body", timeout_s=0.1, most_body=1000
            )
        error = caught.value
        assert error.sent
        assert "secret" not in str(error) + repr(error) + repr(pool)
        frame = error.__traceback__
        while frame is not None:
            if "/monoskope/http/" in frame.tb_frame.f_code.co_filename:
                assert "secret-body" not in repr(frame.tb_frame.f_locals)
            frame = frame.tb_next


@pytest.mark.parametrize(
    "answer",
    [
        HELLO,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        b"",
        b"SSH-2.0-x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nsecret",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\nsecret",
    ],
    ids=["whole", "chunked", "none", "malformed", "cut", "too large"],
)
async def test_an_exchange_leaves_nothing_of_the_answer_for_the_garbage_collector(world: World, answer: bytes) -> None:
    def readers() -> list[object]:
        return [one for one in gc.get_objects() if type(one) is ResponseReader]

    async with world.serving(says(answer, then=Writer.close)) as pool:
        gc.collect()
        before = readers()  # of earlier tests, which are held here: none goes meanwhile
        gc.disable()
        try:
            with contextlib.suppress(BrokenError):
                await get(pool, "POST", body=b"x")
            await asyncio.wait_for(world.peer.gone.wait(), PATIENCE_S)
            assert len(readers()) == len(before)
        finally:
            gc.enable()


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
def test_the_end_of_an_answer_without_a_length_must_be_tlss_own(
    world: World, run: Callable[[Coroutine[None, None, None]], None]
) -> None:
    async def ends(peer: Peer, reader: Reader, writer: Writer) -> None:
        await peer.request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\n\r\nhello")
        await writer.drain()
        if peer.connections == 1:
            writer.close()
        else:
            writer.transport.abort()

    async def ask() -> None:
        async with world.serving(ends) as pool:
            assert await get(pool) == b"hello"
            await failure(BrokenError, get(pool))

    run(ask())


@pytest.mark.parametrize("host", ["a..example", f"{'x' * 64}.example"])
async def test_a_name_that_nobody_can_have_is_one_that_nobody_answers_at(world: World, host: str) -> None:
    await failure(NotSentError, get(Pool(Server(host, 1, world.tls))))


async def test_a_connection_whose_server_has_to_wait_is_not_used_again() -> None:
    """It sent more after the end of a stream than anybody read, and what comes next there would not be read either."""
    transport = Mock(spec=asyncio.Transport)
    transport.is_closing.return_value, transport.get_write_buffer_size.return_value = False, 0
    connection, reader = Connection(), ResponseReader("GET", most_body=None)
    connection.connection_made(transport)
    deadline = asyncio.get_running_loop().time() + PATIENCE_S
    asked = asyncio.ensure_future(connection.exchange(b"", reader, deadline, only_head=True))
    await asyncio.sleep(0)
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    connection.data_received(head + b"10001\r\n" + bytes(0x10001) + b"\r\n0\r\n\r\n")
    await asked
    assert reader.reusable
    assert not connection.reusable()


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
def test_a_connection_that_is_given_up_while_it_is_made_does_not_lose_its_socket_to_the_next(
    world: World, run: Callable[[Coroutine[None, None, None]], None]
) -> None:
    """A descriptor that is closed under the event loop would soon be another connection's."""

    async def give_up(port: int, turns: int) -> None:
        pool = Pool(Server("localhost", port, world.tls))
        asked = asyncio.ensure_future(get(pool))
        for _ in range(turns):
            await asyncio.sleep(0)
        asked.cancel()
        await asyncio.wait({asked})
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.close()
        await pool.close()

    async def many() -> None:
        async with world.serving(hello) as pool:
            port = pool._server.port
            for turns in range(60):
                await give_up(port, turns)

    run(many())
