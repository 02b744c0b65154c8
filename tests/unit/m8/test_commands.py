"""What users are refused, and that what they may see is all they learn of."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from monoskope.api.gateway.v1 import commands_pb2, queries_pb2, views_pb2
from monoskope.api.secrets.v1 import events_pb2, upload_pb2
from monoskope.m8 import calls
from monoskope.m8.service import commands
from monoskope.protocol.receipt import parse_receipt
from tests.support.fake_reactor import FakeReactor
from tests.support.http_calls import CallError
from tests.support.m8_user import PATIENCE_S, Sealed, User, refusal
from tests.support.m8_world import World, sent, until_granted
from tests.support.vectors import Signer, a_request

PUT = frozenset({events_pb2.RIGHT_PUT})
COMPARE = frozenset({events_pb2.RIGHT_COMPARE})


async def test_outside_ones_prefixes_looks_like_nothing_is_there(world: World) -> None:
    await world.attached()
    user = world.user("anna", "vault://team-a", "nowhere://team-a")
    outside = await refusal("NOT_FOUND", user.ask(a_request(uri="vault://team-ab/db")))
    missing = await refusal("NOT_FOUND", user.ask(a_request(uri="nowhere://team-a/db")))
    assert outside.message.replace("vault://team-ab/db", "X") == missing.message.replace("nowhere://team-a/db", "X")


async def test_each_purpose_needs_its_right(world: World) -> None:
    await world.attached()
    await refusal("REFUSED", world.user("anna", "vault://app", rights=COMPARE).ask(a_request()), "put")
    user = world.user("anna", "vault://app", rights=PUT)
    await refusal("REFUSED", user.ask(a_request(purpose=upload_pb2.PURPOSE_COMPARE)), "compare")
    await refusal("REFUSED", world.administrator().ask(a_request()))


async def test_a_deactivated_store_takes_no_requests(world: World) -> None:
    await world.attached()
    await world.administrator().deactivate("vault")
    await refusal("REFUSED", world.user("anna", "vault://app").ask(a_request()), "deactivated")


async def test_without_a_reactor_nobody_waits(world: World) -> None:
    user = world.user("anna", "vault://app")
    never = await refusal("UNAVAILABLE", user.ask(a_request()), "none has ever attached")
    await (await world.attached()).half_close()
    gone = await refusal("UNAVAILABLE", user.ask(a_request()), "one was last heard now (2023-11-14T22:13:20Z)")
    # One that was there may come back by itself: clients wait for it.
    assert (never.retry_after_s, gone.retry_after_s) == (0, 1)


async def test_m8_answers_before_there_is_a_key_so_that_the_caller_knows_in_time(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commands, "KEY_WAIT_S", 0.01)
    reactor = await world.attached()
    user, request = world.user("anna", "vault://app"), a_request()
    assert (await user.ask_and_wait(request)).key.state == views_pb2.UPLOAD_STATE_REQUESTED
    _, grant = await reactor.give_key()
    assert (await user.key(request.request_id)).grant.content == grant.content


async def test_the_last_that_was_heard_of_a_reactor_is_its_last_heartbeat(world: World) -> None:
    user, reactor = world.user("anna", "vault://app"), await world.attached()
    world.clock.pass_s(100)
    await reactor.beat()
    async with asyncio.timeout(PATIENCE_S):
        while (await world.app.log.beats()).get(f"vault/{reactor.replica.hex()}") != world.clock.now_ms:
            await asyncio.sleep(0.01)
    await reactor.half_close()
    world.clock.pass_s(42)
    await refusal("UNAVAILABLE", user.ask(a_request()), "one was last heard 42s ago (2023-11-14T22:15:00Z)")


async def test_asking_again_has_the_same_answer_even_when_the_clock_jumped_or_the_reactor_is_gone(world: World) -> None:
    reactor = await world.attached()
    user, request = world.user("anna", "vault://app"), a_request()
    world.clock.pass_s(600)
    assert await user.ask(request) == request.request_id, "an attached reactor does not disappear"
    world.clock.pass_s(11)
    await reactor.leave()
    assert await user.ask(request) == request.request_id


async def test_who_waits_for_the_key_gets_what_the_query_answers(world: World, reactor: FakeReactor) -> None:
    user, request = world.user("anna", "vault://app"), a_request()
    asking = asyncio.create_task(user.ask_and_wait(request))
    request_id, grant = await reactor.give_key()
    answer = await asking
    assert (answer.request_id, answer.key.state) == (request_id, views_pb2.UPLOAD_STATE_GRANTED)
    assert answer.key.grant.content == grant.content
    assert answer.key == await user.key(request_id)
    assert (await user.ask_and_wait(request)).key == answer.key


@pytest.fixture
def soon_s(monkeypatch: pytest.MonkeyPatch) -> float:
    """A deadline of which m8 waits a moment, and keeps so much for the way back that the answer is in time."""
    monkeypatch.setattr(calls, "MARGIN_S", PATIENCE_S)
    return PATIENCE_S + 0.2


async def test_a_key_that_is_not_there_in_time_can_be_queried_later(world: World, soon_s: float) -> None:
    reactor = await world.attached()
    user, request = world.user("anna", "vault://app"), a_request()
    answer = await user.ask_and_wait(request, timeout_s=soon_s)
    assert answer.request_id == request.request_id
    assert answer.key.state == views_pb2.UPLOAD_STATE_REQUESTED
    assert not answer.key.HasField("grant")
    _, grant = await reactor.give_key()
    assert (await user.key(request.request_id)).grant.content == grant.content


async def test_who_waits_for_a_key_learns_why_there_is_none(world: World, reactor: FakeReactor) -> None:
    user, request = world.user("anna", "vault://app"), a_request()
    asking = asyncio.create_task(user.ask_and_wait(request))
    await reactor.next("SecretUploadKeyRequested")
    refusal = events_pb2.SecretUploadFailed(reason=upload_pb2.REASON_RATE_LIMITED, retry_after_s=7)
    await reactor.append(request.request_id, 1, refusal)
    answer = await asking
    assert answer.key.state == views_pb2.UPLOAD_STATE_ENDED
    assert (answer.key.reason, answer.key.retry_after_s) == (upload_pb2.REASON_RATE_LIMITED, 7)


async def test_who_does_not_ask_for_the_key_is_not_told_it(world: World, reactor: FakeReactor) -> None:
    user, request = world.user("anna", "vault://app"), a_request()
    await user.ask(request)
    await reactor.give_key()
    again = await user.call(commands_pb2.RequestSecretUploadKeyRequest(request=request.content))
    assert not again.HasField("key")


@pytest.mark.parametrize("ask", [User.ask, User.ask_and_wait])
async def test_anothers_request_id_is_taken_and_says_no_more(world: World, ask: Callable[..., Awaitable[Any]]) -> None:
    reactor = await world.attached()
    request = a_request(uri="vault://app/db")
    await world.user("anna", "vault://app").ask(request)
    await reactor.give_key()
    error = await refusal("ALREADY_EXISTS", ask(world.user("bob", "vault://app"), request))
    assert "anna" not in error.message


async def test_a_malformed_request_is_refused_naming_its_field(world: World) -> None:
    user, request = world.user("anna", "vault://app"), a_request()
    message = commands_pb2.RequestSecretUploadKeyRequest(request=request.content + b"\x9a\x06\x00")
    await refusal("USAGE", user.call(message), "UploadRequest")
    await refusal("USAGE", user.call(commands_pb2.RequestSecretUploadKeyRequest()), "request")


async def test_others_learn_nothing_of_a_request(world: World, reactor: FakeReactor) -> None:
    grant = await until_granted(world.user("anna", "vault://app"), reactor)
    request_id = grant.request.request_id
    colleague, stranger = world.user("bob", "vault://app"), world.user("eve", "vault://other")
    others = await refusal("NOT_FOUND", colleague.key(request_id))
    missing = await refusal("NOT_FOUND", colleague.key(os.urandom(16)))
    assert others.message == missing.message
    for user in (colleague, stranger):
        await refusal("NOT_FOUND", user.send(request_id, Sealed()))
    await refusal("NOT_FOUND", stranger.upload(request_id))
    await refusal("NOT_FOUND", stranger.events(request_id=request_id))


async def test_the_sealed_secret_is_taken_once_and_the_same_again_has_the_same_answer(world: World) -> None:
    user, reactor = world.user("anna", "vault://app"), await world.attached()
    grant = await until_granted(user, reactor)
    request_id, sealed = grant.request.request_id, Sealed()
    first, second, _ = await asyncio.gather(
        user.send(request_id, sealed), user.send(request_id, sealed), reactor.write(grant)
    )
    assert first == second
    assert await user.send(request_id, sealed) == first
    await refusal("ALREADY_EXISTS", user.send(request_id, Sealed()))
    events = (await user.events(request_id=request_id)).events
    assert len(events) == 5


async def test_a_right_that_was_lost_meanwhile_is_missed_at_the_second_step(world: World, reactor: FakeReactor) -> None:
    grant = await until_granted(world.user("anna", "vault://app"), reactor)
    await refusal("REFUSED", world.user("anna", "vault://app", rights=COMPARE).send(grant.request.request_id, Sealed()))
    await refusal("NOT_FOUND", world.user("anna", "vault://other").send(grant.request.request_id, Sealed()))


async def test_a_store_deactivated_meanwhile_takes_no_sealed_secret(world: World) -> None:
    user, reactor = world.user("anna", "vault://app"), await world.attached()
    grant = await until_granted(user, reactor)
    await world.administrator().deactivate("vault")
    (answer,) = await asyncio.gather(user.send(grant.request.request_id, Sealed()), return_exceptions=True)
    was_refused = isinstance(answer, CallError) and answer.reason == "REFUSED"
    # The timekeeper may have been faster.
    had_ended = isinstance(answer, views_pb2.SecretUpload) and answer.reason == upload_pb2.REASON_STORE_INACTIVE
    assert was_refused or had_ended
    assert (await user.upload(grant.request.request_id)).sealed_sha256 == b""


async def test_a_failure_reaches_whoever_waits(anna: User, reactor: FakeReactor) -> None:
    grant, sealed, sending = await sent(anna, reactor)
    failed = reactor.failed(grant, sealed.sha256, upload_pb2.REASON_UPSTREAM_CHANGED)
    await reactor.append(grant.request.request_id, 3, failed)
    upload = await sending
    assert upload.reason == upload_pb2.REASON_UPSTREAM_CHANGED
    assert parse_receipt(upload.receipt.content).reason == upload.reason


async def test_a_deadline_is_answered_with_where_the_request_stands(world: World, soon_s: float) -> None:
    user, reactor = world.user("anna", "vault://app"), await world.attached()
    request_id = await user.ask(a_request())
    key = await user.key(request_id, timeout_s=soon_s)
    assert key.state == views_pb2.UPLOAD_STATE_REQUESTED
    _, grant = await reactor.give_key()
    upload = await user.send(grant.request.request_id, Sealed(), timeout_s=soon_s)
    assert upload.state == views_pb2.UPLOAD_STATE_UPLOADING


async def test_an_administrator_manages_stores(administrator: User) -> None:
    await administrator.create("local", Signer().shown, kind="age", active=False)
    await refusal("ALREADY_EXISTS", administrator.create("local", Signer().shown))
    await refusal("NOT_FOUND", administrator.deactivate("nowhere"))
    assert (await administrator.store("")).name == "vault"
    await administrator.call(commands_pb2.SetDefaultSecretStoreRequest(name="local"))
    local = await administrator.store("")
    assert (local.name, local.type, local.active, local.is_default) == ("local", "age", False, True)


async def test_a_bad_store_name_is_refused_naming_field_and_rule(world: World) -> None:
    await refusal("USAGE", world.administrator().create("Not A Name", Signer().shown), "name", "a-z")


async def test_a_caller_is_told_who_it_is_and_what_it_may_do(world: World) -> None:
    user: User = world.user("anna", "vault://app", rights=PUT)
    server = await user.call(queries_pb2.GetServerRequest())
    assert (server.version, server.subject, list(server.prefixes)) == ("0.1.0", "anna", ["vault://app"])
    assert list(server.rights) == [events_pb2.RIGHT_PUT]
