"""An m8 that refuses for a limit that there is not, or tells a client to come back at once, or never."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from monoskope.api.gateway.v1 import queries_pb2, views_pb2
from monoskope.api.secrets.v1 import upload_pb2
from monoskope.client import Client
from monoskope.client.pace import AT_ONCE
from monoskope.errors import OutcomeUnknownError, RateLimitedError
from monoskope.testing.scripted.client import client_for, settings_for
from monoskope.testing.scripted.m8 import Attempt, ScriptedM8
from tests.protocol.purposes import ATTEMPTED_ANEW, PURPOSES, URI, VALUES
from tests.support.clocks import Clock, clocked

LIMITED = upload_pb2.REASON_RATE_LIMITED
GUESSES = {"compare"}

Answer = Callable[[Attempt], queries_pb2.GetSecretUploadKeyResponse]

pytestmark = pytest.mark.usefixtures("known")


def refusing(
    times: int, told_s: int
) -> Callable[[ScriptedM8], Callable[[Attempt], queries_pb2.GetSecretUploadKeyResponse]]:
    """Refuse the first requests for their rate, and be honest about those after them."""

    def on(m8: ScriptedM8) -> Answer:
        def answer(attempt: Attempt) -> queries_pb2.GetSecretUploadKeyResponse:
            if m8.attempts.index(attempt) >= times:
                return m8.honest_key(attempt)
            return queries_pb2.GetSecretUploadKeyResponse(
                state=views_pb2.UPLOAD_STATE_ENDED, reason=LIMITED, retry_after_s=told_s
            )

        return answer

    return on


@pytest.mark.parametrize("name", sorted(set(ATTEMPTED_ANEW) - GUESSES))
async def test_whatever_a_limit_refused_before_its_key_is_asked_for_anew(
    m8: ScriptedM8, tmp_path: Path, name: str
) -> None:
    # An m8 or a reactor of before the field says nothing about when to come back.
    m8.key_answer = refusing(5, 0)(m8)

    async with client_for(m8, tmp_path) as client:
        await PURPOSES[name].walk(client)

    assert len(m8.attempts) == 6


async def test_limits_for_ever_end_with_the_time_and_are_not_met_by_hammering(m8: ScriptedM8, tmp_path: Path) -> None:
    m8.key_answer = refusing(1_000_000, 0)(m8)
    clock = Clock(time=0.0)

    # The time passes by this client's pauses alone: how many calls a machine makes in it does not count.
    kind = clocked(Client, clock)
    async with kind(settings_for(m8, tmp_path), system_known_stores=tmp_path / "no_known_stores") as client:
        with pytest.raises(RateLimitedError, match="takes no more requests") as caught:
            await client.put_secret(URI, VALUES, timeout=100)

    # The first pause is a second, and the longest 16.
    assert 6 < len(m8.attempts) < 20
    assert clock.time < 100
    assert m8.count("RequestUploadSecret") == 0
    assert "nothing was sent" in caught.value.message


@pytest.mark.parametrize("told_s", [61, 3_600, 2**32 - 1])
async def test_what_takes_too_long_is_told_at_once(m8: ScriptedM8, tmp_path: Path, told_s: int) -> None:
    m8.key_answer = refusing(1_000_000, told_s)(m8)

    async with client_for(m8, tmp_path) as client:
        with pytest.raises(RateLimitedError) as caught:
            await client.put_secret(URI, VALUES, timeout=86_400)

    assert caught.value.retry_after_s == told_s
    assert len(m8.attempts) == 1
    assert "Try again in" in caught.value.fix
    assert "comparison" not in str(caught.value)


async def test_a_comparison_is_not_waited_for(m8: ScriptedM8, tmp_path: Path) -> None:
    m8.key_answer = refusing(1_000_000, 40)(m8)

    async with client_for(m8, tmp_path) as client:
        with pytest.raises(RateLimitedError, match="comparisons") as caught:
            await client.compare_secret(URI, VALUES)

    assert len(m8.attempts) == 1
    assert "in 40 s" in caught.value.fix


def signed(attempt: Attempt, told_s: int) -> upload_pb2.Signed:
    return attempt.receipt(upload_pb2.OUTCOME_FAILED, reason=LIMITED, retry_after_s=told_s)


async def test_a_signed_refusal_of_what_was_sent_begins_a_new_attempt(m8: ScriptedM8, tmp_path: Path) -> None:
    m8.end = lambda attempt: (
        m8.honest_end(attempt) if attempt is not m8.attempts[0] else m8.ended(attempt, signed(attempt, 0), LIMITED)
    )

    async with client_for(m8, tmp_path) as client:
        await client.put_secret(URI, VALUES)

    assert len(m8.attempts) == 2


async def test_a_signed_refusal_says_when(m8: ScriptedM8, tmp_path: Path) -> None:
    m8.end = lambda attempt: m8.ended(attempt, signed(attempt, 7_200), LIMITED)

    async with client_for(m8, tmp_path) as client:
        with pytest.raises(RateLimitedError, match="nothing was written") as caught:
            await client.put_secret(URI, VALUES)

    assert (caught.value.retry_after_s, caught.value.reason_name) == (7_200, "RATE_LIMITED")
    assert "in 120 min" in caught.value.fix


async def test_m8_alone_cannot_end_what_was_sent_by_a_limit(m8: ScriptedM8, tmp_path: Path) -> None:
    m8.end = lambda attempt: m8.ended(attempt, None, LIMITED)

    async with client_for(m8, tmp_path) as client:
        with pytest.raises(OutcomeUnknownError):
            await client.put_secret(URI, VALUES)

    assert len(m8.attempts) == 1


async def test_sealed_bytes_that_m8_has_no_place_for_are_sent_again_as_they_are(m8: ScriptedM8, tmp_path: Path) -> None:
    m8.failing["RequestUploadSecret"] = [RateLimitedError("too much.", retry_after_s=0.01)] * 2

    async with client_for(m8, tmp_path) as client:
        await client.put_secret(URI, VALUES)

    assert m8.count("RequestUploadSecret") == 3
    (attempt,) = m8.attempts
    assert len(set(attempt.sealed)) == 1


async def test_a_limit_of_the_day_after_the_secret_was_sent_is_no_proof(m8: ScriptedM8, tmp_path: Path) -> None:
    m8.failing["RequestUploadSecret"] = [RateLimitedError("enough for today.", retry_after_s=7_200)]

    async with client_for(m8, tmp_path) as client:
        with pytest.raises(OutcomeUnknownError, match="enough for today"):
            await client.put_secret(URI, VALUES)


async def test_requests_to_a_store_that_nobody_answers_delay_no_other_store(m8: ScriptedM8, tmp_path: Path) -> None:
    unanswered = queries_pb2.GetSecretUploadKeyResponse(state=views_pb2.UPLOAD_STATE_REQUESTED)
    m8.key_answer = lambda attempt: unanswered if attempt.request.uri.store == "local" else m8.honest_key(attempt)

    async with client_for(m8, tmp_path) as client:
        puts = [client.put_secret(f"local://app/s{number}", VALUES, timeout=600) for number in range(2 * AT_ONCE)]
        waiting = [asyncio.create_task(put) for put in puts]
        await client.put_secret(URI, VALUES)
        assert not [task for task in waiting if task.done()]
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
