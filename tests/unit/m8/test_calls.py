"""What every call goes through: errors, limits, signatures of requests, and m8's own log."""

from __future__ import annotations

import asyncio
import gc
import io
import json
import weakref
from pathlib import Path
from typing import Any

import pytest

from monoskope.api.gateway.v1 import commands_pb2, queries_pb2, views_pb2
from monoskope.api.secrets.v1 import events_pb2, upload_pb2
from monoskope.errors import AlreadyExistsError, UnavailableError
from monoskope.m8 import calls
from monoskope.m8.calls import Arrival
from monoskope.m8.domain import appending
from monoskope.m8.domain.upload import Upload, evolve, request_upload
from monoskope.m8.log.event_log import EventLog
from monoskope.m8.service.feed import Follower
from monoskope.protocol.identity import MAX_SIGNATURE
from tests.support.fake_reactor import Delivered
from tests.support.log_lines import strangers
from tests.support.m8_user import PATIENCE_S, Sealed, User, refusal
from tests.support.m8_walk import CIPHERTEXT, ENCAPSULATED, Walk
from tests.support.m8_world import World, a_world, until_granted
from tests.support.vectors import Signer, a_request


async def test_a_defect_tells_nothing(world: World, lines: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(_self: EventLog, _collection: str, _key: str) -> bytes:
        raise LookupError("hunter2")

    monkeypatch.setattr(type(world.app.log), "get", broken)
    error = await refusal("INTERNAL", world.user("anna", "vault://app").secret("vault://app/db"))
    assert "hunter2" not in error.message
    assert "hunter2" not in lines.getvalue()
    assert "LookupError" in lines.getvalue()


class Mark:
    """What a call holds, such as a token."""


async def test_a_defect_leaves_nothing_of_its_call_in_a_cycle(world: World) -> None:
    """Nothing of m8 looks for garbage by the clock."""
    held = []

    async def work() -> None:
        mark, failed = Mark(), asyncio.get_running_loop().create_future()
        held.append(weakref.ref(mark))
        failed.set_exception(LookupError())
        await failed

    gc.disable()
    try:
        await calls.answered(world.app, Arrival("127.0.0.1:1"), "GetServer", work)
        assert [one() for one in held] == [None]
    finally:
        gc.enable()


async def test_a_call_is_one_line_without_its_token_or_content(world: World, lines: io.StringIO) -> None:
    user = world.user("anna", "vault://app")
    user.headers += (("x-request-id", "abc-1"),)
    await refusal("NOT_FOUND", user.secret("vault://app/db"))
    (line,) = [line for line in map(json.loads, lines.getvalue().splitlines()) if line.get("method") == "GetSecret"]
    assert (line["code"], line["subject"], line["uri"]) == ("NOT_FOUND", "anna", "vault://app/db")
    assert line["client_request_id"] == "abc-1"
    assert "Bearer" not in lines.getvalue()
    assert user.token not in lines.getvalue()


async def test_the_line_of_a_refused_reactor_names_the_store_it_asked_for(world: World, lines: io.StringIO) -> None:
    stranger, garbled = world.reactor(Signer()), world.reactor()
    await refusal("REFUSED", stranger.attach())
    await garbled.open()
    login = garbled.login()
    login.hello.content = b"\x12\x07../../x"
    await refusal("IDENTITY_CHANGED", garbled.attach(login))
    assert strangers(world.app, lines) == {"Attach REFUSED vault": 1, "Attach IDENTITY_CHANGED": 1}


async def test_waiting_forgets_nothing_and_leaves_nothing(world: World) -> None:
    """Many wait for one stream; all are woken by its event, also those that came just before it."""
    user, reactor = world.user("anna", "vault://app"), await world.attached()
    request_id = await user.ask(a_request())
    waiting = [asyncio.create_task(user.key(request_id)) for _ in range(20)]
    await reactor.give_key()
    answers = await asyncio.gather(*waiting)
    assert len({answer.grant.content for answer in answers}) == 1
    assert world.app.feed._waiting == {}


async def test_who_hangs_up_cancels_the_call(world: World, lines: io.StringIO) -> None:
    user, reactor = world.user("anna", "vault://app"), await world.attached()
    request_id = await user.ask(a_request())
    await reactor.next("SecretUploadKeyRequested")
    waiting = asyncio.ensure_future(user.key(request_id))
    async with asyncio.timeout(PATIENCE_S):
        while not world.app.feed._waiting:
            await asyncio.sleep(0)
        waiting.cancel()
        while not (ended := [line for line in _calls(lines) if line["code"] == "CANCELLED"]):
            await asyncio.sleep(0.005)
    assert (ended[0]["subject"], ended[0]["method"]) == ("anna", "GetSecretUploadKey")
    assert world.app.feed._waiting == {}


def _calls(lines: io.StringIO) -> list[dict[str, Any]]:
    return [line for line in map(json.loads, lines.getvalue().splitlines()) if line["event"] == "call"]


async def test_unknown_fields_are_dropped_before_anything_is_recorded(world: World) -> None:
    user = world.user("anna", "vault://app")
    assert (await user.call(queries_pb2.GetServerRequest.FromString(b"\x9a\x06\x03abc"))).subject == "anna"


async def test_a_follower_that_lies_too_far_behind_loses_its_queue_and_is_told_so(world: World) -> None:
    (event,) = await world.app.log.read(after=0, limit=1)
    noted, follower = event, Follower(lambda _: True, backlog=2)
    follower.take(noted)
    follower.take(noted)
    assert await follower.next() is noted
    follower.take(noted)
    follower.take(noted)
    for fails in (follower.next, follower.failure):
        with pytest.raises(UnavailableError, match="as fast as"):
            await fails()


async def test_a_server_that_stops_does_not_wait_for_those_who_wait(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world:
        user, reactor = world.user("anna", "vault://app"), await world.attached()
        request_id = await user.ask(a_request())
        waiting = asyncio.create_task(user.key(request_id))
        await reactor.next("SecretUploadKeyRequested")
        while not world.app.feed._waiting:
            await asyncio.sleep(0)
        world.app.feed.stop()
        assert (await waiting).state == views_pb2.UPLOAD_STATE_REQUESTED
        assert await reactor.call.code() == "unavailable"


async def test_a_defect_in_an_append_is_answered(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    reactor = await world.attached()

    async def broken(*_: object) -> int:
        raise LookupError("hunter2")

    monkeypatch.setattr(appending, "record_appended", broken)
    answer = await reactor.append(bytes(16), 0, events_pb2.SecretUploadFailed())
    assert (answer.error, answer.version) == ("INTERNAL", 0)
    assert "hunter2" not in answer.message


SIGNATURE = b"SSHSIG and so on"


def send(upload: Upload, signature: bytes) -> list[object]:
    sealed: dict[str, Any] = {"encapsulated_key": ENCAPSULATED, "ciphertext": CIPHERTEXT}
    return list(request_upload(upload, subject="anna", **sealed, request_signature=signature, last_receipt=None))


def signed(signature: bytes) -> Upload:
    walk = Walk()
    event = walk.sent()
    event.request_signature = signature
    return evolve(walk.granted(), event)


def test_a_signature_is_recorded_as_it_came() -> None:
    for size in (0, 1, MAX_SIGNATURE):
        (event,) = send(Walk().granted(), b"s" * size)
        assert isinstance(event, events_pb2.SecretUploadRequested)
        assert event.request_signature == b"s" * size


@pytest.mark.parametrize(
    ("first", "then"),
    [(SIGNATURE, b"another"), (SIGNATURE, b""), (b"", SIGNATURE)],
    ids=["another", "taken away", "added"],
)
def test_the_same_bytes_with_another_signature_are_refused(first: bytes, then: bytes) -> None:
    """Else m8 could be told by a thief of a token to replace a signature, and by a client to forget one."""
    assert send(signed(first), first) == []
    with pytest.raises(AlreadyExistsError):
        send(signed(first), then)


async def send_signed(user: User, request_id: bytes, sealed: Sealed, signature: bytes) -> None:
    message = commands_pb2.RequestUploadSecretRequest(
        request_id=request_id,
        encapsulated_key=sealed.encapsulated_key,
        ciphertext=sealed.ciphertext,
        request_signature=signature,
    )
    await user.call(message)


def signature_in(delivered: Delivered) -> bytes:
    return events_pb2.SecretUploadRequested.FromString(delivered.event.data).request_signature


async def test_the_reactor_gets_the_signature_that_the_user_sent(world: World) -> None:
    reactor, anna = await world.attached(), world.user("anna", "vault://app")
    grant = await until_granted(anna, reactor)
    sealed, request_id = Sealed(), grant.request.request_id
    sending = asyncio.create_task(send_signed(anna, request_id, sealed, SIGNATURE))
    assert signature_in(await reactor.next("SecretUploadRequested")) == SIGNATURE
    for other in (b"another", b""):
        await refusal("ALREADY_EXISTS", send_signed(anna, request_id, sealed, other))
    failed = reactor.failed(grant, sealed.sha256, upload_pb2.REASON_NOT_AUTHORIZED)
    answer = await reactor.append(request_id, 3, failed)
    assert answer.error == "", answer.message
    await sending
    await send_signed(anna, request_id, sealed, SIGNATURE)  # The same bytes again are answered with the end.


async def test_a_session_that_begins_later_gets_the_signature_too(world: World) -> None:
    """A reactor whose connection broke gets its unfinished requests again."""
    reactor, anna = await world.attached(), world.user("anna", "vault://app")
    grant = await until_granted(anna, reactor)
    sending = asyncio.create_task(send_signed(anna, grant.request.request_id, Sealed(), SIGNATURE))
    await reactor.next("SecretUploadRequested")
    again = world.reactor(replica=reactor.replica)
    await again.attach()
    assert signature_in(await again.next("SecretUploadRequested")) == SIGNATURE
    sending.cancel()


async def test_signatures_count_against_the_quota_of_a_day(world: World) -> None:
    """They stay in the log for ever, as sealed bytes do."""
    reactor, anna = await world.attached(), world.user("anna", "vault://app")
    grant = await until_granted(anna, reactor, purpose=upload_pb2.PURPOSE_IMPORT)
    before = (await world.app.documents.usage("anna", world.clock.now_ms)).size
    sending = asyncio.create_task(send_signed(anna, grant.request.request_id, Sealed(b"", b""), bytes(MAX_SIGNATURE)))
    await reactor.next("SecretUploadRequested")
    assert (await world.app.documents.usage("anna", world.clock.now_ms)).size > before + MAX_SIGNATURE
    sending.cancel()
