"""A hostile m8 after step 5: only a receipt tells, and what it cannot prove is unknown (docs/protocol.md, step 7)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import pytest

from monoskope.api.gateway.v1 import queries_pb2, views_pb2
from monoskope.api.secrets.v1 import upload_pb2
from monoskope.client import Comparison, PutResult
from monoskope.client.known_stores import KnownStores
from monoskope.errors import (
    ConflictError,
    Error,
    OutcomeUnknownError,
    RefusedError,
    TimedOutError,
    UnavailableError,
)
from monoskope.protocol.labels import RECEIPT
from monoskope.testing.scripted.client import client_for, was_received
from monoskope.testing.scripted.m8 import FINGERPRINT, VERSION, Attempt, ScriptedM8
from tests.protocol.conftest import ClientClock

VALUE = b"correct horse battery staple"
URI = "vault://app/db"
TIMEOUT_S = 60.0

End = Callable[[Attempt], views_pb2.SecretUpload]


async def put(m8: ScriptedM8, known: KnownStores) -> PutResult:
    async with client_for(m8, known.path.parent) as client:
        return await client.put_secret(URI, {"password": VALUE}, timeout=TIMEOUT_S)


async def compare(m8: ScriptedM8, known: KnownStores) -> Comparison:
    async with client_for(m8, known.path.parent) as client:
        return await client.compare_secret(URI, {"password": VALUE}, timeout=TIMEOUT_S)


async def unknown(m8: ScriptedM8, known: KnownStores) -> str:
    with pytest.raises(OutcomeUnknownError) as caught:
        await put(m8, known)
    assert not was_received(m8, VALUE)
    assert m8.attempts[0].request.request_id.hex() in caught.value.message
    return caught.value.message


def in_turn(*ends: End) -> End:
    """End each attempt in its own way, however often it is asked for."""
    seen: list[bytes] = []

    def end(attempt: Attempt) -> views_pb2.SecretUpload:
        if attempt.request.request_id not in seen:
            seen.append(attempt.request.request_id)
        return ends[seen.index(attempt.request.request_id)](attempt)

    return end


def signed(m8: ScriptedM8, reason: upload_pb2.Reason) -> End:
    return lambda attempt: m8.ended(attempt, attempt.failure(reason), reason)


def unsigned(m8: ScriptedM8, reason: upload_pb2.Reason) -> End:
    return lambda attempt: m8.ended(attempt, None, reason)


def rewritten(m8: ScriptedM8, **fields: object) -> End:
    """End with a success in which fields are changed, signed by the reactor itself."""

    def end(attempt: Attempt) -> views_pb2.SecretUpload:
        receipt = upload_pb2.Receipt.FromString(attempt.success().content)
        for name, value in fields.items():
            setattr(receipt, name, value)
        return m8.ended(attempt, attempt.signer.sign(RECEIPT, receipt.SerializeToString(deterministic=True)))

    return end


@pytest.mark.parametrize(
    "fields",
    [
        {"upstream_version": ""},
        {"fingerprint": "fp1:short"},
    ],
)
async def test_a_success_that_breaks_a_rule_proves_nothing(
    m8: ScriptedM8, known: KnownStores, fields: dict[str, object]
) -> None:
    m8.end = rewritten(m8, **fields)

    assert "proves nothing" in await unknown(m8, known)


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        (upload_pb2.REASON_CONFLICT, ConflictError),
        (upload_pb2.REASON_UPSTREAM_CHANGED, ConflictError),
        (upload_pb2.REASON_UPSTREAM_REFUSED, RefusedError),
        (upload_pb2.REASON_BAD_PAYLOAD, RefusedError),
        (upload_pb2.REASON_EXPIRED, TimedOutError),
    ],
)
async def test_signed_failure_is_failure(
    m8: ScriptedM8, known: KnownStores, reason: upload_pb2.Reason, kind: type[Error]
) -> None:
    m8.end = signed(m8, reason)

    with pytest.raises(kind):
        await put(m8, known)
    assert len(m8.attempts) == 1


async def test_signed_outcome_unknown_is_unknown(m8: ScriptedM8, known: KnownStores) -> None:
    m8.end = signed(m8, upload_pb2.REASON_OUTCOME_UNKNOWN)

    await unknown(m8, known)


async def test_silence_after_step_5_is_unknown(m8: ScriptedM8, known: KnownStores, clock: ClientClock) -> None:
    def writing(attempt: Attempt) -> views_pb2.SecretUpload:
        clock.ahead_s = 2 * TIMEOUT_S
        return views_pb2.SecretUpload(request_id=attempt.request.request_id, state=views_pb2.UPLOAD_STATE_WRITING)

    m8.end = writing

    assert "no receipt came" in await unknown(m8, known)
    assert m8.count("RequestUploadSecret") == 1


async def test_silence_before_step_5_is_timed_out(m8: ScriptedM8, known: KnownStores, clock: ClientClock) -> None:
    def requested(attempt: Attempt) -> queries_pb2.GetSecretUploadKeyResponse:
        clock.ahead_s = 2 * TIMEOUT_S
        return queries_pb2.GetSecretUploadKeyResponse(state=views_pb2.UPLOAD_STATE_REQUESTED)

    m8.key_answer = requested

    with pytest.raises(TimedOutError, match="nothing was sent"):
        await put(m8, known)
    assert len(m8.attempts) == 1
    assert m8.count("RequestUploadSecret") == 0


async def test_a_broken_connection_gets_the_same_bytes_again(m8: ScriptedM8, known: KnownStores) -> None:
    m8.failing = {
        "RequestSecretUploadKey": ["unavailable"],
        "GetSecretUploadKey": ["unavailable"],
        "RequestUploadSecret": ["unavailable", "unavailable"],
    }

    assert (await put(m8, known)).outcome == "UPLOADED"

    assert len(m8.attempts) == 1
    sent = [hashlib.sha256(message).digest() for message in m8.received if len(message) > 1_600]
    assert len(sent) == 3
    assert len(set(sent)) == 1


@pytest.mark.parametrize("reason", [upload_pb2.REASON_KEY_LOST, upload_pb2.REASON_UPSTREAM_UNAVAILABLE])
async def test_a_new_attempt_has_its_own_id_grant_and_sealing(
    m8: ScriptedM8, known: KnownStores, reason: upload_pb2.Reason
) -> None:
    m8.end = in_turn(signed(m8, reason), m8.honest_end)

    result = await put(m8, known)

    first, second = m8.attempts
    assert result.request_id == second.request.request_id.hex()
    assert result.hash == FINGERPRINT
    assert result.upstream_version == VERSION
    assert first.request.request_id != second.request.request_id
    assert first.sealed != second.sealed


async def test_three_new_attempts_and_no_more_on_a_lost_key(m8: ScriptedM8, known: KnownStores) -> None:
    m8.end = signed(m8, upload_pb2.REASON_KEY_LOST)

    with pytest.raises(OutcomeUnknownError):
        await put(m8, known)
    assert len(m8.attempts) == 4


async def test_three_new_attempts_and_no_more_on_an_absent_engine(m8: ScriptedM8, known: KnownStores) -> None:
    m8.end = signed(m8, upload_pb2.REASON_UPSTREAM_UNAVAILABLE)

    with pytest.raises(UnavailableError):
        await put(m8, known)
    assert len(m8.attempts) == 4


NO_REACTOR = UnavailableError("no reactor of the store vault is attached.")


async def test_a_doubt_is_not_left_behind_while_a_reactor_may_come_back(m8: ScriptedM8, known: KnownStores) -> None:
    def lost(attempt: Attempt) -> views_pb2.SecretUpload:
        m8.failing = {"RequestSecretUploadKey": [NO_REACTOR] * 6}
        return signed(m8, upload_pb2.REASON_KEY_LOST)(attempt)

    m8.end = in_turn(lost, m8.honest_end)

    assert (await put(m8, known)).outcome == "UPLOADED"
    assert len(m8.attempts) == 2


async def test_where_nothing_was_sent_nobody_waits_for_a_reactor(m8: ScriptedM8, known: KnownStores) -> None:
    m8.failing = {"RequestSecretUploadKey": [NO_REACTOR] * 2}

    with pytest.raises(UnavailableError, match="no reactor"):
        await put(m8, known)
    assert m8.count("RequestSecretUploadKey") == 1


async def test_a_proof_that_fails_after_a_lost_key_leaves_that_one_unknown(m8: ScriptedM8, known: KnownStores) -> None:
    def bad_second_grant(attempt: Attempt) -> object:
        return m8.honest_key(m8.attempts[0])

    m8.end = signed(m8, upload_pb2.REASON_KEY_LOST)
    m8.key_answer = bad_second_grant  # type: ignore[assignment]

    assert "another request" in await unknown(m8, known)
    assert m8.count("RequestUploadSecret") == 1


async def test_a_comparison_tells_which_keys_differ(m8: ScriptedM8, known: KnownStores) -> None:
    differences = [("old", upload_pb2.DIFFERENCE_KIND_EXTRA), ("password", upload_pb2.DIFFERENCE_KIND_CHANGED)]
    m8.end = lambda attempt: m8.ended(
        attempt, attempt.receipt(upload_pb2.OUTCOME_DIFFERENT, upstream_version=VERSION, differences=differences)
    )

    comparison = await compare(m8, known)

    assert not comparison.equal
    assert comparison.differences == {"old": "EXTRA", "password": "CHANGED"}


async def test_the_last_attempt_of_a_comparison_counts_alone(m8: ScriptedM8, known: KnownStores) -> None:
    m8.end = in_turn(signed(m8, upload_pb2.REASON_KEY_LOST), signed(m8, upload_pb2.REASON_CANNOT_READ))

    with pytest.raises(RefusedError):
        await compare(m8, known)
    assert len(m8.attempts) == 2
