"""What queries say of a secret, also a patched one, and of a request, in whatever order receipts were recorded."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from monoskope.api.gateway.v1 import views_pb2
from monoskope.api.secrets.v1 import events_pb2, upload_pb2
from monoskope.errors import ConflictError, UsageError
from monoskope.m8.domain.append import append_by_reactor
from monoskope.m8.domain.upload import request_upload
from monoskope.m8.readmodels.uploads import open_upload
from monoskope.protocol.events import upload_stream
from monoskope.protocol.identity import ProofError
from monoskope.protocol.outcomes import State
from tests.support.fake_reactor import content
from tests.support.m8_user import Sealed, refusal, refused
from tests.support.m8_walk import CIPHERTEXT, EMPTY, ENCAPSULATED, PEER, SIGNER, URI, Documents, Walk, fingerprints
from tests.support.m8_world import World, until_granted
from tests.support.vectors import a_request


def upload(documents: Documents, version: str, prior: str = "", **fields: Any) -> None:
    walk = Walk(signer=SIGNER)
    documents.end(walk, walk.started(prior), walk.uploaded(version, prior, **fields))


def unchanged(documents: Documents, version: str, **fields: Any) -> None:
    walk = Walk(signer=SIGNER)
    documents.end(walk, walk.unchanged(version, **fields))


def version(documents: Documents, name: str) -> views_pb2.Secret:
    secret = documents.secret(URI, name)
    assert secret is not None
    return secret


CHAIN = [("1", ""), ("2", "1"), ("3", "2"), ("4", "3")]


@pytest.mark.parametrize("order", list(permutations(CHAIN)))
def test_the_head_is_the_end_of_the_chain_in_whatever_order_it_was_recorded(order: Sequence[tuple[str, str]]) -> None:
    documents = Documents()
    for name, prior in order:
        upload(documents, name, prior)
    assert documents.head.upstream_version == "4"
    assert not documents.head.drifted
    assert not any(version(documents, name).drifted for name, _ in CHAIN)


@given(
    order=st.permutations([*CHAIN, ("6", "5"), ("7", "6")]),
    again=st.lists(st.sampled_from(["1", "4", "6", "7"]), max_size=3),
)
def test_what_replaced_an_unknown_version_has_drifted(order: Sequence[tuple[str, str]], again: Sequence[str]) -> None:
    documents = Documents()
    for name, prior in order:
        upload(documents, name, prior)
    for name in again:
        unchanged(documents, name)
    assert {name for name, _ in order if version(documents, name).drifted} == {"6"}
    assert documents.head.upstream_version in {"4", "7"}  # no receipt says which of these two came first


@pytest.mark.parametrize(
    ("receipts", "head", "drifted"),
    [
        ([("1", ""), ("3", "2")], "3", True),
        ([("3", "2"), ("2", "")], "3", False),
        ([("2", "1"), ("1", "")], "2", False),
        ([("1", ""), ("2", None)], "2", False),
        ([("3", "2"), ("2", None)], "3", False),
    ],
    ids=[
        "a foreign version in between",
        "the receipt comes after all",
        "a version replaced already",
        "an unknown version is unchanged",
        "an unknown version replaced already is unchanged",
    ],
)
def test_the_head_and_whether_it_drifted(receipts: list[tuple[str, str | None]], head: str, drifted: bool) -> None:
    documents = Documents()
    for name, prior in receipts:
        if prior is None:
            unchanged(documents, name)
        else:
            upload(documents, name, prior)
    assert (documents.head.upstream_version, documents.head.drifted) == (head, drifted)
    assert version(documents, receipts[-1][0]).upstream_version == receipts[-1][0]


def test_unchanged_brings_the_newest_receipt_and_keeps_what_was_replaced() -> None:
    documents = Documents()
    upload(documents, "2", "1")
    unchanged(documents, "2", **fingerprints("0123456789abcdef"))
    assert documents.head.fingerprint.startswith("fp1:0123456789abcdef:")
    assert documents.head.prior_version == "1"
    assert documents.head.drifted


def test_a_recovered_receipt_without_fingerprints_does_not_hide_those_known() -> None:
    documents = Documents()
    unchanged(documents, "2")
    upload(documents, "2", "1", fingerprint="", values=())
    assert documents.head.fingerprint
    assert documents.head.prior_version == "1"


def test_versions_that_replace_each_other_do_not_hang_m8() -> None:
    documents = Documents()
    upload(documents, "1", "2")
    upload(documents, "2", "1")
    assert documents.head.upstream_version in {"1", "2"}


def test_an_ended_request_is_no_open_one() -> None:
    documents = Documents()
    walk = Walk(signer=SIGNER)
    stream = upload_stream(walk.request.request_id)
    documents.record(stream, [walk.asked(), walk.provided()])
    key = walk.request.request_id.hex()
    assert list(documents.keys("open-uploads")) == [key]
    known = documents.get("open-uploads", key, open_upload)
    assert known == replace(walk.granted(), grant=None, signed_grant=None, since_ms=1_000, began_ms=1_000)
    documents.record(stream, [walk.sent(), walk.unchanged()])
    assert list(documents.keys("open-uploads")) == []
    ended = documents.upload(walk.request.request_id)
    assert ended is not None
    assert ended.state == views_pb2.UPLOAD_STATE_ENDED


def test_started_does_not_stand_in_for_the_receipt_of_a_failure() -> None:
    documents = Documents()
    walk = Walk(signer=SIGNER)
    stream = upload_stream(walk.request.request_id)
    documents.record(stream, [walk.asked(), walk.provided(), walk.sent(), walk.started(), walk.failed()])
    ended = documents.upload(walk.request.request_id)
    assert ended is not None
    assert ended.receipt == walk.failed().receipt


async def test_the_sealed_bytes_reach_the_replica_that_gave_the_grant_and_no_other(world: World) -> None:
    user, issuer, peer = world.user("anna", "vault://app"), await world.attached(), await world.attached()
    grant = await until_granted(user, issuer, uri="vault://app/db")
    await asyncio.gather(user.send(grant.request.request_id, Sealed()), issuer.write(grant))
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

    await user.ask(a_request(uri="vault://app/db"))
    delivered = await reactor.next("SecretUploadKeyRequested")
    assert content(delivered, events_pb2.SecretUploadKeyRequested).last_receipt == (await sending).receipt


PATCH = upload_pb2.PURPOSE_PATCH


def patch(*remove: str, **fields: Any) -> Walk:
    return Walk(a_request(purpose=PATCH, remove_keys=remove, **fields), signer=SIGNER)


def send(walk: Walk, encapsulated: bytes, ciphertext: bytes) -> events_pb2.SecretUploadRequested:
    (event,) = request_upload(
        walk.granted(), subject="anna", encapsulated_key=encapsulated, ciphertext=ciphertext, last_receipt=None
    )
    assert isinstance(event, events_pb2.SecretUploadRequested)
    return event


def test_a_patch_carries_sealed_bytes_or_if_it_removes_nothing_at_all() -> None:
    assert send(patch(), ENCAPSULATED, CIPHERTEXT).size == len(ENCAPSULATED + CIPHERTEXT)
    assert send(patch("a"), ENCAPSULATED, CIPHERTEXT).size == len(ENCAPSULATED + CIPHERTEXT)
    nothing = send(patch("a"), b"", b"")
    assert (nothing.sealed_sha256, nothing.size) == (EMPTY, 0)
    for walk, encapsulated, ciphertext in (
        (patch(), b"", b""),
        (patch("a"), b"x", b""),
        (patch("a"), b"", b"x"),
        (patch("a"), ENCAPSULATED, b""),
        (patch("a"), b"", CIPHERTEXT),
    ):
        with pytest.raises(UsageError):
            send(walk, encapsulated, ciphertext)


@pytest.mark.parametrize("replica", [b"r" * 16, PEER])
def test_any_replica_ends_a_patch_that_was_announced(replica: bytes) -> None:
    walk = patch("a")
    event = walk.uploaded("2", "1")
    assert append_by_reactor(walk.writing("1"), event, walk.by(replica)) == [event]
    assert walk.at(walk.asked(), walk.provided(), walk.sent(), walk.started("1"), event).state is State.ENDED


def test_neither_a_deletion_nor_a_comparison_ends_a_patch() -> None:
    walk = patch("a")
    for event, state in ((walk.deleted("1"), walk.writing("1")), (walk.compared(), walk.uploading())):
        with pytest.raises(ProofError):
            append_by_reactor(state, event, walk.by())


def test_a_patch_of_another_version_than_expected_is_refused() -> None:
    walk = patch(expect=upload_pb2.EXPECT_VERSION, expect_version="1")
    with pytest.raises(ConflictError):
        append_by_reactor(walk.writing("1"), walk.uploaded("3", "2"), walk.by())
    assert append_by_reactor(walk.writing("1"), walk.uploaded("2", "1"), walk.by())


NOTED: dict[str, Any] = {"labels": (("owner", "anna"),), "expires_on": "2027-01-31"}
UNKNOWN: dict[str, Any] = {"fingerprint": "", "values": ()}


def record(documents: Documents, walk: Walk, version: str, prior: str, **fields: Any) -> Walk:
    end = [walk.started(prior), walk.uploaded(version, prior, **fields)] if version else [walk.unchanged(prior)]
    return documents.end(walk, *end)


def noted(secret: views_pb2.Secret) -> tuple[list[str], str]:
    return [label.value for label in secret.labels], secret.expires_on


@pytest.mark.parametrize(("version", "prior"), [("2", "1"), ("", "1"), ("3", "2")], ids=["next", "unchanged", "drift"])
def test_labels_and_day_stay(version: str, prior: str) -> None:
    documents = Documents()
    record(documents, Walk(a_request(**NOTED), signer=SIGNER), "1", "")
    walk = record(documents, patch("a"), version, prior)
    assert noted(documents.head) == (["anna"], "2027-01-31")
    assert (documents.head.upstream_version, documents.head.request_id) == (version or prior, walk.request.request_id)
    record(documents, patch("a"), "9", version or prior)
    assert noted(documents.head) == (["anna"], "2027-01-31")


def test_a_patch_of_what_m8_never_saw_has_no_notes_and_no_hash() -> None:
    documents = Documents()
    record(documents, patch("a"), "2", "1", **UNKNOWN)
    assert noted(documents.head) == ([], "")
    assert (documents.head.drifted, documents.head.fingerprint, list(documents.head.values)) == (True, "", [])


PUT, SEE_HASH = events_pb2.RIGHT_PUT, events_pb2.RIGHT_SEE_HASH


async def test_a_patch_needs_the_right_to_put(world: World) -> None:
    await world.attached()
    request = a_request(purpose=PATCH, remove_keys=("a",))
    others = frozenset({events_pb2.RIGHT_COMPARE, events_pb2.RIGHT_DELETE, SEE_HASH})
    await refusal("REFUSED", world.user("bob", "vault://app", rights=others).ask(request), "no right to put")
    anna = world.user("anna", "vault://app", rights=frozenset({PUT, SEE_HASH}))
    assert await anna.ask(request) == request.request_id


@pytest.mark.parametrize("purpose", [PATCH, upload_pb2.PURPOSE_IMPORT])
async def test_hashes_of_values_of_others_need_their_own_right(world: World, purpose: upload_pb2.Purpose) -> None:
    """Whoever asks gets the receipt, and it has the hashes of every value."""
    await world.attached()
    with refused("REFUSED") as error:
        await world.user("bob", "vault://app", rights=frozenset({PUT})).ask(a_request(purpose=purpose))
    assert "no right to see-hash" in error.message
