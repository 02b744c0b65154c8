"""What m8 records of a deletion, and what is listed of a secret that was deleted."""

from __future__ import annotations

import asyncio
import os
from typing import Any

import pytest

from monoskope.api.gateway.v1 import views_pb2
from monoskope.api.secrets.v1 import events_pb2, upload_pb2
from monoskope.errors import ConflictError
from monoskope.m8.domain.append import append_by_reactor
from monoskope.protocol.identity import ProofError
from monoskope.protocol.outcomes import State, WrongStepError
from tests.support.m8_walk import EMPTY, PEER, SIGNER, URI, Documents, Walk
from tests.support.m8_world import RIGHTS, Sealed, World, put, refused, until_granted
from tests.support.vectors import a_request

DELETE = upload_pb2.PURPOSE_DELETE


def deletion(**fields: Any) -> Walk:
    return Walk(a_request(purpose=DELETE, **fields), signer=SIGNER, digest=EMPTY)


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
    walk = deletion(expect=upload_pb2.EXPECT_VERSION, expect_version="1")
    with pytest.raises(ConflictError):
        append_by_reactor(walk.writing("1"), walk.deleted("2"), walk.by())
    assert append_by_reactor(walk.writing("1"), walk.deleted("1"), walk.by())


def delete(documents: Documents, version: str) -> Walk:
    walk = deletion()
    documents.end(walk, walk.started(version), walk.deleted(version))
    return walk


def test_a_deleted_secret_is_kept_without_hashes() -> None:
    documents = Documents()
    documents.put("1", labels=(("owner", "anna"),), expires_on="2027-01-31")
    documents.put("2", "1", labels=(("owner", "bob"),), expires_on="2027-02-01")
    walk = delete(documents, "2")
    secret = documents.head
    assert (secret.deleted, secret.upstream_version, secret.fingerprint) == (True, "2", "")
    assert not secret.values
    assert secret.request_id == walk.request.request_id
    assert [label.value for label in secret.labels] == ["bob"]
    assert secret.expires_on == "2027-02-01"


def test_what_is_put_after_a_deletion_is_the_head_in_either_order() -> None:
    for late in (False, True):
        documents = Documents()
        documents.put("1")
        if not late:
            delete(documents, "1")
        documents.put("2")
        if late:
            delete(documents, "1")
        assert (documents.head.deleted, documents.head.upstream_version) == (False, "2")
        assert not documents.head.drifted


def test_a_version_that_no_receipt_made_can_be_deleted() -> None:
    documents = Documents()
    delete(documents, "9")
    assert (documents.head.deleted, documents.head.upstream_version) == (True, "9")


def test_what_was_brought_back_is_there_again() -> None:
    documents = Documents()
    documents.put("1")
    delete(documents, "1")
    walk = Walk(signer=SIGNER)
    documents.end(walk, walk.unchanged("1"))
    assert not documents.head.deleted
    assert documents.head.fingerprint


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
    await put(user, reactor)
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
