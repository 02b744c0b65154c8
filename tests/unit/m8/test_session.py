"""What an attached reactor is told, and what not."""

from __future__ import annotations

import pytest

from monoskope.api.gateway.v1 import reactor_pb2
from monoskope.api.secrets.v1 import events_pb2
from monoskope.m8.domain.events import token_stream, write
from tests.support.m8_world import World
from tests.support.vectors import Signer, a_request


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
    peer, reactor, user = await world.attached(), world.reactor(), world.user("anna", "vault://app")
    await reactor.open()
    await reactor.attach()
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
    reactor, user, request = world.reactor(), world.user("anna", "vault://app"), a_request()
    await reactor.open()
    await reactor.attach()
    await user.ask(request)
    _, grant = await reactor.give_key()
    await reactor.leave()

    back = world.reactor(replica=reactor.replica)
    await back.open()
    await back.attach()

    delivered = await back.next("SecretUploadKeyProvided")
    provided = events_pb2.SecretUploadKeyProvided.FromString(delivered.event.data)
    assert provided.grant.content == grant.content
    again = await back.append(request.request_id, 1, provided)
    assert (again.error, again.version) == ("", 2)


@pytest.mark.parametrize("again", [reactor_pb2.AttachRequest(attach=reactor_pb2.AttachReactor()), None])
async def test_a_second_login_in_a_session_is_refused_before_it_is_checked(
    world: World, again: reactor_pb2.AttachRequest | None
) -> None:
    """It may be a megabyte of rotations: to check their rules would keep m8 from everybody else for seconds."""
    reactor = await world.attached()
    await reactor.call.write(again or reactor_pb2.AttachRequest())
    ended = await reactor.failure()
    assert ended.code == "unavailable"
    assert "attached already" in ended.message
