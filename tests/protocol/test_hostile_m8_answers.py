"""An m8 that lies when it is asked what became of something: only a receipt under the pin proves anything."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest

from monoskope.api.gateway.v1 import queries_pb2, views_pb2
from monoskope.api.secrets.v1 import upload_pb2
from monoskope.client import proof
from monoskope.client.known_stores import Pins
from monoskope.client.proof import Checked, Proofs
from monoskope.client.queries import Queries
from monoskope.errors import NotFoundError
from monoskope.protocol.labels import RECEIPT, UPLOAD_GRANT
from monoskope.protocol.request import make_request
from monoskope.protocol.wire import serialise
from monoskope.testing.cluster.identities import Identity
from monoskope.testing.scripted.m8 import FINGERPRINT, VERSION, Attempt, ScriptedM8
from monoskope.uri import SecretUri
from tests.protocol.test_hostile_m8_copies import DESTINATION, LABELS, THERE, copied

SERVER = "m8:7443"
URI = "vault://app/db"
Change = Callable[[views_pb2.SecretUpload], object]


class Asked(Queries):
    """Queries without a server: answers are set by the test."""

    def __init__(self, m8: ScriptedM8) -> None:
        self.m8 = m8
        self.answers: dict[bytes, queries_pb2.GetSecretUploadResponse] = {}
        self.stores_asked = 0

    async def store(self, name: str = "") -> views_pb2.SecretStore:
        self.stores_asked += 1
        return self.m8.stores[name]

    async def upload_answer(self, request_id: bytes, **_rest: Any) -> queries_pb2.GetSecretUploadResponse:
        if request_id not in self.answers:
            raise NotFoundError("m8 says: no such request.", by_m8=True)
        return self.answers[request_id]


@pytest.fixture
def m8() -> ScriptedM8:
    return ScriptedM8()


@pytest.fixture
def asked(m8: ScriptedM8) -> Asked:
    return Asked(m8)


@pytest.fixture
def proofs(m8: ScriptedM8, asked: Asked) -> Proofs:
    return Proofs(Pins({(SERVER, "vault"): m8.identity.shown}), SERVER, asked)


def attempt(
    m8: ScriptedM8,
    purpose: upload_pb2.Purpose = upload_pb2.PURPOSE_UPLOAD,
    *,
    uri: str = URI,
    signer: Identity | None = None,
    destination: str = "",
) -> Attempt:
    compares = purpose == upload_pb2.PURPOSE_COMPARE
    request = make_request(
        request_id=os.urandom(16),
        purpose=purpose,
        uri=SecretUri.parse(uri),
        expect=upload_pb2.EXPECT_UNSPECIFIED if compares else upload_pb2.EXPECT_ANY,
        suites=(1,),
        destination=SecretUri.parse(destination) if destination else None,
    )
    made = m8.grant_for(request, signer=signer)
    made.sealed.append(b"sealed" if request.rules.seals else b"")
    return made


def answer(
    of: Attempt, receipt: upload_pb2.Signed | None, change: Change | None = None
) -> queries_pb2.GetSecretUploadResponse:
    upload = views_pb2.SecretUpload(
        request_id=of.request.request_id,
        uri=str(of.request.uri),
        purpose=of.request.purpose,
        destination=str(of.request.destination or ""),
        state=views_pb2.UPLOAD_STATE_ENDED,
        grant=of.signed_grant(),
        receipt=receipt,
    )
    if change is not None:
        change(upload)
    return queries_pb2.GetSecretUploadResponse(upload=upload)


async def test_a_receipt_of_that_request_under_the_pin_is_proof(m8: ScriptedM8, proofs: Proofs) -> None:
    for purpose in (upload_pb2.PURPOSE_UPLOAD, upload_pb2.PURPOSE_COMPARE, upload_pb2.PURPOSE_DELETE):
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


def other_identity(m8: ScriptedM8) -> queries_pb2.GetSecretUploadResponse:
    one = attempt(m8, signer=Identity())
    return answer(one, one.success())


def other_request(m8: ScriptedM8) -> queries_pb2.GetSecretUploadResponse:
    one, other = attempt(m8), attempt(m8)
    return answer(other, other.success(), lambda upload: setattr(upload, "request_id", one.request.request_id))


def other_secret(m8: ScriptedM8) -> queries_pb2.GetSecretUploadResponse:
    one = attempt(m8)
    return answer(one, one.success(), lambda upload: setattr(upload, "uri", "vault://app/other"))


def other_purpose(m8: ScriptedM8) -> queries_pb2.GetSecretUploadResponse:
    one = attempt(m8)
    return answer(one, one.success(), lambda upload: setattr(upload, "purpose", upload_pb2.PURPOSE_PATCH))


def other_grant(m8: ScriptedM8) -> queries_pb2.GetSecretUploadResponse:
    one, other = attempt(m8), attempt(m8)
    return answer(one, other.success())


def no_grant(m8: ScriptedM8) -> queries_pb2.GetSecretUploadResponse:
    one = attempt(m8)
    return answer(one, one.success(), lambda upload: upload.ClearField("grant"))


def grant_of_m8(m8: ScriptedM8) -> queries_pb2.GetSecretUploadResponse:
    one = attempt(m8)
    forged = Identity().sign(UPLOAD_GRANT, one.grant.content)
    return answer(one, one.success(), lambda upload: upload.grant.CopyFrom(forged))


def broken_signature(m8: ScriptedM8) -> queries_pb2.GetSecretUploadResponse:
    one = attempt(m8)
    receipt = one.success()
    receipt.signature = bytes(64)
    return answer(one, receipt)


def sealed_by_nobody(m8: ScriptedM8) -> queries_pb2.GetSecretUploadResponse:
    one = attempt(m8, upload_pb2.PURPOSE_DELETE)
    one.sealed[:] = [b"something"]
    return answer(one, one.success())


def only_begun(m8: ScriptedM8) -> queries_pb2.GetSecretUploadResponse:
    one = attempt(m8)
    return answer(one, one.receipt(upload_pb2.OUTCOME_STARTED, intent=bytes(32)))


def other_outcome(m8: ScriptedM8) -> queries_pb2.GetSecretUploadResponse:
    one = attempt(m8)
    failed = one.failure(upload_pb2.REASON_CONFLICT)
    return answer(one, failed, lambda upload: setattr(upload, "outcome", upload_pb2.OUTCOME_UPLOADED))


def other_reason(m8: ScriptedM8) -> queries_pb2.GetSecretUploadResponse:
    one = attempt(m8)

    def change(upload: views_pb2.SecretUpload) -> None:
        upload.outcome, upload.reason = upload_pb2.OUTCOME_FAILED, upload_pb2.REASON_EXPIRED

    return answer(one, one.failure(upload_pb2.REASON_CONFLICT), change)


def no_uri(m8: ScriptedM8) -> queries_pb2.GetSecretUploadResponse:
    one = attempt(m8)
    return answer(one, one.success(), lambda upload: setattr(upload, "uri", "nothing"))


@pytest.mark.parametrize(
    "lie",
    [
        other_identity,
        other_request,
        other_secret,
        other_purpose,
        other_grant,
        no_grant,
        grant_of_m8,
        broken_signature,
        sealed_by_nobody,
        only_begun,
        other_outcome,
        other_reason,
        no_uri,
    ],
)
async def test_what_is_shown_as_proof_of_an_end_and_is_none(
    m8: ScriptedM8, proofs: Proofs, lie: Callable[[ScriptedM8], queries_pb2.GetSecretUploadResponse]
) -> None:
    shown = lie(m8)
    checked = await proofs.upload(shown, shown.upload.request_id)
    assert checked.is_false
    assert checked.receipt is None


@pytest.fixture
def copied_to(m8: ScriptedM8, asked: Asked) -> Callable[..., Any]:
    """Ask about a copy whose destination's store has `pin`."""

    async def ask(pin: Identity | None = THERE, change: Change | None = None, **fields: Any) -> Checked:
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
async def test_a_copy_of_which_one_part_is_signed_by_another_than_the_destination(
    m8: ScriptedM8, copied_to: Callable[..., Any], part: str
) -> None:
    def forge(upload: views_pb2.SecretUpload) -> None:
        receipt = upload_pb2.Receipt.FromString(upload.receipt.content)
        own = getattr(receipt, part)
        own.CopyFrom(Identity().sign(LABELS[part], own.content))
        upload.receipt.CopyFrom(m8.identity.sign(RECEIPT, serialise(receipt)))

    assert (await copied_to(change=forge)).is_false


async def test_an_answer_about_another_request_than_was_asked_about(m8: ScriptedM8, proofs: Proofs) -> None:
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
    from monoskope.protocol.receipt import make_receipt  # noqa: PLC0415

    one = attempt(m8)
    content = make_receipt(
        grant=one.grant,
        sealed_sha256=b"",
        outcome=upload_pb2.OUTCOME_FAILED,
        reason=upload_pb2.REASON_EXPIRED,
    ).content
    checked = await proofs.upload(answer(one, one.signer.sign(RECEIPT, content)), one.request.request_id)
    assert (checked.why_not, checked.is_false) == (proof.NOTHING_SENT, False)


def secret(of: Attempt, receipt: upload_pb2.Signed) -> views_pb2.Secret:
    return views_pb2.Secret(
        uri=str(of.request.uri),
        fingerprint=FINGERPRINT,
        values=[upload_pb2.ValueFingerprint(key="password", fingerprint=FINGERPRINT)],
        upstream_version=VERSION,
        receipt=receipt,
    )


def deleted(of: Attempt) -> views_pb2.Secret:
    return views_pb2.Secret(uri=str(of.request.uri), upstream_version=VERSION, deleted=True, receipt=of.success())


async def test_a_secret_as_its_receipt_tells_is_proven_and_so_is_its_deletion(m8: ScriptedM8, proofs: Proofs) -> None:
    one = attempt(m8)
    assert (await proofs.secret(secret(one, one.success()))).proven
    assert (await proofs.secret(deleted(attempt(m8, upload_pb2.PURPOSE_DELETE)))).proven


async def test_a_secret_without_receipt_is_m8s_word(m8: ScriptedM8, proofs: Proofs) -> None:
    view = secret(attempt(m8), upload_pb2.Signed())
    view.ClearField("receipt")
    assert await proofs.secret(view) == Checked(proof.NO_RECEIPT)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("uri", "vault://app/other"),
        ("fingerprint", FINGERPRINT.replace("ab", "cd")),
        ("upstream_version", "8@2026-01-01T00:00:00Z"),
        ("deleted", True),
    ],
)
async def test_a_secret_that_is_not_as_its_receipt_tells(
    m8: ScriptedM8, proofs: Proofs, name: str, value: object
) -> None:
    one = attempt(m8)
    view = secret(one, one.success())
    setattr(view, name, value)
    assert (await proofs.secret(view)).is_false


async def test_a_secret_with_a_receipt_that_tells_of_none(m8: ScriptedM8, proofs: Proofs) -> None:
    compared = attempt(m8, upload_pb2.PURPOSE_COMPARE)
    view = views_pb2.Secret(uri=URI, upstream_version=VERSION, receipt=compared.success())
    assert (await proofs.secret(view)).is_false
    values = secret(attempt(m8), attempt(m8).success())
    values.values[0].key = "other"
    assert (await proofs.secret(values)).is_false


async def test_identities_to_which_steps_lead_from_the_pin_count_and_those_before_it_do_not(
    m8: ScriptedM8, asked: Asked
) -> None:
    first, pinned, last, stranger = m8.identity, Identity(), Identity(), Identity()
    m8.stores["vault"].rotations.extend([first.rotate(pinned, "vault"), pinned.rotate(last, "vault")])
    proofs = Proofs(Pins({(SERVER, "vault"): pinned.shown}), SERVER, asked)

    async def checked(signer: Identity) -> Checked:
        one = attempt(m8, signer=signer)
        return await proofs.secret(secret(one, one.success()))

    assert (await checked(pinned)).proven
    assert asked.stores_asked == 0
    assert (await checked(last)).proven
    assert await checked(first) == Checked(proof.EARLIER)
    assert (await checked(stranger)).is_false
    assert asked.stores_asked == 1


async def test_a_step_that_does_not_lead_to_the_pin_makes_nobody_an_earlier_identity(
    m8: ScriptedM8, proofs: Proofs
) -> None:
    stranger = Identity()
    m8.stores["vault"].rotations.append(stranger.rotate(Identity(), "vault"))
    one = attempt(m8, signer=stranger)
    assert (await proofs.secret(secret(one, one.success()))).is_false


async def test_a_step_that_the_old_identity_did_not_sign_leads_nowhere(m8: ScriptedM8, proofs: Proofs) -> None:
    thief = Identity()
    step = m8.identity.rotate(thief, "vault")
    step.old_signature = bytes(64)
    m8.stores["vault"].rotations.append(step)
    one = attempt(m8, signer=thief)
    assert (await proofs.secret(secret(one, one.success()))).is_false


async def test_versions_are_proven_by_the_requests_behind_them(m8: ScriptedM8, asked: Asked, proofs: Proofs) -> None:
    one = attempt(m8)
    request_id = one.request.request_id
    asked.answers[request_id] = answer(one, one.success())
    honest = views_pb2.SecretVersion(
        uri=URI,
        outcome=upload_pb2.OUTCOME_UPLOADED,
        upstream_version=VERSION,
        request_id=request_id,
        purpose=upload_pb2.PURPOSE_UPLOAD,
        fingerprint=FINGERPRINT,
    )
    lies = []
    for name, value in (
        ("uri", "vault://app/other"),
        ("outcome", upload_pb2.OUTCOME_UNCHANGED),
        ("upstream_version", "8"),
        ("prior_version", "6"),
        ("purpose", upload_pb2.PURPOSE_PATCH),
        ("fingerprint", FINGERPRINT.replace("ab", "cd")),
        ("request_id", bytes(16)),
    ):
        lie = views_pb2.SecretVersion()
        lie.CopyFrom(honest)
        setattr(lie, name, value)
        lies.append(lie)
    without_right = views_pb2.SecretVersion()
    without_right.CopyFrom(honest)
    without_right.fingerprint = ""

    results = await proofs.versions([honest, without_right, *lies])

    assert [result.proven for result in results] == [True, True, *([False] * len(lies))]
    assert all(result.is_false for result in results[2:])
