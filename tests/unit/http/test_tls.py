"""The server over TLS, on both event loops: what depends on a transport is true on each."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import ssl
from collections.abc import Callable, Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import uvloop

from monoskope.http.messages import Accepted, Decision, Head, Response, Upgrade
from monoskope.http.server.limits import Limits, OpenGate
from monoskope.http.server.server import Server, bind
from tests.support.certificates import client_certificate
from tests.unit.http.applications import ANYWHERE, GET, SOON_S, Held, Serves, Streams, connect, echo, post
from tests.unit.http.wire import Asked, narrow

LIMITS = Limits(handshake_s=SOON_S, linger_s=0.01, unread_s=SOON_S, ending_s=0.01, sweep_s=0.01)
"""None for what a slow machine could take long for."""


class Everything(Asked):
    """`/` echoes the length, `/stream` never ends, `/large` is large, `/held` waits, `/ws` is a WebSocket."""

    def __init__(self) -> None:
        super().__init__(1_000_000)
        self.held = Held()
        self.streams = Streams(b"abc", after="wait")
        self.socket = Serves(echo)
        self.paths: list[str] = []

    async def accept(self, head: Head) -> Decision:
        self.paths.append(head.path)
        parts: dict[str, Accepted | Upgrade | Response] = {
            "/held": self.held,
            "/ws": self.socket,
            "/large": Response(200, (), bytes(16 * 1_048_576)),
        }
        if head.path == "/stream":
            return await self.streams.accept(head)
        return parts.get(head.path, self)


def over_tls(folder: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """What the server shows, and what the client takes."""
    files = folder / "certificate", folder / "key"
    for file, text in zip(files, client_certificate(), strict=True):
        file.write_text(text)
    shows = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    shows.load_cert_chain(*files)
    shows.set_alpn_protocols(["http/1.1"])
    takes = ssl.create_default_context()
    takes.check_hostname, takes.verify_mode = False, ssl.CERT_NONE
    return shows, takes


async def use(server: Server, application: Everything, takes: ssl.SSLContext) -> None:
    """Be every kind of peer that is served, one after another."""
    opened: list[asyncio.StreamWriter] = []

    async def client() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port, ssl=takes, limit=1_024)
        opened.append(writer)
        return reader, writer

    reader, writer = await client()
    for length in (3, 900_000):
        writer.write(post(length) + b"a" * length)
        assert b"<%d>" % length in await reader.readuntil(b">")
    writer.write(post(1_000_001))
    assert (await reader.read()).startswith(b"HTTP/1.1 413 ")

    async with connect(f"wss://127.0.0.1:{server.port}/ws", ssl=takes) as socket:
        for message in (b"a", b"b" * 150_000):
            await socket.send(message)
            assert await socket.recv() == message

    gone, streamed = await client(), await client()
    gone[1].write(GET.replace(b"/ ", b"/held "))
    streamed[1].write(GET.replace(b"/ ", b"/stream "))
    await application.held.begun.wait()
    gone[1].transport.abort()
    await application.held.ended.wait()
    await streamed[0].readuntil(b"3\r\nabc\r\n")
    await server.drain(SOON_S)
    assert application.streams.closed.is_set()
    assert server.connections == 0
    for one in opened:
        one.transport.abort()


async def hang(shows: ssl.SSLContext, takes: ssl.SSLContext) -> None:
    """Be a peer that does not shake hands, and one that does not read: each of a server that waits for little else."""
    server = await bind(ANYWHERE, Everything(), limits=replace(LIMITS, handshake_s=0.1), tls=shows)
    await server.start()
    silent, writer = await asyncio.open_connection("127.0.0.1", server.port)
    with contextlib.suppress(ConnectionResetError):
        assert await silent.read() == b"", "no handshake"
    writer.transport.abort()
    await server.drain(SOON_S)

    application = Everything()
    server = await bind(ANYWHERE, application, limits=replace(LIMITS, unread_s=0.1), tls=shows)
    await server.start()
    _, writer = await asyncio.open_connection(sock=narrow(server.port), ssl=takes, server_hostname="a", limit=1)
    writer.write(GET.replace(b"/ ", b"/large "))
    while not application.paths or server.connections:
        await asyncio.sleep(0)
    writer.transport.abort()
    await server.drain(SOON_S)


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
def test_every_kind_of_peer_is_served_and_cut_off_over_tls(
    run: Callable[[Coroutine[Any, Any, None]], None], tmp_path: Path
) -> None:
    async def main() -> None:
        shows, takes = over_tls(tmp_path)
        application = Everything()
        server = await bind(ANYWHERE, application, limits=LIMITS, tls=shows)
        await server.start()
        async with asyncio.timeout(6 * SOON_S):
            await use(server, application, takes)
            await hang(shows, takes)

    run(main())


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
def test_who_may_not_begin_a_handshake_is_left_before_tls_reads_anything(
    run: Callable[[Coroutine[Any, Any, None]], None], tmp_path: Path
) -> None:
    async def main() -> None:
        shows, takes = over_tls(tmp_path)
        begun: list[str | None] = []
        shows.sni_callback = lambda _one, name, _context: begun.append(name)
        may: dict[str, bool] = {}

        class Closed(OpenGate):
            def admit(self, peer: str) -> bool:
                return may.setdefault(peer.rpartition(":")[0], False)

        server = await bind(ANYWHERE, Asked(), limits=LIMITS, tls=shows, gate=Closed())
        await server.start()
        silent = await asyncio.open_connection("127.0.0.1", server.port)
        with pytest.raises(OSError, match=r"."):
            await asyncio.open_connection("127.0.0.1", server.port, ssl=takes)
        assert (begun, may) == ([], {"127.0.0.1": False})

        may["127.0.0.1"] = True
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port, ssl=takes)
        writer.write(GET)
        assert (await reader.readuntil(b"\r\n")).startswith(b"HTTP/1.1 200 ")
        assert len(begun) == 1
        await server.drain(SOON_S)
        assert await silent[0].read() == b""
        for one in (writer, silent[1]):
            one.transport.abort()

    run(main())


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
def test_a_server_that_stops_closes_what_has_just_begun_its_handshake(
    run: Callable[[Coroutine[Any, Any, None]], None], tmp_path: Path
) -> None:
    async def stopped(turns: int) -> None:
        """Stop so many turns of the loop after the peer began: its handshake has no step behind it, or some."""
        shows, _ = over_tls(tmp_path)
        gate = Counting()
        limits = replace(LIMITS, handshake_s=3_600)  # it is not time that ends it
        server = await bind(ANYWHERE, Asked(), limits=limits, tls=shows, gate=gate)
        await server.start()
        with socket.create_connection(("127.0.0.1", server.port)) as peer:
            await gate.until(1)
            peer.sendall(b"\x16\x03\x01")
            for _ in range(turns):
                await asyncio.sleep(0)
            await server.drain(SOON_S)
            peer.settimeout(SOON_S)
            with contextlib.suppress(ConnectionResetError):
                assert not peer.recv(1)
        await asyncio.wait_for(gate.until(0), 60)

    for turns in range(6):
        run(stopped(turns))


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
def test_a_client_that_keeps_a_connection_and_does_not_read_holds_up_no_stop(
    run: Callable[[Coroutine[Any, Any, None]], None], tmp_path: Path
) -> None:
    """As `monoctl get events --watch` keeps one of an m8 that it has left."""

    async def main() -> None:
        shows, takes = over_tls(tmp_path)
        limits = replace(LIMITS, handshake_s=3_600, unread_s=3_600, ending_s=0.05)  # it is not these that end it
        server = await bind(ANYWHERE, Asked(), limits=limits, tls=shows)
        await server.start()
        with await asyncio.to_thread(answered_once, server.port, takes):
            async with asyncio.timeout(SOON_S):
                await server.drain(3_600)
        assert server.connections == 0

    run(main())


def answered_once(port: int, takes: ssl.SSLContext) -> ssl.SSLSocket:
    """A connection on which one request was answered, and read."""
    peer = takes.wrap_socket(socket.create_connection(("127.0.0.1", port)), server_hostname="a")
    peer.sendall(GET)
    assert peer.recv(12) == b"HTTP/1.1 200"
    return peer


class Counting(OpenGate):
    """Knows every connection, and how to end it."""

    def __init__(self) -> None:
        self.open: dict[object, Callable[[], object]] = {}
        self.changed = asyncio.Event()

    def enter(self, peer: str, close: Callable[[], object]) -> object:
        self.open[peer] = close
        self.changed.set()
        return peer

    def leave(self, entered: object) -> None:
        self.open.pop(entered, None)
        self.changed.set()

    async def until(self, count: int) -> None:
        while len(self.open) != count:
            self.changed.clear()
            await self.changed.wait()


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
def test_a_connection_that_the_gate_closes_ends_at_every_stage_and_is_counted_once(
    run: Callable[[Coroutine[Any, Any, None]], None], tmp_path: Path
) -> None:
    async def main() -> None:
        shows, takes = over_tls(tmp_path)
        gate = Counting()
        server = await bind(ANYWHERE, Asked(), limits=LIMITS, tls=shows, gate=gate)
        await server.start()
        silent, half, whole = (
            await asyncio.open_connection("127.0.0.1", server.port),
            await asyncio.open_connection("127.0.0.1", server.port),
            await asyncio.open_connection("127.0.0.1", server.port, ssl=takes),
        )
        half[1].write(b"\x16\x03\x01")  # the beginning of a handshake
        whole[1].write(GET)
        assert (await whole[0].readuntil(b"\r\n")).startswith(b"HTTP/1.1 200 ")
        await gate.until(3)
        for close in list(gate.open.values()):
            close()
        for reader, writer in (silent, half, whole):
            with contextlib.suppress(OSError):
                await reader.read()
            writer.transport.abort()
        await gate.until(0)
        await server.drain(SOON_S)

    run(main())


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
def test_a_server_whose_system_had_no_file_for_a_connection_goes_on(
    run: Callable[[Coroutine[Any, Any, None]], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    accept, failures = socket.socket.accept, [OSError(errno.EMFILE, "too many open files")]

    def failing(listening: socket.socket) -> tuple[socket.socket, Any]:
        if failures:
            raise failures.pop()
        return accept(listening)

    monkeypatch.setattr(socket.socket, "accept", failing)

    async def main() -> None:
        shows, takes = over_tls(tmp_path)
        server = await bind(ANYWHERE, Asked(), limits=LIMITS, tls=shows)
        await server.start()
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port, ssl=takes)
        writer.write(GET)
        assert (await reader.readuntil(b"\r\n")).startswith(b"HTTP/1.1 200 ")
        assert not failures
        writer.transport.abort()
        await server.drain(SOON_S)

    run(main())
