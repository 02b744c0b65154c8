"""What the client says of answers: proven by a receipt under the pin, m8's word, or false.

The lies about them are rows of the catalogue (`tests/lies/about/questions.py`).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest

from monoskope.api.gateway.v1 import queries_pb2, views_pb2
from monoskope.api.secrets.v1 import upload_pb2
from monoskope.client.known.pins import Pins
from monoskope.client.queries import Queries
from monoskope.client.runtime.on_asyncio import ASYNCIO
from monoskope.client.walk import receipts as proof
from monoskope.client.walk.receipts import Checked, Proofs
from monoskope.errors import LogMismatchError, NotFoundError
from monoskope.protocol.identity import RECEIPT
from monoskope.protocol.purposes import PURPOSES as RULES
from monoskope.protocol.receipt import make_receipt
from monoskope.protocol.recipes import Recipe
from monoskope.protocol.request import make_request
from monoskope.protocol.wire import serialise
from monoskope.testing.cluster.identities import Identity
from monoskope.testing.scripted.m8 import FINGERPRINT, VERSION, Attempt, ScriptedM8
from monoskope.uri import SecretUri
from tests.protocol.copied import DESTINATION, DESTINATION_IDENTITY, LABELS, copied
from tests.support.vectors import EXPECT_NOTHING

SERVER, URI = "m8:7443", "vault://app/db"
Change = Callable[[views_pb2.SecretUpload], object]
PURPOSES = [purpose for purpose in RULES if purpose != upload_pb2.PURPOSE_COPY]
"""All but COPY, of which there is more to prove."""


class Asked(Queries):
    """Queries without a server: answers are set by the test."""

    def __init__(self, m8: ScriptedM8) -> None:
        self.m8 = m8
        self.runtime = ASYNCIO
        self.answers: dict[bytes, queries_pb2.GetSecretUploadResponse] = {}
        self.stores_asked = 0

    async def store(self, name: str = "", **_rest: Any) -> views_pb2.SecretStore:
        self.stores_asked += 1
        return self.m8.stores[name]

    async def upload_answer(self, request_id: bytes, **_rest: Any) -> queries_pb2.GetSecretUploadResponse:
        if request_id not in self.answers:
            raise NotFoundError("m8 says: no such request.", by_m8=True)
        return self.answers[request_id]


async def in_no_log(_request_id: bytes) -> upload_pb2.Signed:
    raise LogMismatchError("nothing shows it.")


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
    signer: Identity | None = None,
    destination: str = "",
) -> Attempt:
    request = make_request(
        request_id=os.urandom(16),
        purpose=purpose,
        uri=SecretUri.parse(URI),
        expect=upload_pb2.EXPECT_UNSPECIFIED if purpose in EXPECT_NOTHING else upload_pb2.EXPECT_ANY,
        suites=(1,),
        destination=SecretUri.parse(destination) if destination else None,
        recipes=(Recipe("password", "password"),) if purpose == upload_pb2.PURPOSE_GENERATE else (),
        to_version="1@x" if purpose == upload_pb2.PURPOSE_ROLLBACK else "",
        remove_keys=("old",) if purpose == upload_pb2.PURPOSE_PATCH else (),
    )
    made = m8.grant_for(request, signer=signer)
    made.sealed.append(b"sealed" if request.rules.seals else b"")
    return made


def answer(
    of: Attempt, receipt: upload_pb2.Signed | None, change: Change = lambda _: None
) -> queries_pb2.GetSecretUploadResponse:
    upload = views_pb2.SecretUpload(
        request_id=of.request.request_id,
        uri=str(of.request.uri),
        purpose=of.request.purpose,
        subject=of.grant.subject,
        destination=str(of.request.destination or ""),
        state=views_pb2.UPLOAD_STATE_ENDED,
        grant=of.signed_grant(),
        receipt=receipt,
    )
    change(upload)
    return queries_pb2.GetSecretUploadResponse(upload=upload)


async def checked(
    proofs: Proofs, of: Attempt, receipt: upload_pb2.Signed | None, change: Change = lambda _: None
) -> Checked:
    return await proofs.upload(answer(of, receipt, change), of.request.request_id)


async def test_a_receipt_of_that_request_under_the_pin_is_proof(m8: ScriptedM8, proofs: Proofs) -> None:
    for purpose in PURPOSES:
        one = attempt(m8, purpose)
        found = await checked(proofs, one, one.success())
        assert found.proven, found.why_not
        assert found.receipt is not None
    failed = attempt(m8)
    assert (await checked(proofs, failed, failed.failure(upload_pb2.REASON_CONFLICT))).proven


async def test_without_receipt_end_or_pin_it_is_m8s_word_and_no_alarm(m8: ScriptedM8, proofs: Proofs) -> None:
    one = attempt(m8)
    assert await checked(proofs, one, None) == Checked(proof.NO_RECEIPT)
    writing = views_pb2.UPLOAD_STATE_WRITING
    assert await checked(proofs, one, one.success(), lambda view: setattr(view, "state", writing)) == Checked(
        proof.NOT_ENDED
    )
    unpinned = await checked(Proofs(Pins(), SERVER, Asked(m8)), one, one.success())
    assert (unpinned, unpinned.is_false) == (Checked(proof.NOT_PINNED), False)


@pytest.mark.parametrize("purpose", [one for one in PURPOSES if not RULES[one].seals], ids=upload_pb2.Purpose.Name)
async def test_a_receipt_that_names_sealed_bytes_is_no_proof_for_a_purpose_that_seals_nothing(
    m8: ScriptedM8, proofs: Proofs, purpose: upload_pb2.Purpose
) -> None:
    one = attempt(m8, purpose)
    one.sealed[:] = [b"something"]
    found = await checked(proofs, one, one.success())
    assert (found.is_false, found.receipt) == (True, None)


@pytest.fixture
def copied_to(m8: ScriptedM8, asked: Asked) -> Callable[..., Any]:
    """Ask about a copy whose destination's store has `pin`."""

    async def ask(
        pin: Identity | None = DESTINATION_IDENTITY, change: Change = lambda _: None, **fields: Any
    ) -> Checked:
        one = attempt(m8, upload_pb2.PURPOSE_COPY, destination=DESTINATION)
        pins = {(SERVER, "vault"): m8.identity.shown} | ({(SERVER, "local"): pin.shown} if pin else {})
        m8.stores["local"] = views_pb2.SecretStore(name="local")
        return await checked(Proofs(Pins(pins), SERVER, asked), one, copied(one, **fields), change)

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


@pytest.mark.parametrize("reason", [upload_pb2.REASON_KEY_LOST, upload_pb2.REASON_OUTCOME_UNKNOWN])
async def test_a_signed_doubt_is_no_proof_of_failure(m8: ScriptedM8, proofs: Proofs, reason: upload_pb2.Reason) -> None:
    one = attempt(m8)
    found = await checked(proofs, one, one.failure(reason))
    assert (found.why_not, found.is_false) == (proof.NOT_KNOWN, False)
    assert found.receipt is not None


async def test_a_failure_that_names_nothing_sent_says_nothing_of_what_was(m8: ScriptedM8, proofs: Proofs) -> None:
    one = attempt(m8)
    failed, expired = upload_pb2.OUTCOME_FAILED, upload_pb2.REASON_EXPIRED
    content = make_receipt(grant=one.grant, sealed_sha256=b"", outcome=failed, reason=expired).content
    found = await checked(proofs, one, one.signer.sign(RECEIPT, content))
    assert (found.why_not, found.is_false) == (proof.NOTHING_SENT, False)


def secret(of: Attempt, receipt: upload_pb2.Signed) -> views_pb2.Secret:
    values = [upload_pb2.ValueFingerprint(key="password", fingerprint=FINGERPRINT)]
    return views_pb2.Secret(
        uri=str(of.request.uri), fingerprint=FINGERPRINT, values=values, upstream_version=VERSION, receipt=receipt
    )


async def test_a_secret_as_its_receipt_tells_is_proven_and_so_is_its_deletion(m8: ScriptedM8, proofs: Proofs) -> None:
    one, deleted = attempt(m8), attempt(m8, upload_pb2.PURPOSE_DELETE)
    assert (await proofs.secret(secret(one, one.success()))).proven
    gone = views_pb2.Secret(uri=URI, upstream_version=VERSION, deleted=True, receipt=deleted.success())
    assert (await proofs.secret(gone)).proven


async def test_identities_to_which_steps_lead_from_the_pin_count_and_those_before_it_do_not(
    m8: ScriptedM8, asked: Asked
) -> None:
    first, pinned, last, stranger = m8.identity, Identity(), Identity(), Identity()
    m8.stores["vault"].rotations.extend([first.rotate(pinned, "vault"), pinned.rotate(last, "vault")])
    logged: dict[bytes, upload_pb2.Signed] = {}

    async def in_the_log(request_id: bytes) -> upload_pb2.Signed:
        return logged[request_id] if request_id in logged else await in_no_log(request_id)

    proofs = Proofs(Pins({(SERVER, "vault"): pinned.shown}), SERVER, asked, logged=in_the_log)

    async def said(signer: Identity) -> Checked:
        one = attempt(m8, signer=signer)
        return await proofs.secret(secret(one, one.success()))

    assert (await said(pinned)).proven
    assert asked.stores_asked == 0
    assert (await said(last)).proven
    assert await said(first) == Checked(proof.EARLIER)
    assert (await said(stranger)).is_false
    assert asked.stores_asked == 1
    before = attempt(m8, signer=first)
    shows = secret(before, before.success())
    shows.request_id = before.request.request_id
    logged[shows.request_id] = shows.receipt
    assert (await proofs.secret(shows)).proven
    logged[shows.request_id] = attempt(m8, signer=first).success()  # of another request
    assert await proofs.secret(shows) == Checked(proof.EARLIER)


@pytest.mark.parametrize("leads", ["not to the pin", "from no signature"])
async def test_a_step_that_leads_nowhere_makes_no_identity_count(m8: ScriptedM8, proofs: Proofs, leads: str) -> None:
    stranger = Identity()
    if leads == "not to the pin":
        step = stranger.rotate(Identity(), "vault")
    else:
        step = m8.identity.rotate(stranger, "vault")
        step.old_signature = bytes(64)
    m8.stores["vault"].rotations.append(step)
    one = attempt(m8, signer=stranger)
    assert (await proofs.secret(secret(one, one.success()))).is_false


async def test_versions_are_proven_by_the_requests_behind_them(m8: ScriptedM8, asked: Asked, proofs: Proofs) -> None:
    one = attempt(m8)
    asked.answers[one.request.request_id] = answer(one, one.success())
    honest = views_pb2.SecretVersion(
        uri=URI,
        outcome=upload_pb2.OUTCOME_UPLOADED,
        upstream_version=VERSION,
        request_id=one.request.request_id,
        purpose=upload_pb2.PURPOSE_UPLOAD,
        fingerprint=FINGERPRINT,
        subject="alice",
    )
    without_right = views_pb2.SecretVersion.FromString(honest.SerializeToString())
    without_right.fingerprint = ""
    assert [found.proven for found in await proofs.versions([honest, without_right])] == [True, True]


async def test_an_answer_about_another_request_than_was_asked_about_is_called_false(
    m8: ScriptedM8, proofs: Proofs
) -> None:
    one, other = attempt(m8), attempt(m8)
    asked_for = one.request.request_id
    assert (await proofs.upload(answer(other, other.success()), asked_for)).is_false
    as_asked = answer(other, other.success(), lambda view: setattr(view, "request_id", asked_for))
    assert (await proofs.upload(as_asked, asked_for)).is_false
    renamed = answer(one, one.success(), lambda view: setattr(view, "request_id", other.request.request_id))
    assert (await proofs.upload(renamed, asked_for)).is_false


async def test_a_secret_with_a_receipt_that_tells_of_none_is_called_false(m8: ScriptedM8, proofs: Proofs) -> None:
    compared = attempt(m8, upload_pb2.PURPOSE_COMPARE)
    view = views_pb2.Secret(uri=URI, upstream_version=VERSION, receipt=compared.success())
    assert (await proofs.secret(view)).is_false


async def test_that_writing_began_is_no_end(m8: ScriptedM8, proofs: Proofs) -> None:
    one = attempt(m8)
    begun = one.receipt(upload_pb2.OUTCOME_STARTED, intent=bytes(32))
    assert (await checked(proofs, one, begun)).is_false
