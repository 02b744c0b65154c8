"""An m8 that lies when it is asked what became of something: only a receipt under the pin proves anything."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from monoskope.api.gateway.v1 import queries_pb2, views_pb2
from monoskope.api.secrets.v1 import upload_pb2
from monoskope.client.known_stores import Pins
from monoskope.client.proofs import receipts as proof
from monoskope.client.proofs.receipts import Checked, Proofs
from monoskope.protocol.labels import RECEIPT, UPLOAD_GRANT
from monoskope.protocol.purposes import PURPOSES as RULES
from monoskope.protocol.receipt import make_receipt
from monoskope.protocol.wire import serialise
from monoskope.testing.cluster.identities import Identity
from monoskope.testing.scripted.m8 import ScriptedM8
from tests.protocol.answers import PURPOSES, SERVER, Asked, Change, answer, attempt
from tests.protocol.copied import DESTINATION, DESTINATION_IDENTITY, LABELS, copied

Lie = Callable[[ScriptedM8, upload_pb2.Purpose], queries_pb2.GetSecretUploadResponse]


@pytest.fixture
def m8() -> ScriptedM8:
    return ScriptedM8()


async def test_a_receipt_of_that_request_under_the_pin_is_proof(m8: ScriptedM8, proofs: Proofs) -> None:
    for purpose in PURPOSES:
        one = attempt(m8, purpose)
        checked = await proofs.upload(answer(one, one.success()), one.request.request_id)
        assert checked.proven, checked.why_not
        assert checked.receipt is not None
    failed = attempt(m8)
    checked = await proofs.upload(answer(failed, failed.failure(upload_pb2.REASON_CONFLICT)), failed.request.request_id)
    assert checked.proven


async def test_without_receipt_end_or_pin_it_is_m8s_word_and_no_alarm(m8: ScriptedM8, proofs: Proofs) -> None:
    one = attempt(m8)
    request_id = one.request.request_id
    assert await proofs.upload(answer(one, None), request_id) == Checked(proof.NO_RECEIPT)
    writing = answer(one, one.success(), lambda upload: setattr(upload, "state", views_pb2.UPLOAD_STATE_WRITING))
    assert await proofs.upload(writing, request_id) == Checked(proof.NOT_ENDED)
    unpinned = Proofs(Pins(), SERVER, Asked(m8))
    checked = await unpinned.upload(answer(one, one.success()), request_id)
    assert checked == Checked(proof.NOT_PINNED)
    assert not checked.is_false


def other_identity(m8: ScriptedM8, purpose: upload_pb2.Purpose) -> queries_pb2.GetSecretUploadResponse:
    one = attempt(m8, purpose, signer=Identity())
    return answer(one, one.success())


def other_request(m8: ScriptedM8, purpose: upload_pb2.Purpose) -> queries_pb2.GetSecretUploadResponse:
    one, other = attempt(m8, purpose), attempt(m8, purpose)
    return answer(other, other.success(), lambda upload: setattr(upload, "request_id", one.request.request_id))


def other_secret(m8: ScriptedM8, purpose: upload_pb2.Purpose) -> queries_pb2.GetSecretUploadResponse:
    one = attempt(m8, purpose)
    return answer(one, one.success(), lambda upload: setattr(upload, "uri", "vault://app/other"))


def other_purpose(m8: ScriptedM8, purpose: upload_pb2.Purpose) -> queries_pb2.GetSecretUploadResponse:
    one = attempt(m8, purpose)
    said = next(other for other in PURPOSES if other != purpose)
    return answer(one, one.success(), lambda upload: setattr(upload, "purpose", said))


def other_grant(m8: ScriptedM8, purpose: upload_pb2.Purpose) -> queries_pb2.GetSecretUploadResponse:
    one, other = attempt(m8, purpose), attempt(m8, purpose)
    return answer(one, other.success())


def no_grant(m8: ScriptedM8, purpose: upload_pb2.Purpose) -> queries_pb2.GetSecretUploadResponse:
    one = attempt(m8, purpose)
    return answer(one, one.success(), lambda upload: upload.ClearField("grant"))


def grant_of_m8(m8: ScriptedM8, purpose: upload_pb2.Purpose) -> queries_pb2.GetSecretUploadResponse:
    one = attempt(m8, purpose)
    forged = Identity().sign(UPLOAD_GRANT, one.grant.content)
    return answer(one, one.success(), lambda upload: upload.grant.CopyFrom(forged))


def broken_signature(m8: ScriptedM8, purpose: upload_pb2.Purpose) -> queries_pb2.GetSecretUploadResponse:
    one = attempt(m8, purpose)
    receipt = one.success()
    receipt.signature = bytes(64)
    return answer(one, receipt)


def only_begun(m8: ScriptedM8, purpose: upload_pb2.Purpose) -> queries_pb2.GetSecretUploadResponse:
    one = attempt(m8, purpose)
    return answer(one, one.receipt(upload_pb2.OUTCOME_STARTED, intent=bytes(32)))


def other_outcome(m8: ScriptedM8, purpose: upload_pb2.Purpose) -> queries_pb2.GetSecretUploadResponse:
    one = attempt(m8, purpose)
    failed = one.failure(upload_pb2.REASON_CONFLICT)
    return answer(one, failed, lambda upload: setattr(upload, "outcome", upload_pb2.OUTCOME_UPLOADED))


def other_reason(m8: ScriptedM8, purpose: upload_pb2.Purpose) -> queries_pb2.GetSecretUploadResponse:
    one = attempt(m8, purpose)

    def change(upload: views_pb2.SecretUpload) -> None:
        upload.outcome, upload.reason = upload_pb2.OUTCOME_FAILED, upload_pb2.REASON_EXPIRED

    return answer(one, one.failure(upload_pb2.REASON_CONFLICT), change)


def no_uri(m8: ScriptedM8, purpose: upload_pb2.Purpose) -> queries_pb2.GetSecretUploadResponse:
    one = attempt(m8, purpose)
    return answer(one, one.success(), lambda upload: setattr(upload, "uri", "nothing"))


def other_person(m8: ScriptedM8, purpose: upload_pb2.Purpose) -> queries_pb2.GetSecretUploadResponse:
    one = attempt(m8, purpose)
    return answer(one, one.success(), lambda upload: setattr(upload, "subject", "mallory"))


LIES = [
    other_identity,
    other_request,
    other_secret,
    other_purpose,
    other_grant,
    no_grant,
    grant_of_m8,
    broken_signature,
    only_begun,
    other_outcome,
    other_reason,
    no_uri,
    other_person,
]


@pytest.mark.parametrize("purpose", PURPOSES, ids=upload_pb2.Purpose.Name)
@pytest.mark.parametrize("lie", LIES)
async def test_what_is_shown_as_proof_of_an_end_and_is_none_is_called_false(
    m8: ScriptedM8, proofs: Proofs, lie: Lie, purpose: upload_pb2.Purpose
) -> None:
    shown = lie(m8, purpose)
    checked = await proofs.upload(shown, shown.upload.request_id)
    assert checked.is_false
    assert checked.receipt is None


@pytest.mark.parametrize("purpose", [one for one in PURPOSES if not RULES[one].seals], ids=upload_pb2.Purpose.Name)
async def test_a_receipt_that_names_sealed_bytes_is_no_proof_for_a_purpose_that_seals_nothing(
    m8: ScriptedM8, proofs: Proofs, purpose: upload_pb2.Purpose
) -> None:
    one = attempt(m8, purpose)
    one.sealed[:] = [b"something"]
    checked = await proofs.upload(answer(one, one.success()), one.request.request_id)
    assert checked.is_false
    assert checked.receipt is None


@pytest.fixture
def copied_to(m8: ScriptedM8, asked: Asked) -> Callable[..., Any]:
    """Ask about a copy whose destination's store has `pin`."""

    async def ask(pin: Identity | None = DESTINATION_IDENTITY, change: Change | None = None, **fields: Any) -> Checked:
        one = attempt(m8, upload_pb2.PURPOSE_COPY, destination=DESTINATION)
        pins = {(SERVER, "vault"): m8.identity.shown} | ({(SERVER, "local"): pin.shown} if pin else {})
        m8.stores["local"] = views_pb2.SecretStore(name="local")
        return await Proofs(Pins(pins), SERVER, asked).upload(
            answer(one, copied(one, **fields), change), one.request.request_id
        )

    return ask


async def test_a_copy_is_proven_by_what_both_stores_signed(copied_to: Callable[..., Any]) -> None:
    assert (await copied_to()).proven
    assert await copied_to(pin=None) == Checked(proof.NOT_PINNED)
    assert await copied_to(destination_grant=None) == Checked(proof.COPIED)
    assert (await copied_to(pin=Identity())).is_false
    assert (await copied_to(change=lambda upload: setattr(upload, "destination", "local://app/other"))).is_false


@pytest.mark.parametrize("part", ["destination", "destination_grant"])
async def test_a_copy_of_which_one_part_is_signed_by_another_than_the_destination_is_called_false(
    m8: ScriptedM8, copied_to: Callable[..., Any], part: str
) -> None:
    def forge(upload: views_pb2.SecretUpload) -> None:
        receipt = upload_pb2.Receipt.FromString(upload.receipt.content)
        own = getattr(receipt, part)
        own.CopyFrom(Identity().sign(LABELS[part], own.content))
        upload.receipt.CopyFrom(m8.identity.sign(RECEIPT, serialise(receipt)))

    assert (await copied_to(change=forge)).is_false


async def test_an_answer_about_another_request_than_was_asked_about_is_called_false(
    m8: ScriptedM8, proofs: Proofs
) -> None:
    one, other = attempt(m8), attempt(m8)
    assert (await proofs.upload(answer(other, other.success()), one.request.request_id)).is_false
    renamed = answer(one, one.success(), lambda upload: setattr(upload, "request_id", other.request.request_id))
    assert (await proofs.upload(renamed, one.request.request_id)).is_false


@pytest.mark.parametrize("reason", [upload_pb2.REASON_KEY_LOST, upload_pb2.REASON_OUTCOME_UNKNOWN])
async def test_a_signed_doubt_is_no_proof_of_failure(m8: ScriptedM8, proofs: Proofs, reason: upload_pb2.Reason) -> None:
    one = attempt(m8)
    checked = await proofs.upload(answer(one, one.failure(reason)), one.request.request_id)
    assert (checked.why_not, checked.is_false) == (proof.NOT_KNOWN, False)
    assert checked.receipt is not None


async def test_a_failure_that_names_nothing_sent_says_nothing_of_what_was(m8: ScriptedM8, proofs: Proofs) -> None:
    one = attempt(m8)
    content = make_receipt(
        grant=one.grant,
        sealed_sha256=b"",
        outcome=upload_pb2.OUTCOME_FAILED,
        reason=upload_pb2.REASON_EXPIRED,
    ).content
    checked = await proofs.upload(answer(one, one.signer.sign(RECEIPT, content)), one.request.request_id)
    assert (checked.why_not, checked.is_false) == (proof.NOTHING_SENT, False)
