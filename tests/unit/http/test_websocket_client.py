"""The client's side of a WebSocket, against servers that break its rules or are gone."""

from __future__ import annotations

import asyncio
import datetime as dt
import functools
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeAlias

import pytest
import uvloop

from monoskope.host_port import HostPort
from monoskope.http.client.websocket_client import MAX_HELD, MOST_HANDSHAKE, ClientSocket, NoWebSocketError, connect
from monoskope.http.messages import EndedError
from monoskope.m8.http import tls
from tests.support.failures import failure
from tests.support.holders import check_unshared
from tests.support.raw_websocket import (
    BINARY,
    CLOSE,
    CONTINUATION,
    FIN,
    PING,
    PONG,
    RSV1,
    TEXT,
    Act,
    accepted,
    frame,
    read_frame,
    serving,
)

Reader: TypeAlias = asyncio.StreamReader
Writer: TypeAlias = asyncio.StreamWriter
MOST = 10_000
MANY = 128
"""Messages of 64 KiB: more than all buffers of a connection take."""
PATIENCE_S = 60.0


async def nothing(_: Reader, __: Writer) -> None:
    await asyncio.Event().wait()


@asynccontextmanager
async def a_socket(act: Act, *, ping_s: float = 60.0, pong_s: float = 60.0) -> AsyncIterator[ClientSocket]:
    """A client of a server that acts like that."""
    async with serving(act) as at, asyncio.timeout(PATIENCE_S):
        socket = await connect(at, "/", None, most_message=MOST, ping_s=ping_s, pong_s=pong_s)
        try:
            yield socket
        finally:
            await socket.close()


def saying(*pieces: bytes) -> Act:
    """A server that says this, and waits."""

    async def act(reader: Reader, writer: Writer) -> None:
        writer.write(b"".join(pieces))
        await nothing(reader, writer)

    return act


async def test_messages_come_whole_however_they_are_cut() -> None:
    said = [
        frame(BINARY, b"one"),
        frame(TEXT, "zw\u00f6lf".encode()),
        frame(BINARY, b"thr", first=0) + frame(PING) + frame(CONTINUATION, b"", first=0) + frame(CONTINUATION, b"ee"),
        frame(BINARY, bytes(MOST)),
    ]

    async def act(reader: Reader, writer: Writer) -> None:
        for at, byte in enumerate(b"".join(said)):
            writer.write(bytes([byte]))
            if at < 40:
                await asyncio.sleep(0)
        await nothing(reader, writer)

    async with a_socket(act) as socket:
        assert [await socket.receive() for _ in said] == [b"one", "zw\u00f6lf", b"three", bytes(MOST)]


@pytest.mark.parametrize(
    "runner", [asyncio.Runner, functools.partial(asyncio.Runner, loop_factory=uvloop.new_event_loop)]
)
def test_over_tls_it_checks_the_servers_name_on_each_loop(runner: Callable[[], asyncio.Runner], tmp_path: Path) -> None:
    made = tls.make(["localhost"], now=dt.datetime.now(dt.UTC))
    for name, content in (("crt", made.certificate), ("key", made.key)):
        (tmp_path / name).write_bytes(content)
    theirs = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    theirs.load_cert_chain(tmp_path / "crt", tmp_path / "key")
    ours = ssl.create_default_context(cadata=made.ca.decode())

    async def act(reader: Reader, writer: Writer) -> None:
        _, content = await read_frame(reader)
        for _ in range(3):
            writer.write(frame(BINARY, content))
            await writer.drain()
        await nothing(reader, writer)

    async def speak() -> None:
        async with serving(act, tls=theirs) as at, asyncio.timeout(PATIENCE_S):
            socket = await connect(at, "/", ours, most_message=10 * MAX_HELD)
            await socket.send(bytes(2 * MAX_HELD))
            assert [len(await socket.receive()) for _ in range(3)] == [2 * MAX_HELD] * 3
            await socket.close()
            with pytest.raises(ssl.SSLCertVerificationError):
                await connect(HostPort("127.1", at.port), "/", ours, most_message=MOST)  # 127.0.0.1 by another name

    with runner() as loop:
        loop.run(speak())


@pytest.mark.parametrize(
    ("said", "code"),
    [
        (frame(BINARY, b"masked", mask=b"mask"), 1002),
        (frame(BINARY, b"compressed", first=FIN | RSV1), 1002),
        (frame(3), 1002),
        (frame(CONTINUATION, b"of nothing"), 1002),
        (frame(BINARY, b"one", first=0) + frame(BINARY, b"two"), 1002),
        (frame(PING, bytes(126)), 1002),
        (frame(PING, first=0), 1002),
        (frame(TEXT, b"\xff"), 1007),
        (frame(BINARY, bytes(MOST + 1)), 1009),
        (frame(BINARY, bytes(MOST), first=0) + frame(CONTINUATION, b"x", first=0), 1009),
        (bytes([FIN | BINARY, 127]) + b"\xff" * 8, 1009),
    ],
    ids=[
        *(
            "mask",
            "compressed",
            "no opcode",
            "continues nothing",
            "begins twice",
            "long ping",
            "half a ping",
            "no UTF-8",
        ),
        *("too large", "too large in pieces", "the largest length"),
    ],
)
async def test_a_server_that_breaks_the_rules_is_told_so_and_left(said: bytes, code: int) -> None:
    told: asyncio.Future[tuple[int, bytes]] = asyncio.get_running_loop().create_future()

    async def act(reader: Reader, writer: Writer) -> None:
        writer.write(frame(BINARY, b"before") + said)
        told.set_result(await read_frame(reader))

    async with a_socket(act) as socket:
        assert await socket.receive() == b"before"
        await failure(EndedError, socket.receive())
        await failure(EndedError, socket.send(b"more"))
        opcode, content = await told
        assert (opcode, int.from_bytes(content[:2], "big")) == (CLOSE, code)


async def test_what_comes_after_a_close_is_not_read_and_the_close_is_answered() -> None:
    answered: asyncio.Future[tuple[int, bytes]] = asyncio.get_running_loop().create_future()

    async def act(reader: Reader, writer: Writer) -> None:
        close = frame(CLOSE, (1011).to_bytes(2, "big"))
        writer.write(frame(TEXT, b"last") + close + frame(BINARY, b"too late"))
        answered.set_result(await read_frame(reader))

    async with a_socket(act) as socket:
        assert await socket.receive() == "last"
        await failure(EndedError, socket.receive())
        assert socket.close_code == 1011
        assert (await answered)[0] == CLOSE


async def test_a_message_that_waits_is_shown_nowhere_and_never_copied() -> None:
    """It may hold the token of a copy."""
    async with a_socket(saying(frame(BINARY, b"a credential"), frame(CLOSE))) as socket:
        while not socket.close_code:
            await asyncio.sleep(0)
        assert "credential" not in f"{socket!r} {socket}"
        check_unshared(socket)
        assert await socket.receive() == b"a credential"


async def test_a_close_in_the_middle_of_a_message_gives_no_part_of_it() -> None:
    async with a_socket(saying(frame(BINARY, b"half", first=0), frame(CLOSE))) as socket:
        await failure(EndedError, socket.receive())


async def test_a_connection_that_breaks_gives_no_part_of_a_message() -> None:
    async def act(_: Reader, writer: Writer) -> None:
        writer.write(frame(BINARY, b"whole") + frame(BINARY, b"cut off")[:-3])

    async with a_socket(act) as socket:
        assert await socket.receive() == b"whole"
        await failure(EndedError, socket.receive())
        assert socket.close_code == 0


async def test_each_ping_is_answered_and_a_flood_whose_answers_nobody_reads_ends_the_connection() -> None:
    gone = asyncio.Event()

    async def act(reader: Reader, writer: Writer) -> None:
        writer.write(frame(PING, b"there?"))
        assert await read_frame(reader) == (PONG, b"there?")
        try:
            while True:
                writer.write(frame(PING, bytes(125)) * 1_000)
                await writer.drain()
        except OSError:
            gone.set()

    async with a_socket(act) as socket:
        await failure(EndedError, socket.receive())
        await gone.wait()


async def test_a_server_that_is_faster_than_us_has_to_wait() -> None:
    sent = 0
    full = asyncio.Event()

    async def act(_: Reader, writer: Writer) -> None:
        nonlocal sent
        message = frame(BINARY, bytes(MOST))
        while not full.is_set() and sent < 10_000:  # a client that takes it all fails the test, not the machine
            writer.write(message)
            sent += 1
            await writer.drain()
        writer.write(frame(TEXT, b"end"))
        await writer.drain()
        await nothing(_, writer)

    async with a_socket(act) as socket:
        while socket._transport.is_reading():
            await asyncio.sleep(0)
        for _ in range(100):  # much more would come meanwhile
            await asyncio.sleep(0)
        assert sum(len(message) for message in socket._messages) <= MAX_HELD + 2 * 65_536 + MOST
        full.set()
        received = 0
        while await socket.receive() != "end":
            received += 1
        assert received == sent


async def test_who_sends_waits_while_the_server_does_not_read() -> None:
    reading = asyncio.Event()
    sizes: list[int] = []

    async def act(reader: Reader, writer: Writer) -> None:
        await reading.wait()
        while len(sizes) < MANY:
            sizes.append(len((await read_frame(reader))[1]))
        writer.write(frame(TEXT, b"all"))
        await nothing(reader, writer)

    async with a_socket(act) as socket:

        async def send() -> None:
            for _ in range(MANY):
                await socket.send(bytes(65_536))

        sending = asyncio.create_task(send())
        while socket._room.is_set():
            await asyncio.sleep(0)
        for _ in range(100):
            await asyncio.sleep(0)
        assert not sending.done()
        reading.set()
        await sending
        assert await socket.receive() == "all"
        assert sizes == [65_536] * MANY


async def test_a_server_that_is_there_is_kept_and_one_that_says_nothing_is_left() -> None:
    """The test looks when the timer would, and holds silence for long from the beginning."""
    answers = asyncio.Queue[bytes]()

    async def act(reader: Reader, writer: Writer) -> None:
        while True:
            assert (await read_frame(reader))[0] == PING
            writer.write(await answers.get())

    async with a_socket(act) as socket:
        socket._ping_s = 0.0
        for answer in (frame(PONG), frame(BINARY, b"a word counts, too")):
            socket._look()
            answers.put_nowait(answer)
            while socket._asked_at is not None:
                await asyncio.sleep(0)
        assert await socket.receive() == b"a word counts, too"
        socket._look()
        socket._look()
        await failure(EndedError, socket.receive())
        assert socket.is_silent


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno", 404),
        (b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n", 503),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 200),
        (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n", 0),
        (accepted(b"another key"), 0),
        (b"220 mail.example ESMTP\r\n\r\n", 0),
        (b"HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1\r\nx\r\n" * (MOST_HANDSHAKE // 6), 0),
    ],
)
async def test_a_server_that_opens_no_websocket_is_told_apart(answer: bytes, status: int) -> None:
    async with serving(nothing, answer=answer) as at, asyncio.timeout(PATIENCE_S):
        assert (await failure(NoWebSocketError, connect(at, "/", None, most_message=MOST))).status == status


async def test_a_server_that_hangs_up_or_never_answers_the_handshake_is_no_connection() -> None:
    async def hang_up(_: Reader, __: Writer) -> None:
        return

    for act in (hang_up, nothing):
        async with serving(act, answer=b"") as at, asyncio.timeout(PATIENCE_S):
            await failure(ConnectionError, connect(at, "/", None, most_message=MOST, ping_s=0.02, pong_s=0.02))


@pytest.mark.parametrize("host", ["a..example", f"{'x' * 64}.example"])
async def test_a_name_that_nobody_can_have_is_one_that_nobody_answers_at(host: str) -> None:
    await failure(OSError, connect(HostPort(host, 1), "/", None, most_message=MOST), "no address")
