"""What m8 records of a deletion, and what is listed of a secret that was deleted."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import Sequence
from typing import Any

import pytest
from google.protobuf.message import Message

from monoskope.api.gateway.v1 import views_pb2
from monoskope.api.secrets.v1 import events_pb2, upload_pb2
from monoskope.errors import ConflictError, UsageError
from monoskope.m8.domain.append import append_by_reactor
from monoskope.m8.domain.upload import request_upload
from monoskope.protocol.events import upload_stream
from monoskope.protocol.identity import ProofError
from monoskope.protocol.outcomes import State, WrongStepError
from monoskope.protocol.request import Request
from tests.support.m8_walk import CIPHERTEXT, ENCAPSULATED, PEER, Documents, Walk
from tests.support.m8_world import RIGHTS, Sealed, World, refused, until_granted
from tests.support.vectors import Signer, a_request

DELETE = upload_pb2.PURPOSE_DELETE
EMPTY = hashlib.sha256(b"").digest()
URI = "vault://app/db"
SIGNER = Signer()


def deletion(**fields: Any) -> Walk:
    return Walk(a_request(purpose=DELETE, **fields), signer=SIGNER, digest=EMPTY)


def test_a_deletion_is_sent_without_sealed_bytes_and_nothing_else_is() -> None:
    walk = deletion()
    for encapsulated, ciphertext in ((ENCAPSULATED, CIPHERTEXT), (b"", b"x"), (b"x", b"")):
        with pytest.raises(UsageError):
            request_upload(
                walk.granted(), subject="anna", encapsulated_key=encapsulated, ciphertext=ciphertext, last_receipt=None
            )
    (event,) = request_upload(walk.granted(), subject="anna", encapsulated_key=b"", ciphertext=b"", last_receipt=None)
    assert isinstance(event, events_pb2.SecretUploadRequested)
    assert (event.sealed_sha256, event.size) == (EMPTY, 0)
    with pytest.raises(UsageError):
        request_upload(Walk().granted(), subject="anna", encapsulated_key=b"", ciphertext=b"", last_receipt=None)


@pytest.mark.parametrize("replica", [b"r" * 16, PEER])
def test_any_replica_ends_a_deletion_that_was_announced(replica: bytes) -> None:
    walk = deletion()
    event = walk.deleted("1")
    assert append_by_reactor(walk.writing("1"), event, walk.by(replica)) == [event]
    assert walk.at(walk.asked(), walk.provided(), walk.sent(), walk.started("1"), event).state is State.ENDED


def test_a_deletion_that_was_not_announced_is_refused() -> None:
    walk = deletion()
    with pytest.raises(WrongStepError):
        append_by_reactor(walk.uploading(), walk.deleted("1"), walk.by())


def test_a_deletion_ends_no_upload_and_an_upload_no_deletion() -> None:
    for walk in (Walk(signer=SIGNER), deletion()):
        event = walk.deleted("1") if walk.request.purpose != DELETE else walk.uploaded("2", "1")
        with pytest.raises(ProofError):
            append_by_reactor(walk.writing("1"), event, walk.by())


def test_a_deletion_of_another_version_than_expected_is_refused() -> None:
    base = a_request(purpose=DELETE)
    message = upload_pb2.UploadRequest.FromString(base.content)
    message.expect, message.expect_version = upload_pb2.EXPECT_VERSION, "1"
    from monoskope.protocol.request import parse_request  # noqa: PLC0415
    from monoskope.protocol.wire import serialise  # noqa: PLC0415

    request: Request = parse_request(serialise(message))
    walk = Walk(request, signer=SIGNER, digest=EMPTY)
    with pytest.raises(ConflictError):
        append_by_reactor(walk.writing("1"), walk.deleted("2"), walk.by())
    assert append_by_reactor(walk.writing("1"), walk.deleted("1"), walk.by())


def record(documents: Documents, walk: Walk, end: Sequence[Message]) -> None:
    documents.now_ms += 1
    documents.record(upload_stream(walk.request.request_id), [walk.asked(), walk.provided(), walk.sent(), *end])


def put(documents: Documents, version: str, prior: str = "", **fields: Any) -> None:
    walk = Walk(a_request(**fields), signer=SIGNER)
    record(documents, walk, [walk.started(prior), walk.uploaded(version, prior)])


def delete(documents: Documents, version: str) -> Walk:
    walk = deletion()
    record(documents, walk, [walk.started(version), walk.deleted(version)])
    return walk


def head(documents: Documents) -> views_pb2.Secret:
    secret = documents.secret(URI)
    assert secret is not None
    return secret


def test_a_deleted_secret_is_kept_without_hashes() -> None:
    documents = Documents()
    put(documents, "1", labels=(("owner", "anna"),), expires_on="2027-01-31")
    put(documents, "2", "1", labels=(("owner", "bob"),), expires_on="2027-02-01")
    walk = delete(documents, "2")
    secret = head(documents)
    assert (secret.deleted, secret.upstream_version, secret.fingerprint) == (True, "2", "")
    assert not secret.values
    assert secret.request_id == walk.request.request_id
    assert [label.value for label in secret.labels] == ["bob"]
    assert secret.expires_on == "2027-02-01"


def test_what_is_put_after_a_deletion_is_the_head_in_either_order() -> None:
    for late in (False, True):
        documents = Documents()
        put(documents, "1")
        if not late:
            delete(documents, "1")
        put(documents, "2")
        if late:
            delete(documents, "1")
        assert (head(documents).deleted, head(documents).upstream_version) == (False, "2")
        assert not head(documents).drifted


def test_a_version_that_no_receipt_made_can_be_deleted() -> None:
    documents = Documents()
    delete(documents, "9")
    assert (head(documents).deleted, head(documents).upstream_version) == (True, "9")


def test_what_was_brought_back_is_there_again() -> None:
    documents = Documents()
    put(documents, "1")
    delete(documents, "1")
    walk = Walk(signer=SIGNER)
    record(documents, walk, [walk.unchanged("1")])
    assert not head(documents).deleted
    assert head(documents).fingerprint


async def test_a_deletion_needs_its_own_right(world: World) -> None:
    await world.attached()
    request = a_request(purpose=DELETE)
    with refused("REFUSED") as error:
        await world.user("bob", "vault://app", rights=RIGHTS).ask(request)
    assert "delete" in error.message
    only = world.user("anna", "vault://app", rights=frozenset({events_pb2.RIGHT_DELETE}))
    assert await only.ask(request) == request.request_id
    with refused("REFUSED"):
        await only.ask(a_request())


async def test_a_deletion_is_listed_as_deleted_and_keeps_no_sealed_bytes(world: World) -> None:
    reactor = await world.attached()
    user = world.user("anna", "vault://app", rights=RIGHTS | {events_pb2.RIGHT_DELETE})
    grant = await until_granted(user, reactor)
    await asyncio.gather(user.send(grant.request.request_id, Sealed()), reactor.write(grant))
    grant = await until_granted(user, reactor, purpose=DELETE)
    with refused("USAGE"):
        await user.send(grant.request.request_id, Sealed(os.urandom(1120), b""))

    async def answer() -> None:
        delivered = await reactor.next("SecretUploadRequested")
        assert delivered.sealed == b""
        request_id = grant.request.request_id
        receipt = reactor.receipt(grant, EMPTY, upload_pb2.OUTCOME_DELETED, prior_version="1")
        assert (await reactor.append(request_id, 3, reactor.started(grant, EMPTY, "1"))).error == ""
        assert (await reactor.append(request_id, 4, events_pb2.SecretDeleted(receipt=receipt))).error == ""

    upload, _ = await asyncio.gather(user.send(grant.request.request_id, Sealed(b"", b"")), answer())
    assert upload.outcome == upload_pb2.OUTCOME_DELETED
    assert await world.app.log.sealed(EMPTY) is None
    assert list((await user.secrets()).secrets) == []
    (deleted,) = (await user.secrets(state=views_pb2.SECRET_STATE_DELETED)).secrets
    assert (deleted.uri, deleted.deleted) == (URI, True)
    versions = (await user.versions(URI)).versions
    assert [version.outcome for version in versions] == [upload_pb2.OUTCOME_DELETED, upload_pb2.OUTCOME_UPLOADED]
    assert (versions[0].prior_version, versions[0].upstream_version) == ("1", "")
