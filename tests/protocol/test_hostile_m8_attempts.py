"""When a new attempt begins after something was sent: only when a receipt says that it cannot be written any more."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from monoskope.api.gateway.v1 import views_pb2
from monoskope.api.secrets.v1 import upload_pb2
from monoskope.client import Client
from monoskope.errors import Code, ConflictError, Error, OutcomeUnknownError, ProtocolError, UnavailableError
from monoskope.protocol.labels import RECEIPT
from monoskope.protocol.receipt import make_receipt
from monoskope.testing.scripted.client import client_for
from monoskope.testing.scripted.m8 import Attempt, ScriptedM8
from tests.protocol.purposes import ATTEMPTED_ANEW, PURPOSES, URI, VALUES

OTHER = "vault://app/other"
KEY_LOST, CONFLICT = upload_pb2.REASON_KEY_LOST, upload_pb2.REASON_CONFLICT
UNAVAILABLE, UNKNOWN = upload_pb2.REASON_UPSTREAM_UNAVAILABLE, upload_pb2.REASON_OUTCOME_UNKNOWN
GARBAGE = b"\xff\xff no message"

End = Callable[[ScriptedM8, Attempt], views_pb2.SecretUpload]


pytestmark = pytest.mark.usefixtures("known")
_put = PURPOSES["put"].walk


@pytest.fixture(params=ATTEMPTED_ANEW)
def purpose(request: pytest.FixtureRequest) -> Callable[[Client], Awaitable[object]]:
    return PURPOSES[request.param].walk


def signed(reason: upload_pb2.Reason) -> End:
    return lambda m8, attempt: m8.ended(attempt, attempt.failure(reason), reason)


def unsigned(reason: upload_pb2.Reason) -> End:
    return lambda m8, attempt: m8.ended(attempt, None, reason)


def from_another_process(m8: ScriptedM8, attempt: Attempt) -> views_pb2.SecretUpload:
    return m8.ended(attempt, attempt.receipt(upload_pb2.OUTCOME_FAILED, reason=KEY_LOST, replica=bytes(16)), KEY_LOST)


def that_names_no_process(m8: ScriptedM8, attempt: Attempt) -> views_pb2.SecretUpload:
    return m8.ended(attempt, attempt.receipt(upload_pb2.OUTCOME_FAILED, reason=KEY_LOST), KEY_LOST)


def about_nothing_that_was_sent(m8: ScriptedM8, attempt: Attempt) -> views_pb2.SecretUpload:
    content = make_receipt(
        grant=attempt.grant,
        sealed_sha256=b"",
        outcome=upload_pb2.OUTCOME_FAILED,
        reason=KEY_LOST,
        replica=attempt.grant.replica,
    ).content
    return m8.ended(attempt, attempt.signer.sign(RECEIPT, content), KEY_LOST)


def script(m8: ScriptedM8, *ends: End) -> None:
    """End each attempt in its own way, those after the last with success."""

    def end(attempt: Attempt) -> views_pb2.SecretUpload:
        number = m8.attempts.index(attempt)
        return ends[number](m8, attempt) if number < len(ends) else m8.honest_end(attempt)

    m8.end = end


@pytest.mark.parametrize("end", [signed(KEY_LOST), signed(UNAVAILABLE)])
async def test_proof_that_it_cannot_be_written_any_more_begins_a_new_attempt(
    m8: ScriptedM8, tmp_path: Path, purpose: Callable[[Client], Awaitable[object]], end: End
) -> None:
    script(m8, end)
    async with client_for(m8, tmp_path) as client:
        await purpose(client)
    assert len(m8.attempts) == 2


@pytest.mark.parametrize(
    "end",
    [
        unsigned(KEY_LOST),
        unsigned(UNAVAILABLE),
        from_another_process,
        that_names_no_process,
        about_nothing_that_was_sent,
        signed(UNKNOWN),
    ],
)
async def test_without_it_none_begins_and_the_end_is_unknown(
    m8: ScriptedM8, tmp_path: Path, purpose: Callable[[Client], Awaitable[object]], end: End
) -> None:
    script(m8, end)
    async with client_for(m8, tmp_path) as client:
        with pytest.raises(OutcomeUnknownError) as caught:
            await purpose(client)
    (attempt,) = m8.attempts
    assert attempt.request.request_id.hex() in caught.value.message


async def test_a_lost_key_that_names_no_process_is_said_to_name_none(
    m8: ScriptedM8, tmp_path: Path, purpose: Callable[[Client], Awaitable[object]]
) -> None:
    script(m8, that_names_no_process)
    async with client_for(m8, tmp_path) as client:
        with pytest.raises(OutcomeUnknownError, match="does not name the process"):
            await purpose(client)


async def test_a_conflict_after_an_own_lost_key_begins_a_new_attempt(
    m8: ScriptedM8, tmp_path: Path, purpose: Callable[[Client], Awaitable[object]]
) -> None:
    script(m8, signed(KEY_LOST), signed(CONFLICT))
    async with client_for(m8, tmp_path) as client:
        await purpose(client)
    assert len(m8.attempts) == 3


@pytest.mark.parametrize("before", [(), (signed(UNAVAILABLE),)])
async def test_any_other_conflict_is_shown(
    m8: ScriptedM8, tmp_path: Path, purpose: Callable[[Client], Awaitable[object]], before: tuple[End, ...]
) -> None:
    script(m8, *before, signed(CONFLICT))
    async with client_for(m8, tmp_path) as client:
        with pytest.raises(ConflictError):
            await purpose(client)
    assert len(m8.attempts) == 1 + len(before)


async def test_a_lost_key_behind_a_failure_leaves_a_doubt(m8: ScriptedM8, tmp_path: Path) -> None:
    script(m8, signed(KEY_LOST), signed(upload_pb2.REASON_UPSTREAM_REFUSED))
    async with client_for(m8, tmp_path) as client:
        with pytest.raises(OutcomeUnknownError, match="UPSTREAM_REFUSED"):
            await _put(client)


async def test_an_engine_that_stays_away_is_said_to_be_after_three_new_attempts(m8: ScriptedM8, tmp_path: Path) -> None:
    script(m8, *[signed(UNAVAILABLE)] * 9)
    async with client_for(m8, tmp_path) as client:
        with pytest.raises(UnavailableError):
            await _put(client)
    assert len(m8.attempts) == 4


@pytest.mark.parametrize("end", [unsigned(KEY_LOST), from_another_process])
async def test_the_message_says_until_when_it_could_still_be_written(m8: ScriptedM8, tmp_path: Path, end: End) -> None:
    script(m8, end)
    before = dt.datetime.now().astimezone()
    async with client_for(m8, tmp_path) as client:
        with pytest.raises(OutcomeUnknownError) as caught:
            await _put(client)
    lifetime = dt.timedelta(seconds=m8.attempts[0].grant.lifetime_s)
    found = re.search(r"could still be written until (\S+ \S+)\.", caught.value.message)
    assert found is not None
    until = dt.datetime.fromisoformat(found[1])
    second = dt.timedelta(seconds=1)
    assert before + lifetime - second <= until <= dt.datetime.now().astimezone() + lifetime + 2 * second


@pytest.mark.parametrize("end", [signed(UNKNOWN), *[signed(KEY_LOST)]])
async def test_what_is_over_could_not_still_be_written(m8: ScriptedM8, tmp_path: Path, end: End) -> None:
    script(m8, *[end] * 4)
    async with client_for(m8, tmp_path) as client:
        with pytest.raises(OutcomeUnknownError) as caught:
            await _put(client)
    assert "still" not in caught.value.message


async def test_an_answer_that_cannot_be_read_leaves_it_unknown_after_sending(m8: ScriptedM8, tmp_path: Path) -> None:
    m8.failing["RequestUploadSecret"] = [GARBAGE]
    async with client_for(m8, tmp_path) as client:
        with pytest.raises(OutcomeUnknownError) as caught:
            await _put(client)
    assert m8.attempts[0].request.request_id.hex() in caught.value.message
    assert "not a message of this protocol" in caught.value.message


async def test_of_two_secrets_the_other_one_keeps_its_success(m8: ScriptedM8, tmp_path: Path) -> None:
    m8.failing["RequestUploadSecret"] = [GARBAGE]
    async with client_for(m8, tmp_path) as client:
        results = await client.put_secrets([URI, OTHER], VALUES, timeout=60)
    failures = [result for result in results if isinstance(result, Error)]
    assert [type(failure) for failure in failures] == [OutcomeUnknownError]


@pytest.mark.parametrize("method", ["GetSecretStore", "RequestSecretUploadKey"])
async def test_before_sending_it_is_an_error_of_its_own(m8: ScriptedM8, tmp_path: Path, method: str) -> None:
    m8.failing[method] = [GARBAGE]
    async with client_for(m8, tmp_path) as client:
        with pytest.raises(ProtocolError) as caught:
            await _put(client)
    assert caught.value.code is Code.PROTOCOL
    assert all(not attempt.sealed for attempt in m8.attempts)


async def test_a_defect_after_sending_leaves_it_unknown(
    m8: ScriptedM8, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("monoskope.client.trust.Trust.open_receipt", broken)
    async with client_for(m8, tmp_path) as client:
        with pytest.raises(OutcomeUnknownError, match="ZeroDivisionError"):
            await _put(client)
