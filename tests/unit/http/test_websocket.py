"""A WebSocket at the server's side: what opens one, what its limits are, and how it ends."""

from __future__ import annotations

import asyncio
import contextlib
import tracemalloc
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from hypothesis import given
from hypothesis import strategies as st
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.frames import Frame, Opcode

from monoskope.http.messages import EndedError, WebSocket
from monoskope.http.server.limits import Limits
from monoskope.http.server.server import bind, serving
from monoskope.http.server.websocket import MOST_FRAMES, MOST_HELD
from tests.support.failures import failure
from tests.unit.http.applications import ANYWHERE, SOON_S, Serves, connect, echo
from tests.unit.http.wire import Wire, cut, statuses

OPENED = b"HTTP/1.1 101 Switching Protocols\r\n"


def opening(*lines: bytes, without: bytes = b"-") -> bytes:
    fields = [b"Host: a", b"Upgrade: websocket", b"Connection: keep-alive, Upgrade", b"Sec-WebSocket-Version: 13"]
    fields += [b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", *lines]
    kept = [one for one in fields if not one.startswith(without)]
    return b"\r\n".join([b"GET /ws HTTP/1.1", *kept, b"", b""])


def sent(data: bytes, opcode: Opcode = Opcode.BINARY, *, fin: bool = True) -> bytes:
    return Frame(opcode, data, fin).serialize(mask=True)


_FRAMES = [sent(b"a"), sent(b"b", fin=False), sent(b"c", Opcode.CONT), sent("ä".encode(), Opcode.TEXT)]
_FRAMES += [sent(b"", Opcode.PING)]
_FRAMES += [sent(b"\xff", Opcode.TEXT), sent(b"", Opcode.PONG), sent(b"\x03\xe8", Opcode.CLOSE), sent(b"a" * 101)]


def reads(wire: Wire) -> bool:
    return not wire.is_paused


async def nothing(_: WebSocket) -> None:
    await asyncio.Event().wait()


async def ends_at_once(_: WebSocket) -> None:
    return


@pytest_asyncio.fixture
async def client() -> AsyncIterator[ClientConnection]:
    async with serving(ANYWHERE, Serves(echo)) as port, connect(f"ws://127.0.0.1:{port}/ws") as one:
        assert one.response is not None
        assert "sec-websocket-extensions" not in one.response.headers
        yield one


# The opening handshake.


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (opening(b"Origin: https://evil.example"), 403),
        (opening(b"Origin: null"), 403),
        (opening(without=b"Upgrade"), 426),
        (opening(without=b"Connection"), 400),
        (opening(without=b"Sec-WebSocket-Key"), 400),
        (opening(without=b"Sec-WebSocket-Version"), 400),
        (opening(b"Sec-WebSocket-Version: 8", without=b"Sec-WebSocket-Version: 13"), 400),
        (opening(b"Sec-WebSocket-Key: c2hvcnQ=", without=b"Sec-WebSocket-Key: d"), 400),
        (opening().replace(b"GET", b"POST"), 426),
        (opening().replace(b"HTTP/1.1", b"HTTP/1.0"), 400),
        (opening(b"Connection: close"), 400),
        (opening(b"Content-Length: 3").replace(b"GET", b"POST") + b"abc", 400),
        (opening() + sent(b"early"), 400),
    ],
)
async def test_only_a_whole_handshake_opens_a_websocket(request_: bytes, status: int) -> None:
    wire = Wire(Serves(echo))
    await wire.feed(request_)
    assert statuses(wire.written) == [status]
    assert wire.is_over


async def test_the_answer_is_the_one_of_rfc_6455() -> None:
    wire = Wire(Serves(echo))
    await wire.feed(opening())
    assert wire.written.startswith(OPENED)
    assert b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n" in wire.written


# Messages.


async def test_messages_go_both_ways_text_as_text(client: ClientConnection) -> None:
    for message in (b"\0" * 100, "grün", b"", "", b"a" * 150_000, "ü" * 100_000):
        await client.send(message)
        assert await client.recv() == message


async def test_a_message_in_pieces_is_one_message(client: ClientConnection) -> None:
    for pieces in ([b"a", b"", b"bc"], [b"", b"a"], [b"a", b""], [b"", b""]):
        await client.send(pieces)
        assert await client.recv() == b"".join(pieces)


async def test_a_message_in_many_pieces_takes_little_more_memory_than_its_bytes() -> None:
    many = sent(b"a", fin=False) + b"".join(sent(b"a", Opcode.CONT, fin=False) for _ in range(MOST_FRAMES - 2))
    wire = Wire(Serves(echo, most_message=100_000))
    await wire.feed(opening())
    tracemalloc.start()
    try:
        for part in cut(many, range(0, len(many), 3_000)):
            wire.connection.data_received(part)
        made = [tracemalloc.Filter(True, f"*/{package}/*") for package in ("monoskope", "websockets")]
        assert 0 < sum(one.size for one in tracemalloc.take_snapshot().filter_traces(made).traces) < 30_000
    finally:
        tracemalloc.stop()


async def test_a_ping_is_answered(client: ClientConnection) -> None:
    async with asyncio.timeout(SOON_S):
        await (await client.ping(b"are you there"))


@pytest.mark.parametrize("message", [b"a" * 101, "ü" * 51, [b"a" * 60, b"b" * 60], [b"a" * 99, b"", b"b", b"c"]])
async def test_a_message_above_the_limit_is_fatal(client: ClientConnection, message: bytes | str | list[bytes]) -> None:
    with contextlib.suppress(ConnectionClosed):
        await client.send(message)
    closed = await failure(ConnectionClosed, client.recv())
    assert closed.rcvd is not None
    assert closed.rcvd.code == 1009


async def test_the_limit_of_a_message_is_what_it_was_when_it_was_asked_for() -> None:
    """Also if the second message comes in one piece with the first, before the application could allow more."""
    wire = Wire(Serves(echo))
    await wire.feed(opening(), sent(b"first") + sent(b"b" * 200_000) + sent(b"third"))
    assert wire.written.count(b"b") >= 200_000
    assert b"third" in wire.written


@pytest.mark.parametrize(
    ("frames", "code"),
    [
        (Frame(Opcode.BINARY, b"unmasked").serialize(mask=False), 1002),
        (b"\xc2" + sent(b"rsv1")[1:], 1002),
        (b"\x83" + sent(b"opcode 3")[1:], 1002),
        (sent(b"a", Opcode.CONT), 1002),
        (sent(b"a", fin=False) + sent(b"b"), 1002),
        (b"\x09" + sent(b"ping in pieces", Opcode.PING)[1:], 1002),
        (sent(b"\xff", Opcode.TEXT), 1007),
    ],
    # Masks are random, and workers must agree on the names of tests.
    ids=["unmasked", "rsv1", "opcode 3", "continues nothing", "begins twice", "ping in pieces", "no UTF-8"],
)
async def test_what_rfc_6455_forbids_closes_the_connection(frames: bytes, code: int) -> None:
    wire = Wire(application := Serves(echo))
    await wire.feed(opening(), frames)
    assert wire.written.partition(b"\r\n\r\n")[2][2:4] == code.to_bytes(2)
    assert wire.is_over
    assert application.is_over.is_set()


@given(
    st.lists(st.binary(max_size=20) | st.sampled_from(_FRAMES), max_size=6).map(b"".join), st.lists(st.integers(0, 300))
)
async def test_no_bytes_break_a_websocket_and_what_ends_it_is_a_close_frame(noise: bytes, at: list[int]) -> None:
    wire = Wire(application := Serves(echo))
    await wire.feed(opening(), *cut(noise, at))
    assert wire.told == []
    if wire.is_over:
        assert application.is_over.is_set()
        assert b"\x88" in wire.written


async def test_frames_cut_anywhere_are_the_same_messages() -> None:
    frames = sent(b"one") + sent(b"", Opcode.PING) + sent(b"two", fin=False) + sent(b"three", Opcode.CONT)
    wire = Wire(Serves(echo))
    await wire.feed(opening(), *cut(frames, range(len(frames))))
    assert wire.written.partition(b"\r\n\r\n")[2] == b"\x82\x03one" + b"\x8a\x00" + b"\x82\x08twothree"


# Peers that are slow, silent or gone.


async def test_messages_that_nobody_asks_for_are_not_read() -> None:
    let = asyncio.Event()
    got: list[bytes | str] = []

    async def late(socket: WebSocket) -> None:
        await let.wait()
        while True:
            got.append(await socket.receive())

    wire = Wire(Serves(late))
    await wire.feed(opening(), *[sent(b"a" * 99)] * (MOST_HELD // 99 + 5))
    assert not reads(wire)
    let.set()
    await wire.settled()
    assert reads(wire)
    await wire.feed(sent(b"last"))
    assert got[-1] == b"last"


async def test_sending_waits_while_the_peer_does_not_read() -> None:
    async def floods(socket: WebSocket) -> None:
        while True:
            await socket.send(b"a" * 60_000)

    wire = Wire(application := Serves(floods))
    wire.narrow = 60_000
    await wire.feed(opening(), sent(b"", Opcode.PING), sent(b"", Opcode.PING))
    assert len(wire.written) < 120_000
    wire.connection.expire()
    await wire.settled()
    assert wire.is_over
    assert application.is_over.is_set()


async def test_a_large_message_is_sent_as_fast_as_the_peer_reads() -> None:
    async def large(socket: WebSocket) -> None:
        await asyncio.gather(socket.send(b"a" * 150_000), socket.send("b"))

    wire = Wire(Serves(large))
    wire.narrow = 10_000
    await wire.feed(opening(), sent(b"", Opcode.PING))
    assert len(wire.written) < 70_000
    for _ in range(3):
        wire.connection.resume_writing()
        await wire.settled()
    assert wire.written.count(b"a") >= 150_000
    assert wire.written.endswith(b"\x81\x01b" + b"\x88\x02\x03\xe8"), "the second message is not amid the first"


async def test_after_a_message_of_which_the_end_is_missing_nothing_else_is_sent() -> None:
    """A session that ends while a large message is on its way: what follows would be taken for the rest of it."""
    ended = asyncio.Event()

    async def torn(socket: WebSocket) -> None:
        sending = asyncio.create_task(socket.send(b"a" * 150_000))
        await asyncio.sleep(0)
        sending.cancel()
        await asyncio.wait({sending})
        await failure(EndedError, socket.send("{}"))
        ended.set()

    wire = Wire(Serves(torn))
    wire.narrow = 10_000
    await wire.feed(opening())
    wire.connection.resume_writing()
    await wire.settled()
    assert ended.is_set()
    assert wire.told == []
    assert wire.written.endswith(b"\x88\x02\x03\xe8")


async def test_who_is_told_that_it_ends_wins_no_time_by_pongs_or_by_reading_late() -> None:
    wire = Wire(Serves(ends_at_once))
    await wire.feed(opening())
    until = wire.connection.deadline
    await wire.feed(sent(b"", Opcode.PONG), sent(b"", Opcode.PING))
    wire.connection.resume_writing()
    assert wire.connection.deadline == until
    await wire.feed(sent(b"a") * MOST_FRAMES * 2)
    assert wire.is_over, "nor does it keep the server busy with messages that nobody asks for"


async def test_a_silent_peer_is_pinged_and_then_cut_off() -> None:
    wire = Wire(application := Serves(nothing))
    await wire.feed(opening())
    for _ in range(2):
        wire.connection.expire()
        assert wire.written.endswith(b"\x89\x00")
        await wire.feed(sent(b"", Opcode.PONG))
        assert not wire.is_over
    wire.connection.expire()
    wire.connection.expire()
    await wire.settled()
    assert wire.is_over
    assert application.is_over.is_set()


async def test_no_answer_is_expected_from_whom_nothing_is_read() -> None:
    wire = Wire(Serves(nothing))
    await wire.feed(opening(), sent(b"one"), sent(b"two"))
    for _ in range(3):
        wire.connection.expire()
    assert not wire.is_over


async def test_the_server_itself_pings_and_cuts_off() -> None:
    limits = Limits(ping_s=0.01, pong_s=0.01, sweep_s=0.01)
    async with serving(ANYWHERE, Serves(nothing), limits=limits) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(opening())
        async with asyncio.timeout(SOON_S):
            with contextlib.suppress(ConnectionResetError):
                assert (await reader.read()).endswith(b"\r\n\r\n\x89\x00")
        writer.close()


@pytest.mark.parametrize("is_clean", [True, False])
async def test_the_application_hears_of_the_end(*, is_clean: bool) -> None:
    raised: list[type[BaseException]] = []

    async def listens(socket: WebSocket) -> None:
        try:
            await socket.receive()
        except BaseException as error:
            raised.append(type(error))
            await failure(EndedError, socket.send(b"too late"))
            raise

    application = Serves(listens)
    async with serving(ANYWHERE, application) as port, connect(f"ws://127.0.0.1:{port}/ws") as one:
        if is_clean:
            await one.close(1000)
        else:
            one.transport.abort()
        async with asyncio.timeout(SOON_S):
            await application.is_over.wait()
    assert raised[0] in {EndedError, asyncio.CancelledError}


async def test_what_was_sent_before_the_end_is_still_received() -> None:
    got: list[bytes | str] = []

    async def all_of_it(socket: WebSocket) -> None:
        with contextlib.suppress(EndedError):
            while True:
                got.append(await socket.receive())

    wire = Wire(Serves(all_of_it))
    await wire.feed(opening(), sent(b"one") + sent(b"{}", Opcode.TEXT) + sent(b"", Opcode.CLOSE))
    assert got == [b"one", "{}"]
    assert wire.is_over


@pytest.mark.parametrize(("end", "code"), [(None, 1000), (RuntimeError("hunter2"), 1011)])
async def test_the_end_of_the_application_closes_the_connection(end: Exception | None, code: int) -> None:
    async def ends(socket: WebSocket) -> None:
        if end is not None:
            raise end

    async with serving(ANYWHERE, Serves(ends)) as port, connect(f"ws://127.0.0.1:{port}/ws") as one:
        closed = await failure(ConnectionClosed, one.recv())
        assert closed.rcvd is not None
        assert (closed.rcvd.code, closed.rcvd.reason) == (code, "")


async def test_messages_that_nobody_asks_for_any_more_do_not_keep_the_end_from_coming() -> None:
    async def asks_once(socket: WebSocket) -> None:
        await socket.receive()

    wire = Wire(Serves(asks_once))
    await wire.feed(opening(), sent(b"one") + sent(b"two") + sent(b"three"))
    assert wire.written.endswith(b"\x88\x02\x03\xe8")
    assert not wire.is_over
    await wire.feed(sent(b"four"), sent(b"five") + sent(b"\x03\xe8", Opcode.CLOSE))
    assert wire.is_over


@pytest.mark.parametrize(
    "frame",
    [sent(b"", Opcode.PING), sent(b"", Opcode.PONG), sent(b"", Opcode.CONT, fin=False)],
    ids=["pings", "pongs", "empty fragments"],
)
async def test_frames_without_end_that_say_nothing_close_the_connection(frame: bytes) -> None:
    wire = Wire(application := Serves(echo))
    begin = sent(b"a", fin=False) if frame[0] == Opcode.CONT else b""
    await wire.feed(opening(), begin + frame * (MOST_FRAMES - 2))
    assert b"\x88\x02" not in wire.written
    await wire.feed(frame * 10 * MOST_FRAMES)
    assert wire.is_over
    assert wire.written.endswith(b"\x88\x02\x03\xf0")
    assert wire.written.count(b"\x8a\x00") < 5 * MOST_FRAMES
    assert application.is_over.is_set()


async def test_a_server_that_stops_says_that_it_goes_away() -> None:
    server = await bind(ANYWHERE, application := Serves(echo), limits=Limits(ending_s=0.01))
    await server.start()
    async with connect(f"ws://127.0.0.1:{server.port}/ws") as one:
        stopping = asyncio.create_task(server.drain(SOON_S))
        closed = await failure(ConnectionClosed, one.recv())
        assert closed.rcvd is not None
        assert closed.rcvd.code == 1001
        await stopping
    assert server.connections == 0
    assert application.is_over.is_set()


async def test_a_page_of_a_browser_opens_none() -> None:
    async with serving(ANYWHERE, Serves(echo)) as port:
        with pytest.raises(InvalidStatus):
            await connect(f"ws://127.0.0.1:{port}/ws", origin="https://evil.example")  # type: ignore[arg-type]
