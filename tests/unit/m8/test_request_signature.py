"""m8 carries the signature of a request as it came: it looks at its size alone, and takes one for each request."""

from __future__ import annotations

import asyncio

import pytest

from monoskope.api.gateway.v1 import commands_pb2
from monoskope.api.secrets.v1 import events_pb2, upload_pb2
from monoskope.errors import AlreadyExistsError, UsageError
from monoskope.m8.domain.upload import Upload, evolve, request_upload
from monoskope.protocol.signed_request import MAX_SIGNATURE
from tests.support.m8_walk import CIPHERTEXT, ENCAPSULATED, Walk
from tests.support.m8_world import Delivered, Sealed, User, World, refused, until_granted

SIGNATURE = b"SSHSIG and so on"


def send(upload: Upload, signature: bytes) -> list[object]:
    return list(
        request_upload(
            upload,
            subject="anna",
            encapsulated_key=ENCAPSULATED,
            ciphertext=CIPHERTEXT,
            request_signature=signature,
            last_receipt=None,
        )
    )


def signed(signature: bytes) -> Upload:
    walk = Walk()
    event = walk.sent()
    event.request_signature = signature
    return evolve(walk.granted(), event)


@pytest.mark.parametrize("size", [0, 1, MAX_SIGNATURE])
def test_a_signature_is_recorded_as_it_came(size: int) -> None:
    (event,) = send(Walk().granted(), b"s" * size)
    assert isinstance(event, events_pb2.SecretUploadRequested)
    assert event.request_signature == b"s" * size


def test_a_signature_that_is_too_long_is_refused() -> None:
    with pytest.raises(UsageError, match="request_signature"):
        send(Walk().granted(), b"s" * (MAX_SIGNATURE + 1))


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


def message(request_id: bytes, sealed: Sealed, signature: bytes) -> commands_pb2.RequestUploadSecretRequest:
    return commands_pb2.RequestUploadSecretRequest(
        request_id=request_id,
        encapsulated_key=sealed.encapsulated_key,
        ciphertext=sealed.ciphertext,
        request_signature=signature,
    )


async def send_signed(user: User, request_id: bytes, sealed: Sealed, signature: bytes) -> None:
    await user.call(message(request_id, sealed, signature))


def signature_in(delivered: Delivered) -> bytes:
    return events_pb2.SecretUploadRequested.FromString(delivered.event.data).request_signature


async def test_the_reactor_gets_the_signature_that_the_user_sent(world: World) -> None:
    reactor = world.reactor()
    await reactor.attach()
    anna = world.user("anna", "vault://app")
    grant = await until_granted(anna, reactor)
    sealed, request_id = Sealed(), grant.request.request_id
    sending = asyncio.create_task(send_signed(anna, request_id, sealed, SIGNATURE))
    assert signature_in(await reactor.next("SecretUploadRequested")) == SIGNATURE
    with refused("ALREADY_EXISTS"):
        await send_signed(anna, request_id, sealed, b"another")
    with refused("ALREADY_EXISTS"):
        await send_signed(anna, request_id, sealed, b"")
    failed = reactor.failed(grant, sealed.sha256, upload_pb2.REASON_NOT_AUTHORIZED)
    answer = await reactor.append(request_id, 3, failed)
    assert answer.error == "", answer.message
    await sending
    await send_signed(anna, request_id, sealed, SIGNATURE)  # The same bytes again are answered with the end.


async def test_a_session_that_begins_later_gets_the_signature_too(world: World) -> None:
    """A reactor whose connection broke gets its unfinished requests again."""
    reactor = await world.attached()
    anna = world.user("anna", "vault://app")
    grant = await until_granted(anna, reactor)
    sending = asyncio.create_task(send_signed(anna, grant.request.request_id, Sealed(), SIGNATURE))
    await reactor.next("SecretUploadRequested")
    again = world.reactor(replica=reactor.replica)
    await again.attach()
    assert signature_in(await again.next("SecretUploadRequested")) == SIGNATURE
    sending.cancel()


async def test_signatures_count_against_the_quota_of_a_day(world: World) -> None:
    """They stay in the log for ever, as sealed bytes do."""
    reactor = await world.attached()
    anna = world.user("anna", "vault://app")
    grant = await until_granted(anna, reactor, purpose=upload_pb2.PURPOSE_IMPORT)
    before = (await world.app.documents.usage("anna", world.clock.now_ms)).size
    sending = asyncio.create_task(send_signed(anna, grant.request.request_id, Sealed(b"", b""), bytes(MAX_SIGNATURE)))
    await reactor.next("SecretUploadRequested")
    assert (await world.app.documents.usage("anna", world.clock.now_ms)).size > before + MAX_SIGNATURE
    sending.cancel()
