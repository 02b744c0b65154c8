"""A session's stream: when the unfinished requests have been told, and what becomes of one that m8 has ended."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast

import grpc
import grpc.aio
import pytest

from monoskope.api.eventsourcing.v1 import event_pb2
from monoskope.api.gateway.v1 import reactor_pb2, views_pb2
from monoskope.m8.domain.refused_login import LoginRefusedError
from monoskope.m8.grpc.calls import status_of
from monoskope.reactor.identity.store_identity import Identity
from monoskope.reactor.link.appends import Appends
from monoskope.reactor.link.attachment import Attachment, Call, SessionEndedError, StatusError, read, write
from monoskope.reactor.link.refusal import explained
from monoskope.reactor.timings import Timings


class EndedCall:
    """A stream whose end the reader has not seen yet."""

    def __init__(self, code: grpc.StatusCode) -> None:
        self._code = code
        self.metadata: list[tuple[str, str | bytes]] = []

    async def write(self, message: object) -> None:
        del message
        raise asyncio.InvalidStateError("RPC already finished.")

    async def read(self) -> object:
        return grpc.aio.EOF

    async def code(self) -> grpc.StatusCode:
        return self._code

    async def details(self) -> str:
        return "foreign text"

    async def trailing_metadata(self) -> grpc.aio.Metadata:
        return grpc.aio.Metadata(*self.metadata)


async def test_writing_to_an_ended_stream_ends_the_session_and_nothing_more() -> None:
    call = cast("Call", EndedCall(grpc.StatusCode.OK))
    with pytest.raises(SessionEndedError):
        await write(call, reactor_pb2.AttachRequest(heartbeat=reactor_pb2.Heartbeat()))


@pytest.mark.parametrize("code", [grpc.StatusCode.OK, grpc.StatusCode.UNAVAILABLE])
async def test_reading_from_it_says_why_without_foreign_words(code: grpc.StatusCode) -> None:
    with pytest.raises(SessionEndedError) as ended:
        await read(cast("Call", EndedCall(code)))
    assert "foreign" not in f"{ended.value.message}{ended.value.fix}"
    assert (code.name in ended.value.message) == (code is not grpc.StatusCode.OK)


async def test_what_does_not_parse_ends_the_session() -> None:
    """grpc.aio gives None for it, while the stream goes on and its status is never told."""

    class Garbled(EndedCall):
        async def read(self) -> object:
            return None

        async def code(self) -> grpc.StatusCode:
            raise AssertionError("nobody would answer")

    with pytest.raises(SessionEndedError, match="does not parse"):
        await read(cast("Call", Garbled(grpc.StatusCode.OK)))


def refused_with(metadata: list[tuple[str, str | bytes]]) -> EndedCall:
    """A stream that m8 ended with PERMISSION_DENIED and this metadata."""
    call = EndedCall(grpc.StatusCode.PERMISSION_DENIED)
    call.metadata = metadata
    return call


async def test_a_refused_fingerprint_key_is_logged_with_both_ids_and_what_to_do() -> None:
    error = LoginRefusedError(
        "foreign text",
        refusal=views_pb2.LOGIN_REFUSAL_FINGERPRINT_KEY,
        allowed=["0123456789abcdef"],
        fix="foreign text",
    )
    with pytest.raises(StatusError) as ended:
        await read(cast("Call", refused_with(list(status_of(error).trailing_metadata))))
    said = explained(
        ended.value.status,
        ended.value.refusal,
        server="m8.test:7443",
        identity=Identity(bytes(32), store="vault"),
        kind="vault",
        key_id="f" * 16,
    )
    assert "0123456789abcdef" in said["message"]
    assert "f" * 16 in said["message"]
    assert "m8 reactor fingerprint-key import" in said["fix"]
    assert "foreign" not in str(said)


@pytest.mark.parametrize("details", [b"", b"\xff\xff\xff", b"\x08\x07"])
async def test_an_m8_that_gives_no_reason_gets_the_general_sentence(details: bytes) -> None:
    """An older m8, or one whose words do not parse."""
    with pytest.raises(StatusError) as ended:
        await read(cast("Call", refused_with([("grpc-status-details-bin", details)])))
    assert ended.value.refusal is None


class ScriptedCall:
    """A stream on which the test speaks for m8."""

    def __init__(self) -> None:
        self.said: asyncio.Queue[reactor_pb2.AttachResponse] = asyncio.Queue()

    async def read(self) -> reactor_pb2.AttachResponse:
        return await self.said.get()

    async def write(self, message: object) -> None:
        del message

    def deliver(self, position: int) -> None:
        record = event_pb2.Event(position=position).SerializeToString()
        self.said.put_nowait(reactor_pb2.AttachResponse(delivery=reactor_pb2.Delivery(record=record)))


class Notes:
    """What was delivered to a listener, in order."""

    def __init__(self) -> None:
        self.delivered: list[object] = []

    def attached(self, replicas: list[bytes]) -> None:
        del replicas

    def event(self, event: event_pb2.Event, sealed: bytes) -> None:
        del sealed
        self.delivered.append(event.position)

    def caught_up(self) -> None:
        self.delivered.append("caught up")

    async def until(self, *delivered: object) -> None:
        async with asyncio.timeout(10):
            while self.delivered[: len(delivered)] != list(delivered):
                await asyncio.sleep(0)


@asynccontextmanager
async def a_session(*, caught_up_follows: bool) -> AsyncIterator[tuple[ScriptedCall, Notes]]:
    """A session at whose login the log had position 5, in which any pause is long enough."""
    call, notes = ScriptedCall(), Notes()
    attachment = Attachment(
        cast("Call", call),
        reactor_pb2.Attached(position=5, caught_up_follows=caught_up_follows, heartbeat_s=60),
        Appends(retry_s=1.0),
        notes,
        timings=Timings(quiet=0.0),
        stop=asyncio.Event(),
    )
    running = asyncio.create_task(attachment.run())
    try:
        yield call, notes
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_only_caught_up_ends_the_unfinished_requests_when_m8_sends_it() -> None:
    async with a_session(caught_up_follows=True) as (call, notes):
        call.deliver(1)
        await notes.until(1)
        call.deliver(4)
        await notes.until(1, 4)
        call.deliver(2)
        await notes.until(1, 4, 2)
        call.said.put_nowait(reactor_pb2.AttachResponse(caught_up=reactor_pb2.CaughtUp()))
        call.deliver(6)
        await notes.until(1, 4, 2, "caught up", 6)


async def test_the_end_of_no_unfinished_request_at_all_is_named_too() -> None:
    async with a_session(caught_up_follows=True) as (call, notes):
        call.said.put_nowait(reactor_pb2.AttachResponse(caught_up=reactor_pb2.CaughtUp()))
        await notes.until("caught up")


async def test_of_an_older_m8_a_pause_or_a_later_event_tells() -> None:
    async with a_session(caught_up_follows=False) as (call, notes):
        await notes.until("caught up")
        call.deliver(1)
        await notes.until("caught up", 1)
