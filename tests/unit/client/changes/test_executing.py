"""A change is executed with the approvals that are there, and only as it was proposed."""

from __future__ import annotations

from pathlib import Path

import pytest

from monoskope.api.gateway.v1 import changes_pb2
from monoskope.api.secrets.v1 import upload_pb2
from monoskope.client import Approver, Deletion, Proposal
from monoskope.client.purposes import Expect
from monoskope.errors import (
    AlreadyExistsError,
    ConflictError,
    Error,
    NotAuthorizedError,
    OutcomeUnknownError,
    RefusedError,
    TimedOutError,
    UnauthenticatedError,
    UnavailableError,
    UsageError,
)
from monoskope.protocol.change import make_change, parse_change
from monoskope.protocol.identity import ProofError
from monoskope.testing.scripted.changes import approve, end
from monoskope.testing.scripted.client import was_received
from monoskope.testing.scripted.m8 import VERSION, ScriptedM8
from tests.support.ssh import shown
from tests.unit.client.changes.world import ANNA, PUT, URI, VALUE, a_put, approves, client, signed_by


async def test_what_is_approved_is_put_with_its_change_and_approvals(
    m8: ScriptedM8, tmp_path: Path, keys: dict[str, Path]
) -> None:
    async with client(m8, tmp_path, keys["anna"]) as anna:
        proposed = await anna.changes.propose(a_put(), requester=ANNA)
        approves(keys["ben"])(m8.changes.by_id[proposed.change.change_id])
        result = await anna.changes.run(await anna.changes.get(proposed.change_id), PUT)
    (attempt,) = m8.attempts
    attempt.check_signature()
    assert attempt.change == proposed.change.content
    assert attempt.request.change_sha256 == proposed.change.sha256
    assert (result.change_sha256, result.approvers) == (proposed.sha256, (Approver("approver1", shown(keys["ben"])),))


async def test_a_put_that_waits_goes_on_by_itself_once_enough_have_approved(
    m8: ScriptedM8, tmp_path: Path, keys: dict[str, Path]
) -> None:
    m8.approvals = 2
    news: list[tuple[int, int]] = []
    async with client(m8, tmp_path, keys["anna"]) as anna:
        proposed = await anna.changes.propose(a_put(), requester=ANNA)
        m8.changes.next = [lambda _: None, approves(keys["ben"]), lambda _: None, approves(keys["eva"])]
        result = await anna.changes.run(
            proposed, PUT, wait=60, told=lambda seen, needed: news.append((len(seen.counting), needed))
        )
    assert news == [(0, 2), (1, 2)]
    assert len(result.approvers) == 2
    # While approvals were missing nothing was sealed or signed.
    assert [bool(attempt.sealed) for attempt in m8.attempts] == [False, True]


async def test_where_no_approval_is_asked_for_it_goes_on_at_once(
    m8: ScriptedM8, tmp_path: Path, keys: dict[str, Path]
) -> None:
    m8.approvals, m8.signed = 0, True
    async with client(m8, tmp_path, keys["anna"]) as anna:
        proposed = await anna.changes.propose(a_put(), requester=ANNA)
        assert (await anna.changes.run(proposed, PUT, wait=60)).change_sha256 == proposed.sha256


@pytest.mark.parametrize(
    ("state", "error"),
    [
        (changes_pb2.CHANGE_STATE_DECLINED, RefusedError),
        (changes_pb2.CHANGE_STATE_WITHDRAWN, RefusedError),
        (changes_pb2.CHANGE_STATE_OVERTAKEN, ConflictError),
        (changes_pb2.CHANGE_STATE_ENDED, TimedOutError),
        (changes_pb2.CHANGE_STATE_DONE, AlreadyExistsError),
    ],
)
async def test_what_ends_a_change_ends_the_wait_and_nothing_is_sealed(
    m8: ScriptedM8, tmp_path: Path, keys: dict[str, Path], state: changes_pb2.ChangeState, error: type[Error]
) -> None:
    async with client(m8, tmp_path, keys["anna"]) as anna:
        proposed = await anna.changes.propose(a_put(), requester=ANNA)
        m8.changes.next = [lambda view: end(view, state, "not today")]
        with pytest.raises(error, match=proposed.change_id):
            await anna.changes.run(proposed, PUT, wait=60)
    assert not was_received(m8, VALUE)
    assert all(not attempt.sealed for attempt in m8.attempts)


async def test_a_wait_that_is_over_leaves_the_change_proposed(
    m8: ScriptedM8, tmp_path: Path, keys: dict[str, Path]
) -> None:
    async with client(m8, tmp_path, keys["anna"]) as anna:
        proposed = await anna.changes.propose(a_put(), requester=ANNA)
        with pytest.raises(TimedOutError, match="time to wait") as raised:
            await anna.changes.run(proposed, PUT, wait=0.05)
        assert f"monoctl run change {proposed.change_id}" in raised.value.fix
        over = await anna.changes.propose(a_put(), requester=ANNA, valid_for=-1)
        with pytest.raises(TimedOutError, match="is over"):
            await anna.changes.run(over, PUT, wait=60)
        with pytest.raises(TimedOutError, match=f"the time of change {over.change_id} is over"):
            await anna.changes.wait(over)


async def test_a_state_that_there_is_not_is_asked_of_nobody(
    m8: ScriptedM8, tmp_path: Path, keys: dict[str, Path]
) -> None:
    async with client(m8, tmp_path, keys["anna"]) as anna:
        with pytest.raises(UsageError, match="'finished' is not a state of changes") as caught:
            await anext(anna.changes.list(state="finished"))  # type: ignore[arg-type]
    assert "declined" in caught.value.fix
    assert m8.count("GetSecretChanges") == 0


@pytest.mark.parametrize(
    ("fails", "error"),
    [("unavailable", UnavailableError), (UnauthenticatedError("the login has ended."), UnauthenticatedError)],
)
async def test_an_m8_that_goes_away_and_a_login_that_ends_lose_nothing(
    m8: ScriptedM8,
    tmp_path: Path,
    keys: dict[str, Path],
    fails: Error | str,
    error: type[Error],
) -> None:
    async with client(m8, tmp_path, keys["anna"], retry_for=0.01) as anna:
        proposed = await anna.changes.propose(a_put(), requester=ANNA)
        m8.failing["GetSecretChanges"] = [fails] * 100
        with pytest.raises(error, match=f"change {proposed.change_id} stays proposed") as raised:
            await anna.changes.run(proposed, PUT, wait=60)
        assert f"monoctl run change {proposed.change_id}" in raised.value.fix
        # An m8 that is back goes on with it.
        m8.failing.clear()
        m8.changes.next = [approves(keys["ben"])]
        assert (await anna.changes.run(proposed, PUT, wait=60)).approvers


async def test_an_m8_that_swaps_the_change_gets_nothing_signed(
    m8: ScriptedM8, tmp_path: Path, keys: dict[str, Path]
) -> None:
    def swap(view: changes_pb2.SecretChange) -> None:
        ours = parse_change(view.change)
        other = make_change(
            change_id=ours.change_id,
            request=ours.request,
            requester=ours.requester,
            identity=ours.identity,
            not_after=ours.not_after + 1,
            keys=ours.keys,
        )
        view.change, view.version = other.content, 2
        approve(view, signed_by(keys["ben"], view.change))

    async with client(m8, tmp_path, keys["anna"]) as anna:
        proposed = await anna.changes.propose(a_put(), requester=ANNA)
        m8.changes.next = [swap]
        with pytest.raises(ProofError, match="another change under the same id"):
            await anna.changes.run(proposed, PUT, wait=60)
    assert all(not attempt.sealed for attempt in m8.attempts)


async def test_what_is_no_approval_of_this_change_is_not_sent(
    m8: ScriptedM8, tmp_path: Path, keys: dict[str, Path]
) -> None:
    async with client(m8, tmp_path, keys["anna"]) as anna:
        first = await anna.changes.propose(a_put(), requester=ANNA)
        second = await anna.changes.propose(a_put(), requester=ANNA)
        view = m8.changes.by_id[second.change.change_id]
        good = signed_by(keys["ben"], view.change)
        for approval in (signed_by(keys["eva"], first.change.content), b"none", good, good):
            approve(view, approval)
        seen = await anna.changes.get(second.change_id)
        assert [bool(one.why_not) for one in seen.approvals] == [True, True, False, True]
        await anna.changes.run(seen, PUT)
    assert m8.attempts[-1].approvals == [good]


async def test_a_receipt_that_names_approvers_who_did_not_approve_is_no_success(
    m8: ScriptedM8, tmp_path: Path, keys: dict[str, Path]
) -> None:
    strangers = [("eva", shown(keys["eva"]))]
    m8.end = lambda attempt: m8.ended(
        attempt, attempt.receipt(upload_pb2.OUTCOME_UPLOADED, upstream_version=VERSION, approvers=strangers)
    )
    async with client(m8, tmp_path, keys["anna"]) as anna:
        proposed = await anna.changes.propose(a_put(), requester=ANNA)
        approves(keys["ben"])(m8.changes.by_id[proposed.change.change_id])
        with pytest.raises(OutcomeUnknownError, match="no such approval was sent"):
            await anna.changes.run(await anna.changes.get(proposed.change_id), PUT, timeout=10)


@pytest.mark.parametrize("values", [None, {"other": VALUE}, PUT | {"other": VALUE}])
async def test_other_keys_than_were_proposed_are_not_sealed(
    m8: ScriptedM8, tmp_path: Path, keys: dict[str, Path], values: dict[str, bytes] | None
) -> None:
    async with client(m8, tmp_path, keys["anna"]) as anna:
        proposed = await anna.changes.propose(a_put(), requester=ANNA)
        with pytest.raises(UsageError, match="takes the values of password"):
            await anna.changes.run(proposed, values)
    assert m8.attempts == []


async def test_too_few_approvals_are_refused_by_the_reactor_which_says_how_many(
    m8: ScriptedM8, tmp_path: Path, keys: dict[str, Path]
) -> None:
    async with client(m8, tmp_path, keys["anna"]) as anna:
        proposed = await anna.changes.propose(a_put(), requester=ANNA)
        with pytest.raises(NotAuthorizedError, match="up to 1 approval here, and none was sent") as raised:
            await anna.changes.run(proposed, PUT)
        assert raised.value.approvals == 0
        with pytest.raises(NotAuthorizedError) as raised:
            await anna.put_secret(URI, PUT)
        assert raised.value.approvals == 1
        assert "Propose it" in raised.value.fix


async def test_a_store_that_takes_unsigned_requests_gets_no_change(
    m8: ScriptedM8, tmp_path: Path, keys: dict[str, Path]
) -> None:
    m8.approvals = 0
    async with client(m8, tmp_path, keys["anna"]) as anna:
        proposed = await anna.changes.propose(a_put(), requester=ANNA)
        with pytest.raises(RefusedError, match="takes no approvals"):
            await anna.changes.run(proposed, PUT)
        with pytest.raises(RefusedError, match="takes no approvals"):
            await anna.changes.break_glass(a_put(), "the site is down")
    assert all(not attempt.sealed for attempt in m8.attempts)


async def test_a_deletion_ends_as_one(m8: ScriptedM8, tmp_path: Path, keys: dict[str, Path]) -> None:
    m8.approvals, m8.signed = 0, True
    async with client(m8, tmp_path, keys["anna"]) as anna:
        proposed = await anna.changes.propose(Proposal.delete(URI, expect="7@x", destroy=True), requester=ANNA)
        deleted = await anna.changes.run(proposed)
        assert isinstance(deleted, Deletion)
        assert deleted.destroyed


async def test_breaking_the_glass_says_why_and_needs_nobody(
    m8: ScriptedM8, tmp_path: Path, keys: dict[str, Path]
) -> None:
    async with client(m8, tmp_path, keys["anna"]) as anna:
        result = await anna.changes.break_glass(a_put(expect=Expect.OVERWRITE), "the site is down")
        for reason in ("", " ", "\u3164", "no\u202eyes", "x" * 501):
            with pytest.raises(UsageError, match="500"):
                await anna.changes.break_glass(a_put(), reason)
    (attempt,) = m8.attempts
    assert result.break_glass == attempt.request.break_glass == "the site is down"
    assert (attempt.change, attempt.approvals) == (b"", [])


async def test_one_command_breaks_the_glass_once(m8: ScriptedM8, tmp_path: Path, keys: dict[str, Path]) -> None:
    """However often another request would be tried again: each time counts for the hour, and tells the operators."""
    reason = upload_pb2.REASON_UPSTREAM_UNAVAILABLE
    m8.end = lambda attempt: m8.ended(attempt, attempt.failure(reason), reason)
    async with client(m8, tmp_path, keys["anna"]) as anna:
        with pytest.raises(UnavailableError):
            await anna.changes.break_glass(a_put(expect=Expect.OVERWRITE), "the site is down")
    assert len(m8.attempts) == 1
