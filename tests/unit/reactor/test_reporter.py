"""Receipts and appends on their way to m8, and requests as m8's events tell them."""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import replace
from pathlib import Path

import pytest
from google.protobuf.message import Message

from monoskope.api.eventsourcing.v1 import event_pb2
from monoskope.api.gateway.v1 import reactor_pb2
from monoskope.api.secrets.v1 import events_pb2, upload_pb2
from monoskope.protocol.events import ReactorEvent, request_id_of
from monoskope.protocol.grant import Grant
from monoskope.protocol.outcomes import State
from monoskope.protocol.request import Request
from monoskope.reactor.admission import Admission
from monoskope.reactor.grant import Granter
from monoskope.reactor.health import NO_AUDIT
from monoskope.reactor.link.appends import AppendRefusedError, Appends
from monoskope.reactor.link.open_requests import OpenRequest, OpenRequests
from monoskope.reactor.reasons import Failure
from monoskope.reactor.report.audit_log import AuditFile
from monoskope.reactor.work.lookup import failed
from tests.support.reactor_requests import ask, opened
from tests.support.reactor_world import PATIENCE_S, World

ID = bytes(range(16))

LOST = Failure(upload_pb2.REASON_KEY_LOST)


def grant(world: World) -> Grant:
    return world.keys.grant(ask(), "alice").grant


async def test_a_stream_that_moved_on_without_ending_is_tried_where_it_now_is(world: World) -> None:
    made = grant(world)
    request_id = made.request.request_id
    world.requests._open[request_id] = OpenRequest(request_id, version=4, state=State.UPLOADING)
    world.log.refusals.append("CONFLICT")
    assert await world.reporter.end(made, failed(made, b"", LOST, replica=bytes(16)), 3)
    assert world.log.expected == [3, 4]
    assert world.requests.get(request_id) is None


async def test_a_key_is_not_called_lost_once_writing_has_begun(world: World) -> None:
    made = grant(world)
    request_id = made.request.request_id
    world.requests._open[request_id] = OpenRequest(request_id, version=4, state=State.WRITING)
    world.log.refusals.append("CONFLICT")
    assert not await world.reporter.end(made, failed(made, b"", LOST, replica=bytes(16)), 3)
    assert (world.log.expected, world.log.events) == ([3], [])
    assert world.requests.get(request_id) is not None


async def test_a_refusal_that_overtakes_the_event_it_is_about_loses_no_receipt(world: World) -> None:
    made = grant(world)
    request_id = made.request.request_id
    stream = f"upload/{request_id.hex()}"
    world.requests.apply(event(ASKED, 1, stream=stream), b"", now=1.0)
    world.requests.apply(event(SENT, 3, stream=stream), b"", now=1.0)
    world.log.refusals.append("CONFLICT")
    receipt = failed(made, bytes(32), Failure(upload_pb2.REASON_CONFLICT), replica=bytes(16))
    ending = asyncio.create_task(world.reporter.end(made, receipt, 3))
    while not world.log.expected:
        await asyncio.sleep(0)
    world.requests.apply(event(events_pb2.SecretUploadStarted(), 4, stream=stream), b"", now=1.0)
    assert await ending
    assert world.log.expected == [3, 4]


async def test_a_receipt_is_not_kept_for_a_stream_that_ends_meanwhile(world: World) -> None:
    made = grant(world)
    request_id = made.request.request_id
    world.requests._open[request_id] = OpenRequest(request_id, version=3, state=State.UPLOADING)
    world.log.refusals.append("CONFLICT")
    ending = asyncio.create_task(world.reporter.end(made, failed(made, b"", LOST, replica=bytes(16)), 3))
    while not world.log.expected:
        await asyncio.sleep(0)
    world.requests.keep_only(set())
    assert not await ending


async def test_a_stream_that_ended_or_a_refusal_for_good_is_left_alone(world: World) -> None:
    made = grant(world)
    receipt = failed(made, b"", LOST, replica=bytes(16))
    world.log.refusals.append("CONFLICT")
    assert not await world.reporter.end(made, receipt, 3)
    world.requests._open[made.request.request_id] = OpenRequest(made.request.request_id, version=9)
    world.log.refusals.append("REFUSED")
    assert not await world.reporter.end(made, receipt, 3)
    world.log.refusals.append("CONFLICT")
    assert not await replace(world.reporter, patience=0.0).end(made, receipt, 9)


async def test_a_grant_that_m8_refuses_takes_its_key_with_it(world: World) -> None:
    granter = Granter(_Everything(), world.keys, world.looks, world.log, world.audit)
    world.log.refusals.append("REFUSED")
    request = ask()
    assert not await granter.grant(opened(request))
    assert world.keys.granted(request.request_id) is None
    assert not await granter.grant(opened(request))
    assert [entry.outcome for entry in world.audit.entries] == ["GRANTED", "FAILED"]


async def test_without_an_audit_log_there_is_no_key_and_who_asked_is_told(tmp_path: Path) -> None:
    world, audit = World(), AuditFile(tmp_path / "audit.jsonl")
    audit.close()
    request = ask()
    assert not await Granter(_Everything(), world.keys, world.looks, world.log, audit).grant(opened(request))
    assert world.keys.granted(request.request_id) is None
    [event] = world.log.events
    assert isinstance(event, events_pb2.SecretUploadFailed)
    assert (event.reason, event.detail) == (upload_pb2.REASON_NO_REACTOR, NO_AUDIT)


class _Everything(Admission):
    """Admits everything."""

    def __init__(self) -> None:
        pass

    def admit(self, request: Request, subject: str) -> None:
        del request


def event(message: Message, version: int, *, stream: str = f"upload/{ID.hex()}") -> event_pb2.Event:
    return event_pb2.Event(
        stream=stream, version=version, type=type(message).__name__, data=message.SerializeToString()
    )


ASKED = events_pb2.SecretUploadKeyRequested(request=b"r", subject="alice")
SENT = events_pb2.SecretUploadRequested(sealed_sha256=bytes(32), size=3)


def asked_for() -> OpenRequests:
    """The open requests, of which one has begun."""
    requests = OpenRequests()
    requests.apply(event(ASKED, 1), b"", now=1.0)
    return requests


def test_an_event_told_twice_changes_nothing_and_sealed_bytes_are_taken_once() -> None:
    requests = OpenRequests()
    for _ in range(2):
        assert requests.apply(event(ASKED, 1), b"", now=1.0) is not None
    assert requests.apply(event(SENT, 3), b"abc", now=2.0) is not None
    again = requests.apply(event(ASKED, 1), b"", now=3.0)
    assert again is not None
    assert (again.state, again.version) == (State.UPLOADING, 3)
    assert (again.take_sealed(), again.take_sealed()) == (b"abc", b"")


UNREADABLE = upload_pb2.Signed(content=b"of a version that is newer than this one")


@pytest.mark.parametrize(
    "end",
    [
        events_pb2.SecretUploadFailed(reason=upload_pb2.REASON_EXPIRED),
        events_pb2.SecretUploaded(receipt=UNREADABLE),
        events_pb2.SecretCompared(),
    ],
)
def test_ended_requests_are_forgotten(end: Message) -> None:
    requests = asked_for()
    requests.apply(event(SENT, 3), b"", now=1.0)
    ended = requests.apply(event(end, 4), b"", now=1.0)
    assert ended is not None
    assert ended.state is State.ENDED
    assert len(requests) == 0


def test_the_end_of_a_request_whose_beginning_was_not_told_is_taken_in() -> None:
    requests = OpenRequests()
    ended = requests.apply(event(events_pb2.SecretUploaded(receipt=UNREADABLE), 5), b"", now=1.0)
    assert ended is not None
    assert (ended.state, ended.news()) == (State.ENDED, [UNREADABLE])
    assert len(requests) == 0


@pytest.mark.parametrize(
    "message",
    [events_pb2.SecretUploadStarted(), SENT, event_pb2.Event(type="SomethingNew")],
    ids=["early", "sent", "new"],
)
async def test_what_cannot_follow_or_is_not_known_counts_and_changes_nothing_else(message: Message) -> None:
    requests = asked_for()
    waiting = asyncio.create_task(requests.moved(ID, 1, within=PATIENCE_S))
    await asyncio.sleep(0)
    delivered = (
        event(message, 2)
        if not isinstance(message, event_pb2.Event)
        else event_pb2.Event(stream=f"upload/{ID.hex()}", version=2, type=message.type)
    )
    assert requests.apply(delivered, b"abc", now=2.0) is None
    known = await waiting
    assert known is not None
    assert (known.version, known.state, known.sealed, known.started) == (2, State.REQUESTED, b"", None)


def test_a_request_begins_with_its_first_event_alone() -> None:
    requests = OpenRequests()
    for version in (0, 2):
        assert requests.apply(event(ASKED, version), b"", now=1.0) is None
    assert requests.apply(event(SENT, 3), b"abc", now=1.0) is None
    assert len(requests) == 0


def test_an_event_of_our_own_that_cannot_follow_counts_alone() -> None:
    requests = asked_for()
    requests.appended(ID, 2, events_pb2.SecretUploadStarted(), now=1.0)
    known = requests.get(ID)
    assert known is not None
    assert (known.version, known.state, known.started) == (2, State.REQUESTED, None)


def test_requests_that_are_not_told_again_have_ended() -> None:
    requests = asked_for()
    assert requests.keep_only({ID}) == []
    assert [request.request_id for request in requests.keep_only(set())] == [ID]
    assert list(requests) == []


def test_what_is_no_event_of_an_upload_is_passed_over() -> None:
    requests = OpenRequests()
    shorter, upper = "upload/" + secrets.token_hex(15), f"upload/{ID.hex().upper()}"
    for stream in ("reactor/memory", "upload/", "upload/zz", shorter, upper, ID.hex(), "secret-stores"):
        assert request_id_of(stream) is None
        assert requests.apply(event(ASKED, 1, stream=stream), b"", now=1.0) is None
    unknown = event_pb2.Event(stream=f"upload/{ID.hex()}", version=1, type="SomethingNew")
    broken = event_pb2.Event(stream=f"upload/{ID.hex()}", version=1, type="SecretUploaded", data=b"\xff")
    assert requests.apply(unknown, b"", now=1.0) is None
    assert requests.apply(broken, b"", now=1.0) is None


def test_sealed_bytes_and_requests_are_not_shown() -> None:
    request = OpenRequest(ID, request=b"who asks for what", sealed=b"sealed bytes")
    assert "who asks" not in repr(request)
    assert "sealed bytes" not in repr(request)


FAILED = events_pb2.SecretUploadFailed(reason=upload_pb2.REASON_CONFLICT)


class Wire:
    """What was sent."""

    def __init__(self) -> None:
        self.sent: list[reactor_pb2.AppendEvent] = []

    def __call__(self, request: reactor_pb2.AttachRequest) -> None:
        self.sent.append(request.append)


async def begun(appends: Appends, event: ReactorEvent = FAILED) -> asyncio.Task[int]:
    task = asyncio.create_task(appends.append(ID, 2, event))
    await asyncio.sleep(0)
    return task


@pytest.mark.parametrize(
    "event",
    [
        events_pb2.SecretUploadKeyProvided(),
        events_pb2.SecretUploadStarted(),
        events_pb2.SecretUploaded(),
        events_pb2.SecretCompared(),
        FAILED,
    ],
)
async def test_an_answer_settles_its_own_call(event: ReactorEvent) -> None:
    appends, wire = Appends(retry_s=0), Wire()
    appends.connected(wire)
    first, second = await begun(appends, event), await begun(appends)
    one, two = wire.sent
    assert (one.request_id, one.expected_version) == (ID, 2)
    assert one.call != two.call
    appends.answered(reactor_pb2.Appended(call=two.call, error="CONFLICT"))
    appends.answered(reactor_pb2.Appended(call=one.call, version=3))
    appends.answered(reactor_pb2.Appended(call=999, version=3))
    assert await first == 3
    with pytest.raises(AppendRefusedError) as refused:
        await second
    assert (refused.value.reason, len(appends)) == ("CONFLICT", 0)


async def test_without_a_connection_it_waits_for_one() -> None:
    appends, wire = Appends(retry_s=0), Wire()
    task = await begun(appends)
    appends.connected(wire)
    appends.disconnected()
    appends.connected(wire)
    assert [message.call for message in wire.sent] == [1, 1]
    appends.answered(reactor_pb2.Appended(call=1, version=3))
    assert await task == 3


async def test_a_delivery_of_the_same_event_settles_it() -> None:
    appends = Appends(retry_s=0)
    task = await begun(appends)
    appends.delivered(event(FAILED, 2))
    appends.delivered(event(FAILED, 3, stream=f"upload/{bytes(16).hex()}"))
    assert not task.done()
    appends.delivered(event(FAILED, 3))
    appends.answered(reactor_pb2.Appended(call=1, error="CONFLICT"))
    assert await task == 3


@pytest.mark.parametrize(
    "other", [events_pb2.SecretUploadFailed(reason=upload_pb2.REASON_EXPIRED), events_pb2.SecretUploaded()]
)
async def test_a_delivery_of_another_event_in_its_place_refuses_it(other: ReactorEvent) -> None:
    appends = Appends(retry_s=0)
    task = await begun(appends)
    appends.delivered(event(other, 3))
    with pytest.raises(AppendRefusedError):
        await task


async def test_an_append_refused_for_now_is_sent_again() -> None:
    appends, wire = Appends(retry_s=0), Wire()
    appends.connected(wire)
    task = await begun(appends)
    for code in ("UNAVAILABLE", "TIMED_OUT", "INTERNAL"):
        appends.answered(reactor_pb2.Appended(call=1, error=code))
        while len(wire.sent) < 2:
            await asyncio.sleep(0)
        wire.sent.clear()
        wire.sent.append(reactor_pb2.AppendEvent())
    appends.answered(reactor_pb2.Appended(call=1, version=3))
    assert await task == 3


async def test_an_m8_that_refuses_one_append_a_thousand_times_gets_it_once_more() -> None:
    """Else each of its answers would be kept as a message to send."""
    appends, wire = Appends(retry_s=0), Wire()
    appends.connected(wire)
    task = await begun(appends)
    for _ in range(1_000):
        appends.answered(reactor_pb2.Appended(call=1, error="UNAVAILABLE"))
    while len(wire.sent) < 2:
        await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert len(wire.sent) == 2
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
