"""Two m8 processes on one database: what one of them remembers never decides, what is recorded does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from monoskope.api.gateway.v1 import commands_pb2, views_pb2
from monoskope.api.secrets.v1 import upload_pb2
from monoskope.errors import RefusedError, UnavailableError
from monoskope.m8.domain import upload
from monoskope.m8.domain.events import M8, write
from monoskope.m8.limits.settings import ServerLimits
from monoskope.m8.log.event_log import EventLog
from monoskope.m8.service import aggregates
from monoskope.m8.service.aggregates import Aggregates
from monoskope.protocol.events import RequestEvent, upload_stream
from tests.support.http_calls import CallError
from tests.support.m8_world import Sealed, User, World, a_second, a_world, refused, until_granted
from tests.support.vectors import a_request

NO_TICKS = ServerLimits(tick_s=3_600)
"""So that no timekeeper ends what a test looks at."""


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with a_world(tmp_path, limits=NO_TICKS) as world:
        yield world


async def test_a_store_deactivated_through_another_process_takes_nothing_more(world: World, tmp_path: Path) -> None:
    reactor = await world.attached()
    anna = world.user("anna", "vault://app")
    grant = await until_granted(anna, reactor)
    async with a_second(world, tmp_path) as address:
        await User(address, world.administrator().token).deactivate("vault")
        with refused("REFUSED"):
            await anna.send(grant.request.request_id, Sealed())
        with refused("REFUSED"):
            await anna.ask(a_request(request_id=b"n" * 16))


async def test_what_another_process_recorded_is_known_at_once(world: World, tmp_path: Path) -> None:
    reactor = await world.attached()
    anna = world.user("anna", "vault://app")
    grant = await until_granted(anna, reactor)
    sealed = Sealed()
    async with a_second(world, tmp_path) as address:
        there = asyncio.create_task(User(address, anna.token).send(grant.request.request_id, sealed))
        await reactor.next("SecretUploadRequested")
        with refused("ALREADY_EXISTS"):
            await anna.send(grant.request.request_id, Sealed())
        here = asyncio.create_task(anna.send(grant.request.request_id, sealed))
        answers = (
            await reactor.append(grant.request.request_id, 3, reactor.started(grant, sealed.sha256)),
            await reactor.append(grant.request.request_id, 4, reactor.uploaded(grant, sealed.sha256)),
        )
        assert [answer.error for answer in answers] == ["", ""]
        ends = await asyncio.gather(here, there)
    assert [end.state for end in ends] == [views_pb2.UPLOAD_STATE_ENDED] * 2
    assert ends[0].receipt == ends[1].receipt


async def test_the_signature_that_another_process_recorded_is_not_replaced(world: World, tmp_path: Path) -> None:
    reactor = await world.attached()
    anna = world.user("anna", "vault://app")
    grant = await until_granted(anna, reactor)
    sealed = Sealed()
    message = commands_pb2.RequestUploadSecretRequest(
        request_id=grant.request.request_id,
        encapsulated_key=sealed.encapsulated_key,
        ciphertext=sealed.ciphertext,
        request_signature=b"the first",
    )
    async with a_second(world, tmp_path) as address:
        other = User(address, anna.token)
        sending = asyncio.ensure_future(other.call(message))
        await reactor.next("SecretUploadRequested")
        message.request_signature = b"another"
        with refused("ALREADY_EXISTS"):
            await anna.call(message)
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)


async def test_of_two_sealed_secrets_sent_to_two_processes_one_is_recorded(world: World, tmp_path: Path) -> None:
    reactor = await world.attached()
    anna = world.user("anna", "vault://app")
    grant = await until_granted(anna, reactor)
    request_id = grant.request.request_id
    async with a_second(world, tmp_path) as address:
        sends = {asyncio.create_task(user.send(request_id, Sealed())) for user in (anna, User(address, anna.token))}
        done, waiting = await asyncio.wait(sends, return_when=asyncio.FIRST_COMPLETED)
        (lost,) = done
        error = lost.exception()
        assert isinstance(error, CallError)
        assert error.reason == "ALREADY_EXISTS"
        (won,) = waiting
        won.cancel()
        await asyncio.gather(won, return_exceptions=True)
    recorded = await world.app.log.read_stream(upload_stream(request_id))
    assert [event.type for event in recorded].count("SecretUploadRequested") == 1


async def begun(known: Aggregates, request_id: bytes) -> None:
    await known.change(
        upload_stream(request_id),
        lambda: known.upload(request_id),
        lambda new: upload.request_key(
            new, request=a_request(request_id=request_id), subject="anna", last_receipt=None
        ),
        actor="anna",
    )


async def ended(log: EventLog, request_id: bytes) -> None:
    """What another process does: m8's own end of a request."""
    known = await Aggregates(log).upload(request_id)
    events = [write(message) for message in upload.fail_by_m8(known, upload_pb2.REASON_NO_REACTOR)]
    await log.append(upload_stream(request_id), known.version, events, actor=M8)


async def test_a_decision_on_what_was_loaded_before_is_made_anew_if_somebody_was_faster(world: World) -> None:
    known = Aggregates(world.app.log)
    request_id = b"r" * 16
    await begun(known, request_id)
    loaded = await known.upload(request_id)
    await ended(world.app.log, request_id)
    decided = []

    def decide(value: upload.Upload) -> list[RequestEvent]:
        decided.append(value.state.name)
        if value.state is not loaded.state:
            raise RefusedError("it ended.")
        return upload.fail_by_m8(value, upload_pb2.REASON_NO_REACTOR)

    with pytest.raises(RefusedError):
        await known.change(upload_stream(request_id), lambda: known.upload(request_id), decide, actor=M8, loaded=loaded)
    assert decided == ["REQUESTED", "ENDED"]


async def test_requests_beyond_those_remembered_are_as_true(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aggregates, "KEPT_UPLOADS", 2)
    known = Aggregates(world.app.log)
    ids = [bytes([number]) * 16 for number in range(1, 6)]
    for request_id in ids:
        await begun(known, request_id)
    for request_id in ids[1:4]:
        await ended(world.app.log, request_id)
    states = [(await known.upload(request_id)).state.name for request_id in ids]
    assert states == ["REQUESTED", "ENDED", "ENDED", "ENDED", "REQUESTED"]


async def test_a_request_of_a_closed_log_is_not_answered_from_memory(tmp_path: Path) -> None:
    async with a_world(tmp_path, limits=NO_TICKS) as world:
        known = Aggregates(world.app.log)
        await begun(known, b"r" * 16)
        await known.upload(b"r" * 16)
        await world.app.log.close()
        with pytest.raises(UnavailableError):
            await known.upload(b"r" * 16)
