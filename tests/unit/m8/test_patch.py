"""What m8 records of a patch, and what is listed of a secret that was patched."""

from __future__ import annotations

from typing import Any

import pytest

from monoskope.api.gateway.v1 import views_pb2
from monoskope.api.secrets.v1 import events_pb2, upload_pb2
from monoskope.errors import ConflictError, UsageError
from monoskope.m8.domain.append import append_by_reactor
from monoskope.m8.domain.upload import request_upload
from monoskope.protocol.identity import ProofError
from monoskope.protocol.outcomes import State
from tests.support.m8_walk import CIPHERTEXT, EMPTY, ENCAPSULATED, PEER, SIGNER, Documents, Walk
from tests.support.m8_world import World, refused
from tests.support.vectors import a_request

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
    with refused("REFUSED") as error:
        await world.user("bob", "vault://app", rights=others).ask(request)
    assert "no right to put" in error.message
    anna = world.user("anna", "vault://app", rights=frozenset({PUT, SEE_HASH}))
    assert await anna.ask(request) == request.request_id


@pytest.mark.parametrize("purpose", [PATCH, upload_pb2.PURPOSE_IMPORT])
async def test_hashes_of_values_that_one_did_not_send_need_their_own_right(
    world: World, purpose: upload_pb2.Purpose
) -> None:
    """Whoever asks gets the receipt, and it has the hashes of every value."""
    await world.attached()
    with refused("REFUSED") as error:
        await world.user("bob", "vault://app", rights=frozenset({PUT})).ask(a_request(purpose=purpose))
    assert "no right to see-hash" in error.message
