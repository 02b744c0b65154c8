"""What m8 records of deletions, undeletions and rollbacks, and what it shows of the secret then."""

from __future__ import annotations

import asyncio
import os
from typing import Any

import pytest

from monoskope.api.gateway.v1 import views_pb2
from monoskope.api.secrets.v1 import events_pb2, upload_pb2
from monoskope.errors import ConflictError
from monoskope.m8.domain.append import append_by_reactor
from monoskope.m8.domain.principal import RIGHT_NAMES
from monoskope.m8.domain.upload import Upload
from monoskope.protocol.identity import ProofError
from monoskope.protocol.outcomes import State, WrongStepError
from tests.support.fake_reactor import FakeReactor
from tests.support.m8_user import Sealed, refusal, refused
from tests.support.m8_walk import EMPTY, PEER, SIGNER, URI, Documents, Walk
from tests.support.m8_world import RIGHTS, World, put, until_granted
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


def test_what_was_brought_back_by_others_is_there_again() -> None:
    documents = Documents()
    documents.put("1")
    delete(documents, "1")
    walk = Walk(signer=SIGNER)
    documents.end(walk, walk.unchanged("1"))
    assert (documents.head.deleted, bool(documents.head.fingerprint)) == (False, True)


async def test_a_deletion_needs_its_own_right(world: World) -> None:
    await world.attached()
    request = a_request(purpose=DELETE)
    await refusal("REFUSED", world.user("bob", "vault://app", rights=RIGHTS).ask(request), "delete")
    only = world.user("anna", "vault://app", rights=frozenset({events_pb2.RIGHT_DELETE}))
    assert await only.ask(request) == request.request_id
    await refusal("REFUSED", only.ask(a_request()))


async def test_a_deletion_is_listed_as_deleted_and_keeps_no_sealed_bytes(world: World, reactor: FakeReactor) -> None:
    user = world.user("anna", "vault://app", rights=RIGHTS | {events_pb2.RIGHT_DELETE})
    await put(user, reactor)
    grant = await until_granted(user, reactor, purpose=DELETE)
    await refusal("USAGE", user.send(grant.request.request_id, Sealed(os.urandom(1120), b"")))

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


UNDELETE, ROLLBACK = upload_pb2.PURPOSE_UNDELETE, upload_pb2.PURPOSE_ROLLBACK


def undeletion(**fields: Any) -> Walk:
    return Walk(a_request(purpose=UNDELETE, **fields), signer=SIGNER, digest=EMPTY)


def rollback(**fields: Any) -> Walk:
    return Walk(a_request(purpose=ROLLBACK, **{"to_version": "1", **fields}), signer=SIGNER, digest=EMPTY)


def writing(walk: Walk, prior: str = "", restored: str = "1") -> Upload:
    return walk.at(walk.asked(), walk.provided(), walk.sent(), walk.started(prior, restored_version=restored))


@pytest.mark.parametrize("replica", [b"r" * 16, PEER])
def test_any_replica_ends_what_was_announced(replica: bytes) -> None:
    walk = undeletion()
    undeleted = walk.undeleted("1")
    assert append_by_reactor(writing(walk), undeleted, walk.by(replica)) == [undeleted]
    walk = rollback()
    rolled_back = walk.rolled_back("3", "2", "1")
    assert append_by_reactor(writing(walk, "2"), rolled_back, walk.by(replica)) == [rolled_back]
    ended = walk.at(walk.asked(), walk.provided(), walk.sent(), walk.started("2", restored_version="1"), rolled_back)
    assert ended.state is State.ENDED


def test_what_was_not_announced_is_refused() -> None:
    for walk, event in ((deletion(), Walk.deleted), (undeletion(), Walk.undeleted), (rollback(), Walk.rolled_back)):
        with pytest.raises(WrongStepError):
            append_by_reactor(walk.uploading(), event(walk), walk.by())


def test_one_ends_no_other() -> None:
    for walk, event in (
        (undeletion(), Walk.rolled_back),
        (rollback(), Walk.undeleted),
        (Walk(signer=SIGNER), Walk.undeleted),
        (Walk(signer=SIGNER), Walk.rolled_back),
        (undeletion(), Walk.uploaded),
        (rollback(), Walk.uploaded),
        (undeletion(), Walk.deleted),
    ):
        upload = writing(walk) if walk.request.rules.restores else walk.writing()
        with pytest.raises(ProofError):
            append_by_reactor(upload, event(walk), walk.by())


def test_another_version_than_was_asked_or_announced_is_refused() -> None:
    walk = undeletion()
    with pytest.raises(ConflictError):
        append_by_reactor(writing(walk, restored="2"), walk.undeleted("1"), walk.by())
    walk = undeletion(expect=upload_pb2.EXPECT_VERSION, expect_version="2")
    started = walk.started("", restored_version="2")
    assert append_by_reactor(walk.uploading(), started, walk.by()) == [started]
    with pytest.raises(ProofError):
        append_by_reactor(walk.uploading(), walk.started("", restored_version="1"), walk.by())
    walk = rollback()
    with pytest.raises(ProofError):
        append_by_reactor(walk.uploading(), walk.started("2", restored_version="2"), walk.by())
    walk = rollback(expect=upload_pb2.EXPECT_VERSION, expect_version="2")
    with pytest.raises(ConflictError):
        append_by_reactor(writing(walk, "2"), walk.rolled_back("4", "3", "1"), walk.by())


def undelete(documents: Documents, version: str, **fields: Any) -> Walk:
    walk = undeletion()
    restored = fields.get("restored_version", version)
    return documents.end(walk, walk.started("", restored_version=restored), walk.undeleted(version, **fields))


def roll_back(documents: Documents, version: str, prior: str, to: str) -> Walk:
    walk = rollback(to_version=to)
    return documents.end(walk, walk.started(prior, restored_version=to), walk.rolled_back(version, prior, to))


@pytest.mark.parametrize("back", ["2", "5"], ids=["under its name", "as a new version"])
def test_what_comes_back_is_there_again_with_its_hash_and_notes(back: str) -> None:
    documents = Documents()
    documents.put("1")
    documents.put("2", "1", labels=(("owner", "bob"),), expires_on="2027-02-01")
    delete(documents, "2")
    walk = undelete(documents, back, restored_version="2")
    secret = documents.head
    assert (secret.deleted, secret.upstream_version, secret.drifted) == (False, back, False)
    assert secret.fingerprint
    assert secret.values
    assert secret.request_id == walk.request.request_id
    assert [label.value for label in secret.labels] == ["bob"]
    assert secret.expires_on == "2027-02-01"
    row = documents.history(URI)[0]
    assert (row.purpose, row.outcome, row.upstream_version) == (UNDELETE, upload_pb2.OUTCOME_UNDELETED, back)
    assert row.fingerprint


def test_what_came_back_is_the_head_whatever_receipts_connect_with_it() -> None:
    documents = Documents()
    documents.put("1")
    undelete(documents, "9", fingerprint="", values=())
    assert (documents.head.upstream_version, documents.head.fingerprint) == ("9", ""), "others put and deleted it"
    documents = Documents()
    documents.put("1")
    delete(documents, "1")
    documents.put("5")
    undelete(documents, "1")
    assert documents.head.upstream_version == "1"
    documents.put("2", "1")
    assert (documents.head.upstream_version, documents.head.prior_version, documents.head.drifted) == ("2", "1", 0)
    roll_back(documents, "5", "4", "1")
    assert documents.head.drifted, "over what no receipt names"


def test_what_is_rolled_back_is_a_version_of_its_own_with_the_notes_of_before() -> None:
    documents = Documents()
    documents.put("1")
    documents.put("2", "1", labels=(("owner", "bob"),))
    walk = roll_back(documents, "3", "2", "1")
    secret = documents.head
    assert (secret.upstream_version, secret.prior_version, secret.drifted) == ("3", "2", False)
    assert secret.fingerprint
    assert secret.request_id == walk.request.request_id
    assert [label.value for label in secret.labels] == ["bob"]
    row = documents.history(URI)[0]
    assert (row.outcome, row.upstream_version, row.prior_version) == (upload_pb2.OUTCOME_ROLLED_BACK, "3", "2")


def test_events_say_what_they_bring_back() -> None:
    documents = Documents()
    documents.put("1")
    delete(documents, "1")
    undelete(documents, "1")
    roll_back(documents, "3", "1", "1")
    said = [event.detail for event in documents.events]
    assert "bringing back version 1, replacing nothing" in said
    assert "UNDELETED, version 1 with the content of 1" in said
    assert "bringing back version 1, replacing version 1" in said
    assert "ROLLED_BACK, version 3 with the content of 1" in said


@pytest.mark.parametrize(
    ("purpose", "right", "word", "fields"),
    [
        (UNDELETE, events_pb2.RIGHT_UNDELETE, "undelete", {}),
        (ROLLBACK, events_pb2.RIGHT_ROLLBACK, "rollback", {"to_version": "1"}),
    ],
)
async def test_each_needs_its_own_right_and_that_to_see_hashes(
    world: World, purpose: upload_pb2.Purpose, right: events_pb2.Right, word: str, fields: dict[str, Any]
) -> None:
    """The receipt has hashes of values that the caller did not send."""
    await world.attached()
    request = a_request(purpose=purpose, **fields)
    every = frozenset(RIGHT_NAMES)
    await refusal("REFUSED", world.user("bob", "vault://app", rights=every - {right}).ask(request), word)
    eve = world.user("eve", "vault://app", rights=every - {events_pb2.RIGHT_SEE_HASH})
    await refusal("REFUSED", eve.ask(request), "see-hash")
    only = world.user("anna", "vault://app", rights=frozenset({right, events_pb2.RIGHT_SEE_HASH}))
    assert await only.ask(request) == request.request_id
    with refused("NOT_FOUND"):
        await world.user("mallory", "vault://other", rights=every).ask(a_request(purpose=purpose, **fields))
