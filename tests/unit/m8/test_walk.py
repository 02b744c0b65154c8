"""A secret's way through m8, on the wire, as its user and its reactor see it."""

from __future__ import annotations

import asyncio

from monoskope.api.gateway.v1 import views_pb2
from monoskope.api.secrets.v1 import events_pb2, upload_pb2
from monoskope.protocol.receipt import parse_receipt
from tests.support.m8_world import Sealed, World, content, fingerprint, until_granted
from tests.support.vectors import a_request


async def test_a_secret_goes_from_the_user_to_the_reactor_and_back_as_a_receipt(world: World) -> None:
    user, reactor = world.user("anna", "vault://app"), await world.attached()
    request = a_request(uri="vault://app/db")
    request_id = await user.ask(request)
    assert request_id == request.request_id
    _, grant = await reactor.give_key()

    key = await user.key(request_id)
    assert key.state == views_pb2.UPLOAD_STATE_GRANTED
    assert key.grant.content == grant.content

    sealed = Sealed()
    upload, _ = await asyncio.gather(user.send(request_id, sealed), reactor.write(grant, "7"))
    assert upload.state == views_pb2.UPLOAD_STATE_ENDED
    assert upload.outcome == upload_pb2.OUTCOME_UPLOADED
    assert parse_receipt(upload.receipt.content).sealed_sha256 == sealed.sha256

    secret = await user.secret("vault://app/db")
    assert (secret.upstream_version, secret.fingerprint, secret.subject) == ("7", fingerprint(), "anna")
    assert not secret.drifted
    events = (await user.events(request_id=request_id)).events
    assert [event.type for event in events] == [
        "SecretUploadKeyRequested",
        "SecretUploadKeyProvided",
        "SecretUploadRequested",
        "SecretUploadStarted",
        "SecretUploaded",
    ]
    assert "fp1:" not in "".join(event.detail for event in events)


async def test_the_sealed_bytes_reach_the_replica_that_gave_the_grant_and_no_other(world: World) -> None:
    user, issuer, peer = world.user("anna", "vault://app"), await world.attached(), await world.attached()
    grant = await until_granted(user, issuer, uri="vault://app/db")
    sealed = Sealed()
    await asyncio.gather(user.send(grant.request.request_id, sealed), issuer.write(grant))
    delivered = await peer.next("SecretUploadRequested")
    assert delivered.sealed == b""


async def test_the_last_receipt_is_told_with_the_request_and_with_the_sealed_secret(world: World) -> None:
    user, reactor = world.user("anna", "vault://app"), await world.attached()
    first = await until_granted(user, reactor, uri="vault://app/db")
    second = a_request(uri="vault://app/db")
    await user.ask(second)
    delivered = await reactor.next("SecretUploadKeyRequested")
    assert not content(delivered, events_pb2.SecretUploadKeyRequested).HasField("last_receipt")
    grant = reactor.grant_for(second, "anna")
    await reactor.append(second.request_id, 1, reactor.provided(grant))
    upload, _ = await asyncio.gather(user.send(first.request.request_id, Sealed()), reactor.write(first, "1"))

    sending = asyncio.create_task(user.send(second.request_id, Sealed()))
    delivered = await reactor.next("SecretUploadRequested")
    asked = content(delivered, events_pb2.SecretUploadRequested)
    assert asked.last_receipt == upload.receipt
    await reactor.append(second.request_id, 3, reactor.started(grant, asked.sealed_sha256, "1"))
    await reactor.append(second.request_id, 4, reactor.uploaded(grant, asked.sealed_sha256, "2", prior="1"))
    assert (await sending).outcome == upload_pb2.OUTCOME_UPLOADED
    assert not (await user.secret("vault://app/db")).drifted

    third = a_request(uri="vault://app/db")
    await user.ask(third)
    delivered = await reactor.next("SecretUploadKeyRequested")
    assert content(delivered, events_pb2.SecretUploadKeyRequested).last_receipt == (await sending).receipt
