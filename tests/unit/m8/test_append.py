"""What a reactor appends over the wire: its own store's requests and five events, each once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from monoskope.api.gateway.v1 import reactor_pb2
from monoskope.api.secrets.v1 import events_pb2, upload_pb2
from monoskope.errors import UnavailableError
from monoskope.m8.domain.reactors import Login
from monoskope.m8.log.event_log import RecordedEvent
from monoskope.m8.service.server_limits import ServerLimits
from monoskope.m8.service.session import ServerSession
from tests.support.m8_world import Sealed, World, a_world, until_granted
from tests.support.vectors import KEY_ID, Signer, a_request

OTHER_KEY = "0123456789abcdef"


async def test_the_same_event_appended_again_is_not_recorded_twice(world: World) -> None:
    user, reactor = world.user("anna", "vault://app"), await world.attached()
    grant = await until_granted(user, reactor)
    head = await world.app.log.head()
    again = await reactor.append(grant.request.request_id, 1, reactor.provided(grant))
    assert (again.error, again.version) == ("", 2)
    assert await world.app.log.head() == head


async def test_what_a_broken_session_records_while_it_is_appended_again_is_recorded_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    user, reactor = world.user("anna", "vault://app"), await world.attached()
    request = a_request()
    await user.ask(request)
    append = world.app.log.append

    async def late(*event: Any, **rest: Any) -> Any:
        await append(*event, **rest)
        return await append(*event, **rest)

    grant = reactor.grant_for(request, "anna")
    monkeypatch.setattr(world.app.log, "append", late)
    answer = await reactor.append(request.request_id, 1, reactor.provided(grant))
    assert (answer.error, answer.version) == ("", 2)
    assert len(await world.app.log.read_stream(f"upload/{request.request_id.hex()}")) == 2


async def test_what_an_append_is_decided_on_is_read_at_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Over a network each read costs a trip, and a put has three of these appends."""
    user, reactor = world.user("anna", "vault://app"), await world.attached()
    request = a_request()
    await user.ask(request)
    read, asked = world.app.log.read_streams, []

    async def reading(after: Mapping[str, int]) -> dict[str, list[RecordedEvent]]:
        asked.append(set(after))
        return await read(after)

    monkeypatch.setattr(world.app.log, "read_streams", reading)
    answer = await reactor.append(request.request_id, 1, reactor.provided(reactor.grant_for(request, "anna")))
    assert (answer.error, answer.version) == ("", 2)
    assert asked == [{f"upload/{request.request_id.hex()}", "secret-stores", "fingerprint-key"}]


async def test_of_two_replicas_one_gives_the_key(world: World) -> None:
    user, first, second = world.user("anna", "vault://app"), await world.attached(), await world.attached()
    request = a_request()
    await user.ask(request)
    answers = await asyncio.gather(
        *(
            reactor.append(request.request_id, 1, reactor.provided(reactor.grant_for(request, "anna")))
            for reactor in (first, second)
        )
    )
    assert sorted(answer.error for answer in answers) == ["", "CONFLICT"]
    assert sorted(answer.version for answer in answers) == [0, 2]


async def test_a_grant_for_another_replica_is_refused(world: World) -> None:
    user, reactor, peer = world.user("anna", "vault://app"), await world.attached(), await world.attached()
    request = a_request()
    await user.ask(request)
    grant = peer.grant_for(request, "anna")
    answer = await reactor.append(request.request_id, 1, peer.provided(grant))
    assert (answer.error, answer.version) == ("IDENTITY_CHANGED", 0)


async def test_another_stores_request_is_unknown_and_never_told(world: World) -> None:
    user, other = world.user("anna", "vault://app"), Signer()
    await world.administrator().create("local", other.shown)
    own = await world.attached()
    foreign = world.reactor(other, store="local")
    await foreign.attach()
    request = a_request()
    await user.ask(request)
    _, grant = await own.give_key()
    answer = await foreign.append(request.request_id, 1, foreign.provided(foreign.grant_for(request, "anna")))
    assert answer.error == "NOT_FOUND"
    await asyncio.gather(user.send(request.request_id, Sealed()), own.write(grant))
    assert foreign.delivered.empty()


async def test_receipts_with_wrong_digests_or_key_ids_are_refused(world: World) -> None:
    user, reactor = world.user("anna", "vault://app"), await world.attached()
    grant = await until_granted(user, reactor)
    request_id, sealed = grant.request.request_id, Sealed()
    sending = asyncio.create_task(user.send(request_id, sealed))
    await reactor.next("SecretUploadRequested")
    other_grant = reactor.grant_for(grant.request, "anna")
    for lie, code in (
        (reactor.started(grant, b"x" * 32), "IDENTITY_CHANGED"),
        (reactor.started(other_grant, sealed.sha256), "IDENTITY_CHANGED"),
        (reactor.uploaded(grant, sealed.sha256), "CONFLICT"),
    ):
        assert (await reactor.append(request_id, 3, lie)).error == code
    assert (await reactor.append(request_id, 3, reactor.started(grant, sealed.sha256))).version == 4
    foreign = reactor.uploaded(grant, sealed.sha256, key_id=OTHER_KEY)
    assert (await reactor.append(request_id, 4, foreign)).error == "REFUSED"
    unsigned = events_pb2.SecretUploadFailed(reason=upload_pb2.REASON_KEY_LOST)
    assert (await reactor.append(request_id, 4, unsigned)).error == "USAGE"
    assert (await reactor.append(request_id, 4, reactor.uploaded(grant, sealed.sha256, key_id=KEY_ID))).version == 5
    assert (await sending).outcome == upload_pb2.OUTCOME_UPLOADED


async def test_a_peer_cannot_write_but_may_say_how_a_write_ended(world: World) -> None:
    user, issuer, peer = world.user("anna", "vault://app"), await world.attached(), await world.attached()
    grant = await until_granted(user, issuer)
    request_id, sealed = grant.request.request_id, Sealed()
    sending = asyncio.create_task(user.send(request_id, sealed))
    await peer.next("SecretUploadRequested")
    assert (await peer.append(request_id, 3, peer.started(grant, sealed.sha256))).error == "CONFLICT"
    await issuer.append(request_id, 3, issuer.started(grant, sealed.sha256))
    await issuer.leave()
    lost = peer.failed(grant, sealed.sha256, upload_pb2.REASON_OUTCOME_UNKNOWN)
    assert (await peer.append(request_id, 4, lost)).error == ""
    assert (await sending).reason == upload_pb2.REASON_OUTCOME_UNKNOWN


async def test_an_heir_that_was_first_stops_a_slow_issuer(world: World) -> None:
    user, issuer, heir = world.user("anna", "vault://app"), await world.attached(), await world.attached()
    grant = await until_granted(user, issuer)
    request_id, sealed = grant.request.request_id, Sealed()
    sending = asyncio.create_task(user.send(request_id, sealed))
    await issuer.next("SecretUploadRequested")
    lost = heir.failed(grant, b"", upload_pb2.REASON_KEY_LOST)
    assert (await heir.append(request_id, 3, lost)).version == 4
    assert (await issuer.append(request_id, 3, issuer.started(grant, sealed.sha256))).error == "CONFLICT"
    assert (await sending).reason == upload_pb2.REASON_KEY_LOST


async def test_an_issuer_that_was_first_is_not_called_lost_by_a_slow_heir(world: World) -> None:
    user, issuer, heir = world.user("anna", "vault://app"), await world.attached(), await world.attached()
    grant = await until_granted(user, issuer)
    request_id, sealed = grant.request.request_id, Sealed()
    sending = asyncio.create_task(user.send(request_id, sealed))
    await issuer.next("SecretUploadRequested")
    assert (await issuer.append(request_id, 3, issuer.started(grant, sealed.sha256))).version == 4
    lost = heir.failed(grant, b"", upload_pb2.REASON_KEY_LOST)
    for version in (3, 4):
        assert (await heir.append(request_id, version, lost)).error == "CONFLICT"
    assert (await issuer.append(request_id, 4, issuer.uploaded(grant, sealed.sha256))).version == 5
    assert (await sending).outcome == upload_pb2.OUTCOME_UPLOADED


async def test_an_append_without_an_event_is_refused(world: World) -> None:
    reactor = await world.attached()
    answer: asyncio.Future[reactor_pb2.Appended] = asyncio.get_running_loop().create_future()
    reactor.answers[9] = answer
    append = reactor_pb2.AppendEvent(call=9, request_id=bytes(16))
    await reactor.call.write(reactor_pb2.AttachRequest(append=append))
    assert (await answer).error == "USAGE"


async def test_who_attaches_later_is_told_the_unfinished_requests_first(world: World) -> None:
    user, first = world.user("anna", "vault://app"), await world.attached()
    done, open_ = await until_granted(user, first), await until_granted(user, first)
    await asyncio.gather(user.send(done.request.request_id, Sealed()), first.write(done))
    second = world.reactor()
    attached = await second.attach()
    delivered = [await second.delivered.get() for _ in range(2)]
    assert [event.event.type for event in delivered] == ["SecretUploadKeyRequested", "SecretUploadKeyProvided"]
    assert {event.event.stream for event in delivered} == {f"upload/{open_.request.request_id.hex()}"}
    assert all(event.event.position <= attached.position for event in delivered)
    await user.ask(a_request())
    assert (await second.delivered.get()).event.position > attached.position


async def test_a_reactor_is_told_where_the_unfinished_requests_end(world: World) -> None:
    user, first = world.user("anna", "vault://app"), await world.attached()
    await until_granted(user, first)
    second = world.reactor()
    await second.open()
    await second.call.write(reactor_pb2.AttachRequest(attach=second.login()))
    assert (await second._read()).HasField("attached")
    await user.ask(a_request())
    delivered = [(await second._read()).WhichOneof("message") for _ in range(4)]
    assert delivered == ["delivery", "delivery", "caught_up", "delivery"]


async def test_the_issuer_that_attaches_again_is_told_the_sealed_secret_again(world: World) -> None:
    user, reactor = world.user("anna", "vault://app"), await world.attached()
    grant = await until_granted(user, reactor)
    sealed = Sealed()
    sending = asyncio.create_task(user.send(grant.request.request_id, sealed))
    await reactor.next("SecretUploadRequested")
    await reactor.leave()
    again = world.reactor(replica=reactor.replica)
    await again.attach()
    await again.write(grant)
    assert (await sending).outcome == upload_pb2.OUTCOME_UPLOADED


@pytest.mark.usefixtures("engine")
async def test_a_reactor_that_does_not_read_is_cut_off_and_m8_keeps_nothing_for_it(tmp_path: Path) -> None:
    async with a_world(tmp_path, limits=ServerLimits(backlog=2)) as world:
        reading, user = await world.attached(), world.user("anna", "vault://app")
        stuck = asyncio.Event()

        async def send(response: reactor_pb2.AttachResponse) -> None:
            if response.HasField("delivery"):
                stuck.set()
                await asyncio.Event().wait()

        async def says_nothing() -> AsyncIterator[reactor_pb2.AttachRequest]:
            await asyncio.Event().wait()
            yield reactor_pb2.AttachRequest()

        session = ServerSession(world.app, Login("vault", b"s" * 16, world.signer.shown, KEY_ID), says_nothing(), send)
        serving = asyncio.create_task(session.serve())
        while not stuck.is_set():
            await user.ask(a_request())
            await reading.next("SecretUploadKeyRequested")
        for _ in range(3):
            await user.ask(a_request())
            await reading.next("SecretUploadKeyRequested")
        with pytest.raises(UnavailableError, match="as fast as"):
            await serving
