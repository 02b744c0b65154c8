"""Appends: sent until answered, and settled by what is delivered when the answer was lost."""

from __future__ import annotations

import asyncio
import secrets

import pytest

from monoskope.api.eventsourcing.v1 import event_pb2
from monoskope.api.gateway.v1 import reactor_pb2
from monoskope.api.secrets.v1 import events_pb2, upload_pb2
from monoskope.protocol.events import ReactorEvent
from monoskope.reactor.link.appends import AppendRefusedError, Appends

ID = secrets.token_bytes(16)
FAILED = events_pb2.SecretUploadFailed(reason=upload_pb2.REASON_CONFLICT)


class Wire:
    """What was sent."""

    def __init__(self) -> None:
        self.sent: list[reactor_pb2.AppendEvent] = []

    def __call__(self, request: reactor_pb2.AttachRequest) -> None:
        self.sent.append(request.append)


def recorded(event: ReactorEvent, *, version: int = 3, request_id: bytes = ID) -> event_pb2.Event:
    return event_pb2.Event(
        stream=f"upload/{request_id.hex()}", version=version, type=type(event).__name__, data=event.SerializeToString()
    )


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
    assert refused.value.reason == "CONFLICT"
    assert len(appends) == 0


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
    appends.delivered(recorded(FAILED, version=2))
    appends.delivered(recorded(FAILED, request_id=bytes(16)))
    assert not task.done()
    appends.delivered(recorded(FAILED))
    appends.answered(reactor_pb2.Appended(call=1, error="CONFLICT"))
    assert await task == 3


@pytest.mark.parametrize(
    "other", [events_pb2.SecretUploadFailed(reason=upload_pb2.REASON_EXPIRED), events_pb2.SecretUploaded()]
)
async def test_a_delivery_of_another_event_in_its_place_refuses_it(other: ReactorEvent) -> None:
    appends = Appends(retry_s=0)
    task = await begun(appends)
    appends.delivered(recorded(other))
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
