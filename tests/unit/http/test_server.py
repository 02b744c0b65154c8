"""A server among peers that are slow, silent, gone or too many, and how it ends."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import math
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
import uvloop

from monoskope.host_port import HostPort
from monoskope.http.messages import Head, Response
from monoskope.http.server.connection import Connection
from monoskope.http.server.limits import PORTION, Limits, Outgoing
from monoskope.http.server.server import bind, serving
from tests.unit.http.applications import ANYWHERE, GET, SOON_S, Held, Streams, connected, post
from tests.unit.http.wire import Answers, Asked, Wire, asked, narrow, statuses

# The address.


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
def test_of_two_servers_at_one_address_one_starts(run: Callable[[Coroutine[Any, Any, None]], None]) -> None:
    async def both() -> None:
        first = await bind(ANYWHERE, Asked())
        second = await bind(HostPort(ANYWHERE.host, first.port), Asked())
        await first.start()
        with pytest.raises(OSError, match="in use"):
            await second.start()
        await second.drain(0)
        await first.drain(0)

    run(both())


# Requests one after another.


async def test_a_connection_answers_one_request_after_another_and_keeps_nothing_of_them() -> None:
    wire = Wire(application := Asked())
    await wire.feed(post(3) + b"abc", GET, b"HEAD /kept HTTP/1.1\r\nHost: a\r\n\r\n")
    assert application.bodies == [b"abc", b"", b""]
    assert wire.written.count(b"HTTP/1.1 200 OK\r\n") == 3
    assert wire.written.endswith(b"\r\n\r\n"), "the answer to a HEAD has no body"
    assert not wire.is_over
    gc.disable()
    try:
        application.heads.clear()
        # Not `isinstance`: it asks a proxy for what it stood for, which may be gone.
        assert [one for one in gc.get_objects() if type(one) is Head and one.path == "/kept"] == []
    finally:
        gc.enable()


async def test_what_comes_before_the_answer_is_not_executed() -> None:
    for parts in ([GET + GET], [post(3) + b"abc" + GET], [GET, GET], [post(3), b"abcGET /"]):
        wire = Wire(application := Held())
        await wire.feed(*parts)
        application.let.set()
        await wire.settled()
        assert statuses(wire.written) == [200]
        assert b"Connection: close" in wire.written
        assert wire.is_over
        assert len(application.heads) == 1


async def test_an_old_client_is_answered_once_without_chunks() -> None:
    async with serving(ANYWHERE, Streams(b"one", b"", b"two")) as port:
        assert (await asked(port, b"GET / HTTP/1.0\r\n\r\n")).endswith(b"close\r\n\r\nonetwo")


async def test_answers_tell_caches_and_browsers_to_keep_and_guess_nothing() -> None:
    wire = Wire(Asked(1))
    await wire.feed(GET, post(2))
    assert wire.written.count(b"Cache-Control: no-store\r\n") == wire.written.count(b"HTTP/1.1 ") == 2
    assert wire.written.count(b"X-Content-Type-Options: nosniff\r\n") == 2


@pytest.mark.parametrize(
    "header",
    [
        ("X", "a\r\nY: b"),
        ("X", "a\nb"),
        ("X\r\nY", "a"),
        ("X:", "a"),
        ("", "a"),
        ("X", "a\0"),
        ("X", "ä"),
        ("Content-Length", "0"),
    ],
)
async def test_no_answer_can_be_made_to_say_more_than_it_should(header: tuple[str, str]) -> None:
    wire = Wire(Answers(Response(200, (header,))))
    await wire.feed(GET)
    assert statuses(wire.written) == [500]
    assert [type(error) for error in wire.told] == [ValueError]


async def test_a_defect_is_told_to_the_owner_and_not_to_the_peer() -> None:
    wire = Wire(Answers(RuntimeError("hunter2")))
    await wire.feed(GET)
    assert statuses(wire.written) == [500]
    assert b"hunter2" not in wire.written
    assert wire.is_over
    assert [str(error) for error in wire.told] == ["hunter2"]


async def test_an_answer_without_content_has_no_length() -> None:
    wire = Wire(Answers(Response(204)))
    await wire.feed(GET)
    assert b"Content-Length" not in wire.written
    assert not wire.is_over


# Bodies.


async def test_no_body_is_taken_before_the_application_has_seen_the_head() -> None:
    wire = Wire(application := Held(in_accept=True))
    await wire.feed(post(1_000_000), b"a" * 65_536)
    assert wire.is_paused
    application.let.set()
    await wire.feed(b"a" * 500_000, b"a" * 500_000)
    assert application.bodies == [b"a" * 1_000_000]


async def test_a_body_that_is_too_large_is_refused_and_its_sender_can_read_why() -> None:
    async with serving(ANYWHERE, application := Asked(100), limits=Limits(linger_s=SOON_S)) as port:
        answer = await asked(port, post(3_000_000), b"a" * 3_000_000)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"Connection: close" in answer
    assert application.bodies == []


async def test_a_sender_who_asks_first_is_told_when_the_head_is_accepted() -> None:
    wire = Wire(application := Asked(100))
    await wire.feed(post(3, b"Expect: 100-Continue"))
    assert wire.written == b"HTTP/1.1 100 Continue\r\n\r\n"
    await wire.feed(b"abc")
    assert application.bodies == [b"abc"]
    refused = Wire(Asked(2))
    await refused.feed(post(3, b"Expect: 100-continue"))
    assert statuses(refused.written) == [413]


# Peers that are slow, silent or gone. The clock is the test's: a deadline is let pass, and no time with it.


def passed(wire: Wire) -> None:
    assert wire.connection.deadline < math.inf
    wire.connection.expire()


async def test_silence_ends_a_connection_and_a_part_of_a_request_is_told_why() -> None:
    silent, begun, half = Wire(Asked()), Wire(Asked()), Wire(application := Asked())
    await begun.feed(b"GET / HT")
    await half.feed(post(3), b"a")
    for wire in (silent, begun, half):
        passed(wire)
        await wire.settled()
        assert wire.is_over
    assert (silent.written, statuses(begun.written), statuses(half.written)) == (b"", [408], [408])
    assert application.bodies == []
    assert half.shared.connections == set()


async def test_who_has_asked_for_nothing_yet_has_less_time_than_between_two_requests() -> None:
    wire = Wire(Asked(), Limits(head_s=5, idle_s=60))
    new = wire.connection.deadline
    await wire.feed(GET)
    assert wire.connection.deadline > new + 50


async def test_one_byte_at_a_time_wins_no_time() -> None:
    wire = Wire(Asked())
    await wire.feed(b"G")
    until = wire.connection.deadline
    await wire.feed(b"E", b"T")
    assert wire.connection.deadline == until
    wire = Wire(Asked())
    await wire.feed(post(1_000), b"a")
    until = wire.connection.deadline
    await wire.feed(b"a", b"a")
    assert wire.connection.deadline == until


async def test_no_time_is_set_for_the_application() -> None:
    wire = Wire(Held())
    await wire.feed(GET)
    assert wire.connection.deadline == math.inf


async def test_a_peer_that_does_not_read_is_cut_off() -> None:
    wire = Wire(Streams(b"a", b"b", after="wait"))
    wire.connection.pause_writing()
    await wire.feed(GET)
    assert b"1\r\nb" not in wire.written, "nothing more is made while the peer does not read"
    passed(wire)
    await wire.settled()
    assert wire.is_over
    assert wire.shared.connections == set()


async def test_a_peer_that_reads_slowly_has_its_time_for_each_portion() -> None:
    wire = Wire(Answers(Response(200, (), bytes(3 * PORTION))))
    wire.narrow = PORTION
    await wire.feed(GET)
    for portions in (1, 2, 3):
        assert len(wire.written) == portions * PORTION
        until = wire.connection.deadline
        wire.connection.resume_writing()
        await wire.settled()
        assert wire.connection.deadline >= until
    assert not wire.is_over


async def test_answers_that_are_not_read_do_not_pile_up() -> None:
    wire = Wire(application := Asked())
    wire.connection.pause_writing()
    await wire.feed(GET, GET, GET)
    assert len(application.heads) == 1


async def test_the_server_itself_cuts_off_who_is_silent_and_what_is_never_read() -> None:
    large = Answers(Response(200, (), bytes(16 * 1_048_576)))
    async with (
        serving(ANYWHERE, large, limits=Limits(head_s=0.01, idle_s=0.01, sweep_s=0.01)) as port,
        asyncio.timeout(SOON_S),
    ):
        assert await asked(port) == b""
        answer = b""
        while not answer:
            with contextlib.suppress(ConnectionError):  # it may take us too long to begin
                answer = await asked(port, b"GET / HT")
        assert answer.startswith(b"HTTP/1.1 408 ")
    server = await bind(ANYWHERE, large, limits=Limits(unread_s=0.01, sweep_s=0.01))
    await server.start()
    async with asyncio.timeout(SOON_S):
        reader, writer = await asyncio.open_connection(sock=narrow(server.port), limit=1)
        writer.write(GET)
        await reader.readexactly(4)
        while server.connections:
            await asyncio.sleep(0)
    writer.transport.abort()
    await server.drain()


async def test_what_a_peer_asked_for_is_cancelled_when_it_is_gone() -> None:
    held, streams = Held(), Streams(b"a", after="wait")
    for application, ended in ((held, held.ended), (streams, streams.closed)):
        async with serving(ANYWHERE, application) as port:
            reader, writer = await connected(port)
            writer.write(GET)
            if application is held:
                await held.begun.wait()
            else:
                await reader.readuntil(b"1\r\na\r\n")
            writer.close()
            async with asyncio.timeout(SOON_S):
                await ended.wait()


async def test_who_sends_more_than_was_asked_for_is_still_missed_when_it_is_gone() -> None:
    """Else what it asked for would hold its places for ever, on a connection that the system has forgotten."""
    async with serving(ANYWHERE, application := Streams(b"a", after="wait")) as port:
        _, writer = await connected(port)
        writer.write(GET + bytes(4 * 1_048_576))
        async with asyncio.timeout(SOON_S):
            await writer.drain()
            writer.transport.abort()
            await application.closed.wait()


async def test_a_defect_of_one_deadline_leaves_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: Connection) -> None:
        monkeypatch.undo()
        raise RuntimeError("hunter2")

    told: list[Exception] = []
    async with serving(ANYWHERE, Asked(), limits=Limits(head_s=0.01, sweep_s=0.01), tell=told.append) as port:
        monkeypatch.setattr(Connection, "expire", broken)
        async with asyncio.timeout(SOON_S):
            for _ in range(2):
                with contextlib.suppress(ConnectionResetError):
                    assert await asked(port) == b""
    assert [type(one) for one in told] == [RuntimeError]


async def test_a_stream_that_breaks_has_no_end() -> None:
    async with serving(ANYWHERE, Streams(b"abc", after="fail")) as port:
        answer = await asked(port, GET)
    assert answer.endswith(b"3\r\nabc\r\n")
    assert b"hunter2" not in answer


async def test_connections_above_the_limit_are_closed_and_the_others_served() -> None:
    async with serving(ANYWHERE, Asked(), limits=Limits(most=2)) as port:
        first, second = await connected(port), await connected(port)
        with contextlib.suppress(ConnectionResetError):
            assert await asked(port, GET) == b""
        for reader, writer in (first, second):
            writer.write(GET)
            assert (await reader.readline()).startswith(b"HTTP/1.1 200 ")
            writer.close()


# The end of a server.


async def test_a_server_that_stops_ends_what_is_idle_and_answers_what_is_under_way() -> None:
    server = await bind(ANYWHERE, application := Held())
    await server.start()
    idle, busy = await connected(server.port), await connected(server.port)
    busy[1].write(post(3) + b"abc")
    await application.begun.wait()
    stopping = asyncio.create_task(server.drain(SOON_S))
    assert await idle[0].read() == b""
    with pytest.raises(OSError, match=r"."):
        await connected(server.port)
    application.let.set()
    answer = await busy[0].read()
    assert answer.endswith(b"<3>")
    assert b"Connection: close" in answer
    await stopping
    assert server.connections == 0
    for _, writer in (idle, busy):
        writer.close()


async def test_a_server_that_stops_closes_streams_and_cuts_off_what_does_not_end() -> None:
    streams, held = Streams(b"abc", after="wait"), Held()
    for application, ended in ((streams, streams.closed), (held, held.ended)):
        server = await bind(ANYWHERE, application, limits=Limits(ending_s=0.01))
        await server.start()
        reader, writer = await connected(server.port)
        writer.write(GET)
        await (held.begun.wait() if application is held else reader.readuntil(b"abc\r\n"))
        await server.drain(0.02 if application is held else SOON_S)
        assert ended.is_set()
        assert server.connections == 0
        with contextlib.suppress(ConnectionResetError):
            assert await reader.read() == b"", "a stream that is cut off has no end"
        writer.close()


async def test_a_peer_that_reads_again_has_the_usual_deadlines_again() -> None:
    one = Outgoing(unread_s=3_600.0)
    one.pause_writing()
    one.never()
    assert one.deadline < math.inf, "who does not read has a deadline, whatever else is waited for"
    one.resume_writing()
    one.never()
    assert one.deadline == math.inf
