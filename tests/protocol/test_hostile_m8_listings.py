"""An m8 that lies in its lists: of secrets and versions, and of the identities that signed what it shows."""

from __future__ import annotations

import pytest

from monoskope.api.gateway.v1 import views_pb2
from monoskope.api.secrets.v1 import upload_pb2
from monoskope.client.known_stores import Pins
from monoskope.client.proofs import receipts as proof
from monoskope.client.proofs.receipts import Checked, Proofs
from monoskope.testing.cluster.identities import Identity
from monoskope.testing.scripted.m8 import FINGERPRINT, VERSION, Attempt, ScriptedM8
from tests.protocol.answers import SERVER, URI, Asked, answer, attempt


@pytest.fixture
def m8() -> ScriptedM8:
    return ScriptedM8()


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
async def test_a_secret_that_is_not_as_its_receipt_tells_is_called_false(
    m8: ScriptedM8, proofs: Proofs, name: str, value: object
) -> None:
    one = attempt(m8)
    view = secret(one, one.success())
    setattr(view, name, value)
    assert (await proofs.secret(view)).is_false


async def test_a_secret_with_a_receipt_that_tells_of_none_is_called_false(m8: ScriptedM8, proofs: Proofs) -> None:
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
        subject="alice",
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
        ("subject", "mallory"),
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
