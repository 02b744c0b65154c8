"""A reactor's session over a WebSocket: what it is told, and reactors that break its rules."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from monoskope.api.gateway.v1 import reactor_pb2
from monoskope.api.secrets.v1 import events_pb2
from monoskope.m8.calls import Arrival
from monoskope.m8.domain.events import reactor_stream, token_stream, write
from monoskope.m8.http import application as attach
from monoskope.m8.limits.settings import ServerLimits
from monoskope.m8.limits.subjects import EACH_BYTES, HEARTBEAT, Pace
from monoskope.m8.methods import MAX_APPEND, MAX_LOGIN, methods
from monoskope.m8.metrics import Meters
from monoskope.reactor.link.link import PATH
from tests.support.fake_reactor import FakeReactor
from tests.support.m8_world import World, a_world
from tests.support.raw_websocket import BINARY, CLOSE, CONTINUATION, FIN, PING, PONG, RSV1, TEXT, frame, read_frame
from tests.support.vectors import Signer, a_request

PATIENCE_S = 60.0
MASK = b"mask"
UNKNOWN = b"\xc2\x3e\xe0\xd4\x03" + bytes(60_000)  # a field that nobody knows
BEAT = reactor_pb2.AttachRequest(heartbeat=reactor_pb2.Heartbeat()).SerializeToString()


@pytest.fixture
def codes(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """How the sessions of the test ended, as m8's metrics and log have it."""
    found: list[str] = []

    def answered(_: Meters, name: str, code: str, __: float) -> None:
        if name == "Attach":
            found.append(code)

    monkeypatch.setattr(Meters, "answered", answered)
    return found


async def detached(world: World) -> bool:
    """Whether the log says that the store's last reactor is gone."""
    events = await world.app.log.read_stream(reactor_stream("vault"))
    return bool(events) and events[-1].type == "ReactorDetached"


async def ended(world: World) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while world.app.sessions:
            await asyncio.sleep(0.001)


class Raw:
    """A connection on which the test says every byte after the handshake."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def say(self, *frames: bytes) -> None:
        self.writer.write(b"".join(frames))

    async def hear(self, opcode: int) -> bytes:
        """The next frame of that kind; others before it are passed over."""
        while True:
            found, content = await read_frame(self.reader)
            if found == opcode:
                return content

    async def closed(self) -> int:
        return int.from_bytes((await self.hear(CLOSE))[:2], "big")


@pytest.fixture
async def raw(world: World) -> AsyncIterator[Raw]:
    reader, writer = await asyncio.open_connection(*world.address.split(":"))
    writer.write(
        f"GET {PATH} HTTP/1.1\r\nHost: {world.address}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n".encode()
    )
    head = await reader.readuntil(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 101 ")
    assert b"extensions" not in head.lower()
    yield Raw(reader, writer)
    writer.close()


async def test_each_side_ends_with_a_text_and_then_m8_closes(world: World, reactor: FakeReactor) -> None:
    await reactor.half_close()
    assert await reactor.call.close_code() == 1000
    assert await detached(world)


@pytest.mark.parametrize("how", [frame(CLOSE, mask=MASK), b""], ids=["Close", "nothing at all"])
async def test_a_connection_that_ends_without_the_text_is_broken_and_its_process_is_not_declared_gone(
    world: World, reactor: FakeReactor, how: bytes, codes: list[str]
) -> None:
    await reactor.call.raw(how)
    reactor.call.cancel()
    await ended(world)
    assert not await detached(world)
    async with asyncio.timeout(PATIENCE_S):
        while not codes:  # its line comes a moment after its session is gone
            await asyncio.sleep(0.001)
    assert codes == ["CANCELLED"]


@pytest.mark.parametrize(
    "text", ["", "null", "[]", '"{}"', "{", '{"error": {}}', '{"error": null}', "[" * 10_000, "\x00"]
)
@pytest.mark.parametrize("logged_in", [False, True])
async def test_a_text_that_ends_nothing_is_refused_with_our_words(world: World, text: str, *, logged_in: bool) -> None:
    reactor = world.reactor()
    await (reactor.attach() if logged_in else reactor.open())
    await (await reactor.call.socket()).send(text)
    failure = await reactor.failure()
    assert failure.reason == "USAGE"
    assert "{}" in failure.message
    assert await reactor.call.close_code() == 1011
    assert not await detached(world)


async def test_members_that_are_not_known_yet_end_a_session_as_none_do(reactor: FakeReactor) -> None:
    await (await reactor.call.socket()).send('{"metadata": {"a": ["b"]}}')
    assert await reactor.call.code() == "ok"


async def test_what_comes_after_the_end_is_not_done(world: World) -> None:
    reactor, user, request = await world.attached(), world.user("anna", "vault://app"), a_request()
    await user.ask(request)
    delivered = await reactor.next("SecretUploadKeyRequested")
    append = reactor_pb2.AppendEvent(call=1, request_id=request.request_id, expected_version=1)
    append.key_provided.CopyFrom(reactor.provided(reactor.grant_for(request, "anna")))
    message = reactor_pb2.AttachRequest(append=append).SerializeToString()
    await reactor.call.raw(frame(TEXT, b"{}", mask=MASK) + frame(BINARY, message, mask=MASK))
    assert await reactor.call.code() == "ok"
    assert [event.type for event in await world.app.log.read_stream(delivered.event.stream)] == [
        "SecretUploadKeyRequested"
    ]


@pytest.mark.parametrize(
    ("said", "code"),
    [
        (frame(BINARY, b"unmasked"), 1002),
        (frame(BINARY, b"compressed", first=FIN | RSV1, mask=MASK), 1002),
        (frame(CONTINUATION, b"of nothing", mask=MASK), 1002),
        (frame(TEXT, b"\xff", mask=MASK), 1007),
        (frame(BINARY, bytes(MAX_LOGIN + 1), mask=MASK), 1009),
        (frame(BINARY, bytes(MAX_LOGIN), first=0, mask=MASK) + frame(CONTINUATION, b"x", first=0, mask=MASK), 1009),
        (frame(TEXT, bytes(MAX_LOGIN + 1), mask=MASK), 1009),
    ],
    ids=["no mask", "compressed", "a continuation", "no UTF-8", "too large", "too large in pieces", "a large text"],
)
async def test_a_stranger_that_breaks_the_rules_is_left(raw: Raw, said: bytes, code: int) -> None:
    raw.say(said)
    assert await raw.closed() == code


async def test_a_message_that_never_ends_is_no_login(world: World, raw: Raw) -> None:
    raw.say(frame(BINARY, b"", first=0, mask=MASK), frame(CONTINUATION, first=0, mask=MASK) * 100)
    raw.say(frame(PING, b"read", mask=MASK))
    async with asyncio.timeout(PATIENCE_S):
        assert await raw.hear(PONG) == b"read", "m8 has read what came before"
        [waiting] = world.app.logins._waiting
        waiting.deadline.reschedule(asyncio.get_running_loop().time())  # the time for its login is over
        assert json.loads(await raw.hear(TEXT))["error"]["details"][0]["debug"]["reason"] == "UNAUTHENTICATED"


async def test_after_the_login_a_message_may_be_larger_and_one_above_that_ends_the_session(world: World) -> None:
    reactor = await world.attached()
    await reactor.call.raw(frame(BINARY, bytes(MAX_APPEND + 1), mask=MASK))
    assert await reactor.call.close_code() == 1009
    reactor = await world.attached()
    await reactor.call.raw(frame(BINARY, b"\x00" * MAX_APPEND, mask=MASK))
    assert (await reactor.failure()).reason == "USAGE"  # it was read, and is no message


async def test_a_session_that_waits_for_the_log_answers_pings_and_ends_where_the_connection_breaks(
    world: World, reactor: FakeReactor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A database that fails over takes half a minute; a reactor that hears nothing leaves after 15 s."""
    begun = asyncio.Event()

    async def beat(*_: object) -> None:
        begun.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(world.app.log, "beat", beat)
    await reactor.call.raw(frame(BINARY, BEAT, mask=MASK) * 10)
    await begun.wait()
    socket = await reactor.call.socket()
    socket._ping_s = 0.0
    socket._look()
    while socket._asked_at is not None:
        await asyncio.sleep(0.001)
    reactor.call.cancel()
    await ended(world)


def session(world: World) -> attach.Attached:
    """A session without a server."""
    return attach.Attached(world.app, methods(world.app)[PATH], Arrival("127.0.0.1:1"))


class Unread:
    """A WebSocket whose reactor logs in, and never reads anything after that."""

    def __init__(self, reactor: FakeReactor) -> None:
        self.most_message = 0
        self.challenged: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._reactor = reactor
        self.said = 0

    async def receive(self) -> bytes | str:
        if self.said:
            await asyncio.Event().wait()
        await self.challenged
        self.said += 1
        return reactor_pb2.AttachRequest(attach=self._reactor.login()).SerializeToString()

    async def send(self, message: bytes | str) -> None:
        if not isinstance(message, bytes):
            await asyncio.Event().wait()
            return
        answer = reactor_pb2.AttachResponse.FromString(message)
        if answer.challenge:
            self._reactor.challenge = answer.challenge
            self.challenged.set_result(None)
        elif not answer.HasField("attached"):
            await asyncio.Event().wait()

    async def close(self, code: int = 1000) -> None:
        raise AssertionError(f"it was told {code}, and reads nothing")


async def test_a_reactor_that_does_not_read_is_cut_off_by_its_backlog(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, codes: list[str]
) -> None:
    monkeypatch.setattr(attach, "FAREWELL_S", 0.01)
    async with a_world(tmp_path, limits=ServerLimits(backlog=5)) as world, asyncio.timeout(PATIENCE_S):
        socket = Unread(world.reactor())
        serving = asyncio.create_task(session(world).serve(socket))
        while not world.app.sessions:
            await asyncio.sleep(0)
        user = world.user("anna", "vault://app")
        while world.app.sessions:
            await user.ask(a_request())
        await serving
        assert codes == ["UNAVAILABLE"]


class Flooding(Unread):
    """A WebSocket whose reactor says more than anybody handles."""

    async def receive(self) -> bytes | str:
        if not self.said:
            return await super().receive()
        await asyncio.sleep(0)
        self.said += 1
        return BEAT + UNKNOWN

    async def send(self, message: bytes | str) -> None:
        if not self.challenged.done():
            await super().send(message)


async def test_a_reactor_that_says_more_than_is_handled_waits(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    handled = 0

    async def beat(*_: object) -> None:
        nonlocal handled
        handled += world.app.sessions != {}
        if handled:
            await asyncio.Event().wait()

    monkeypatch.setattr(world.app.log, "beat", beat)
    socket = Flooding(world.reactor())
    serving = asyncio.create_task(session(world).serve(socket))
    said, same = 0, 0
    while not handled or same < 1_000:
        await asyncio.sleep(0)
        said, same = socket.said, same + 1 if socket.said == said else 0
    serving.cancel()
    assert handled == 1
    assert said * len(UNKNOWN) <= attach.MOST_WAITING + 3 * len(BEAT + UNKNOWN)  # the login, one handled, one above


async def test_a_process_that_attaches_again_replaces_its_session(world: World, reactor: FakeReactor) -> None:
    head = await world.app.log.head()
    await world.reactor(replica=reactor.replica).attach()
    assert await reactor.call.code() == "unavailable"
    assert await world.app.log.head() == head


async def test_an_error_goes_out_as_connect_has_it(raw: Raw) -> None:
    raw.say(frame(TEXT, b"no", mask=MASK))
    error = json.loads(await raw.hear(TEXT))["error"]
    assert (error["code"], error["details"][0]["debug"]["reason"]) == ("invalid_argument", "USAGE")
    assert await raw.closed() == 1011


async def test_a_request_that_is_no_websocket_is_told_so(world: World) -> None:
    reader, writer = await asyncio.open_connection(*world.address.split(":"))
    writer.write(f"GET {PATH} HTTP/1.1\r\nHost: {world.address}\r\n\r\n".encode())
    assert (await reader.readline()).startswith(b"HTTP/1.1 426 ")
    writer.close()


RATE = 100
"""Messages a second that the reactors of a store may say here."""


async def test_reactors_that_say_more_than_they_may_wait_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The attack: as many heartbeats and appends as a connection takes, by two replicas of a store."""
    handled: list[float] = []

    async def append(aggregates: object, log: object, login: object, append: reactor_pb2.AppendEvent) -> int:
        handled.append(1.0)
        return 1

    monkeypatch.setattr("monoskope.m8.domain.appending.record_appended", append)
    async with a_world(tmp_path, limits=ServerLimits(reactor_messages=RATE)) as world:
        beat = world.app.log.beat

        async def counted(key: str, *what: Any) -> None:
            if key in world.app.sessions:  # m8 beats, too
                handled.append(HEARTBEAT)
            await beat(key, *what)

        floods = [await world.attached(), await world.attached()]
        monkeypatch.setattr(world.app.log, "beat", counted)
        begun = asyncio.get_running_loop().time()
        for reactor in floods:
            for call in range(500):
                asked = reactor_pb2.AppendEvent(call=call, request_id=bytes(16), failed={})
                reactor.answers[call] = asyncio.get_running_loop().create_future()
                await reactor.call.write(reactor_pb2.AttachRequest(append=asked))
                await reactor.beat()
        root = world.administrator()
        await root.create("other", Signer().shown)
        async with asyncio.timeout(PATIENCE_S):
            while sum(handled) < 2 * RATE:
                await root.store("other")
        seconds = asyncio.get_running_loop().time() - begun
        # A full bucket at the beginning, what came since, and one message of each session that overdraws it.
        assert sum(handled) <= RATE + RATE * seconds + len(floods) * (HEARTBEAT + 1)


async def test_a_large_message_counts_as_many(tmp_path: Path) -> None:
    """m8 verifies signatures over all of its bytes."""
    now = [0.0]
    pace = Pace(10, lambda: now[0])
    await pace.keep("vault", size=30 * EACH_BYTES, is_heartbeat=False)
    waits = asyncio.create_task(pace.keep("vault", size=0, is_heartbeat=True))
    await pace.keep("other", size=0, is_heartbeat=True)
    for _ in range(3):
        await asyncio.sleep(0)
    assert not waits.done()
    now[0] = 3.0
    async with asyncio.timeout(PATIENCE_S):
        await waits


async def test_a_reactor_is_told_its_own_stores_events_and_none_else(world: World) -> None:
    administrator, user, other = world.administrator(), world.user("anna", "vault://app", "local://app"), Signer()
    await administrator.create("local", other.shown)
    reactor = await world.attached()
    foreign = world.reactor(other, store="local")
    await foreign.attach()
    await user.ask(a_request(uri="local://app/db"))
    await foreign.give_key()
    await administrator.create("third", Signer().shown)
    await administrator.deactivate("third")
    issued = events_pb2.TokenIssued(id="0" * 32, subject="anna")
    await world.app.log.append(token_stream(issued.id), 0, [write(issued)], actor="m8")
    await foreign.half_close()
    request = a_request()
    await user.ask(request)
    delivered = await reactor.delivered.get()
    while delivered.event.stream == "reactor/vault":
        delivered = await reactor.delivered.get()
    assert delivered.event.stream == f"upload/{request.request_id.hex()}"
    assert delivered.event.type == "SecretUploadKeyRequested"


async def test_a_reactor_is_told_the_events_of_others_alone(world: World) -> None:
    peer, reactor, user = await world.attached(), await world.attached(), world.user("anna", "vault://app")
    first, second = a_request(uri="vault://app/a"), a_request(uri="vault://app/b")

    await user.ask(first)
    await reactor.give_key()
    await peer.next("SecretUploadKeyProvided")
    await user.ask(second)

    delivered = await reactor.delivered.get()
    while delivered.event.stream == "reactor/vault":
        delivered = await reactor.delivered.get()
    assert delivered.event.type == "SecretUploadKeyRequested"
    assert delivered.event.stream == f"upload/{second.request_id.hex()}"


async def test_a_reactor_that_comes_back_is_told_its_own_events_of_unfinished_requests(world: World) -> None:
    reactor, user, request = await world.attached(), world.user("anna", "vault://app"), a_request()
    await user.ask(request)
    _, grant = await reactor.give_key()
    await reactor.leave()

    back = world.reactor(replica=reactor.replica)
    await back.attach()

    delivered = await back.next("SecretUploadKeyProvided")
    provided = events_pb2.SecretUploadKeyProvided.FromString(delivered.event.data)
    assert provided.grant.content == grant.content
    again = await back.append(request.request_id, 1, provided)
    assert (again.error, again.version) == ("", 2)


@pytest.mark.parametrize("again", [reactor_pb2.AttachRequest(attach=reactor_pb2.AttachReactor()), None])
async def test_a_second_login_is_refused_unchecked(world: World, again: reactor_pb2.AttachRequest | None) -> None:
    """It may be a megabyte of rotations: to check their rules would keep m8 from everybody else for seconds."""
    reactor = await world.attached()
    await reactor.call.write(again or reactor_pb2.AttachRequest())
    ended = await reactor.failure()
    assert ended.code == "unavailable"
    assert "attached already" in ended.message
