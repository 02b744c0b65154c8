"""An m8 that lies about the end of a request: whatever was asked, only a receipt for this very request is an end.

One table of lies, each told about each purpose. What only one purpose can be lied to about: `test_hostile_m8_purposes`.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest

from monoskope.api.gateway.v1 import views_pb2
from monoskope.api.secrets.v1 import upload_pb2
from monoskope.client.known_stores import KnownStores
from monoskope.errors import ConflictError, IdentityChangedError, OutcomeUnknownError, RefusedError
from monoskope.protocol.identity import RECEIPT, UPLOAD_GRANT
from monoskope.protocol.request import make_request
from monoskope.testing.cluster.identities import Identity, OneTimeKey
from monoskope.testing.scripted.client import client_for, was_received
from monoskope.testing.scripted.m8 import Attempt
from tests.protocol.purposes import PURPOSES, VALUES, ShowingM8, success
from tests.support.receipts import GOOD

Lie = Callable[[ShowingM8, Attempt], views_pb2.SecretUpload]
CONFLICT = upload_pb2.REASON_CONFLICT


async def walk(m8: ShowingM8, known: KnownStores, purpose: str) -> object:
    async with client_for(m8, known.path.parent) as client:
        return await PURPOSES[purpose].walk(client)


async def unknown(m8: ShowingM8, known: KnownStores, purpose: str) -> str:
    """Walk once, expect that the end is not known, and return the error's message, which names the request."""
    before = len(m8.attempts)
    with pytest.raises(OutcomeUnknownError, match=PURPOSES[purpose].unknown) as caught:
        await walk(m8, known, purpose)
    (attempt,) = m8.attempts[before:]
    assert attempt.request.request_id.hex() in caught.value.message
    assert not was_received(m8, VALUES["password"])
    return caught.value.message


def success_without_a_receipt(m8: ShowingM8, attempt: Attempt) -> views_pb2.SecretUpload:
    upload = m8.ended(attempt)
    upload.outcome = upload_pb2.Receipt.FromString(success(attempt).content).outcome
    return upload


def unsigned(reason: upload_pb2.Reason) -> Lie:
    return lambda m8, attempt: m8.ended(attempt, None, reason)


def signed_otherwise(label: bytes, signer: Identity | None = None) -> Lie:
    def lie(m8: ShowingM8, attempt: Attempt) -> views_pb2.SecretUpload:
        return m8.ended(attempt, (signer or attempt.signer).sign(label, success(attempt).content))

    return lie


def with_the_signature_of_a_failure(m8: ShowingM8, attempt: Attempt) -> views_pb2.SecretUpload:
    receipt = attempt.failure(CONFLICT)
    receipt.content = success(attempt).content
    return m8.ended(attempt, receipt)


def about_other_sealed_bytes(m8: ShowingM8, attempt: Attempt) -> views_pb2.SecretUpload:
    attempt.sealed.append(b"a value of m8's own, sealed")
    receipt = success(attempt)
    attempt.sealed.pop()
    return m8.ended(attempt, receipt)


def rewritten(**fields: object) -> Lie:
    """End with a success in which fields are changed, signed by the reactor itself."""

    def lie(m8: ShowingM8, attempt: Attempt) -> views_pb2.SecretUpload:
        receipt = upload_pb2.Receipt.FromString(success(attempt).content)
        for name, value in fields.items():
            setattr(receipt, name, value)
        return m8.ended(attempt, attempt.signer.sign(RECEIPT, receipt.SerializeToString(deterministic=True)))

    return lie


def started(m8: ShowingM8, attempt: Attempt) -> views_pb2.SecretUpload:
    return m8.ended(attempt, attempt.receipt(upload_pb2.OUTCOME_STARTED, intent=bytes(32)))


def nothing(m8: ShowingM8, attempt: Attempt) -> views_pb2.SecretUpload:
    return m8.ended(attempt)


LIES: dict[str, tuple[Lie, str]] = {
    "that it is over": (nothing, "no receipt"),
    "success without a receipt": (success_without_a_receipt, "no receipt"),
    "a conflict that nobody signed": (unsigned(CONFLICT), "no receipt"),
    "a deactivated store that nobody signed": (unsigned(upload_pb2.REASON_STORE_INACTIVE), "no receipt"),
    "signed by a stranger": (signed_otherwise(RECEIPT, Identity()), "proves nothing"),
    "signed as something else": (signed_otherwise(UPLOAD_GRANT), "does not verify"),
    "under the signature of a failure": (with_the_signature_of_a_failure, "does not verify"),
    "about other sealed bytes": (about_other_sealed_bytes, "other sealed bytes"),
    "about another secret": (rewritten(uri="vault://app/other"), "proves nothing"),
    "about another grant": (rewritten(grant_sha256=bytes(32)), "another grant"),
    "without sealed bytes": (rewritten(sealed_sha256=b""), "proves nothing"),
    "with an outcome that nobody knows": (rewritten(outcome=99), "proves nothing"),
    "with an intent": (rewritten(intent=bytes(32)), "proves nothing"),
    "that writing began": (started, "proves nothing"),
}
"""What m8 says of the end, and what its user is told of it."""


@pytest.mark.parametrize("purpose", PURPOSES)
@pytest.mark.parametrize("lie", LIES)
async def test_a_lie_about_the_end_of_a_request_leaves_it_unknown(
    m8: ShowingM8, known: KnownStores, lie: str, purpose: str
) -> None:
    tell, why = LIES[lie]
    m8.end = lambda attempt: tell(m8, attempt)
    assert why in await unknown(m8, known, purpose)


@pytest.mark.parametrize("purpose", PURPOSES)
async def test_the_receipt_of_an_earlier_request_is_a_replay(m8: ShowingM8, known: KnownStores, purpose: str) -> None:
    await walk(m8, known, purpose)
    first = success(m8.attempts.pop())
    m8.end = lambda attempt: m8.ended(attempt, first)
    assert "another grant" in await unknown(m8, known, purpose)


@pytest.mark.parametrize("purpose", PURPOSES)
async def test_the_end_of_another_purpose_is_none(m8: ShowingM8, known: KnownStores, purpose: str) -> None:
    every = set[str]().union(*(row.outcomes for row in PURPOSES.values()))
    for kind in sorted(every - PURPOSES[purpose].outcomes):
        m8.end = lambda attempt, fields=GOOD[kind]: m8.ended(attempt, attempt.receipt(**fields))  # type: ignore[misc]
        assert "does not fit" in await unknown(m8, known, purpose), kind


@pytest.mark.parametrize("purpose", PURPOSES)
async def test_what_m8_refuses_after_sending_is_unknown(m8: ShowingM8, known: KnownStores, purpose: str) -> None:
    m8.failing["RequestUploadSecret"] = [RefusedError("the store is inactive.")]
    assert "the store is inactive" in await unknown(m8, known, purpose)


@pytest.mark.parametrize("purpose", PURPOSES)
async def test_a_signed_conflict_is_one(m8: ShowingM8, known: KnownStores, purpose: str) -> None:
    m8.end = lambda attempt: m8.ended(attempt, attempt.failure(CONFLICT), CONFLICT)
    with pytest.raises(ConflictError):
        await walk(m8, known, purpose)
    assert len(m8.attempts) == 1


def of_a_thief(m8: ShowingM8, attempt: Attempt) -> Attempt:
    return m8.grant_for(attempt.request, signer=Identity(), key=OneTimeKey())


def of_another_request(m8: ShowingM8, attempt: Attempt) -> Attempt:
    asked = attempt.request
    fields: dict[str, Any] = {
        name: getattr(asked, name)
        for name in ("purpose", "uri", "expect", "suites", "destination", "recipes", "to_version")
    }
    return m8.grant_for(make_request(request_id=os.urandom(16), remove_keys=asked.remove_keys, **fields))


def of_another_user(m8: ShowingM8, attempt: Attempt) -> Attempt:
    m8.subject = "mallory"
    return m8.grant_for(attempt.request)


@pytest.mark.parametrize("purpose", PURPOSES)
@pytest.mark.parametrize("grant", [of_a_thief, of_another_request, of_another_user])
async def test_under_a_grant_that_is_none_nothing_is_sent(
    m8: ShowingM8, known: KnownStores, grant: Callable[[ShowingM8, Attempt], Attempt], purpose: str
) -> None:
    m8.key_answer = lambda attempt: m8.honest_key(grant(m8, attempt))
    with pytest.raises(IdentityChangedError):
        await walk(m8, known, purpose)
    assert m8.count("RequestUploadSecret") == 0
    assert not was_received(m8, VALUES["password"])
