"""An approver signs what was decoded here, for a store that is pinned here, and learns what of it is proven."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest
from google.protobuf.message import Message

from monoskope.api.gateway.v1 import changes_pb2
from monoskope.api.secrets.v1 import upload_pb2
from monoskope.client import Client, KeySigner, ProposedChange
from monoskope.errors import AwayError, IdentityChangedError, NotAgreedError, RefusedError, UsageError
from monoskope.protocol.change import make_change
from monoskope.protocol.identity import Namespace, ProofError, approval_statement, statement
from monoskope.protocol.sshsig import parse
from monoskope.testing.cluster.identities import Identity
from monoskope.testing.scripted.changes import approve, end
from monoskope.testing.scripted.client import settings_for
from monoskope.testing.scripted.m8 import VERSION, Attempt, ScriptedM8
from tests.support.ssh import certify, keygen, shown
from tests.unit.client.changes.world import ANNA, PUT, URI, a_put, client


@pytest.fixture
async def proposed(m8: ScriptedM8, tmp_path: Path, keys: dict[str, Path]) -> ProposedChange:
    async with client(m8, tmp_path, keys["anna"]) as anna:
        return await anna.changes.propose(a_put(expect=VERSION), requester=ANNA)


async def test_an_approval_is_a_signature_over_exactly_this_change(
    m8: ScriptedM8, tmp_path: Path, keys: dict[str, Path], proposed: ProposedChange
) -> None:
    async with client(m8, tmp_path, keys["ben"], subject="ben") as ben:
        seen = await ben.changes.approve(await ben.changes.get(proposed.change_id))
    (given,) = m8.changes.by_id[proposed.change.change_id].approvals
    signature = parse(given.approval, Namespace.APPROVAL)
    signature.verify(approval_statement(proposed.change.sha256))
    assert (seen.approvals[0].key, seen.approvals[0].why_not) == (shown(keys["ben"]), "")


async def test_an_approval_whose_answer_is_lost_is_sent_again_and_signed_once(
    m8: ScriptedM8, tmp_path: Path, keys: dict[str, Path], proposed: ProposedChange, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest, came = m8.changes.handle, list[bytes]()

    def loses_the_first(message: Message) -> Message | None:
        if not isinstance(message, changes_pb2.ApproveSecretChangeRequest):
            return honest(message)
        came.append(message.approval)
        if len(came) == 1:
            honest(message)
            raise AwayError("it may be recorded.", fix="Send the same again: it is recorded once.")
        return changes_pb2.ApproveSecretChangeResponse(change=m8.changes.by_id[message.change_id])

    monkeypatch.setattr(m8.changes, "handle", loses_the_first)
    async with client(m8, tmp_path, keys["ben"], subject="ben") as ben:
        seen = await ben.changes.approve(await ben.changes.get(proposed.change_id))
    assert came == [seen.approvals[0].content] * 2


async def test_a_certificate_is_shown_with_its_end(m8: ScriptedM8, tmp_path: Path, proposed: ProposedChange) -> None:
    ca, mine = keygen(tmp_path / "ca"), keygen(tmp_path / "mine")
    certify(ca, mine, principals="ben@example.org")
    async with client(m8, tmp_path, mine, subject="ben") as ben:
        (seen,) = (await ben.changes.approve(await ben.changes.get(proposed.change_id))).approvals
    assert seen.principal == "ben@example.org"
    assert seen.certificate_ends_at is not None
    left = seen.certificate_ends_at - dt.datetime.now(dt.UTC)
    assert dt.timedelta(minutes=55) < left <= dt.timedelta(hours=1)


async def test_nothing_is_approved_for_a_store_that_is_not_pinned(
    m8: ScriptedM8, tmp_path: Path, keys: dict[str, Path], proposed: ProposedChange
) -> None:
    settings = settings_for(m8, tmp_path / "other", subject="ben")
    asked: list[str] = []

    def confirm(question: str) -> bool:
        asked.append(question)
        return True

    stranger = Client(
        settings, signer=KeySigner(keys["ben"]), confirm=confirm, system_known_stores=tmp_path / "none", pause_s=0.001
    )
    async with stranger as ben:
        seen = await ben.changes.get(proposed.change_id)
        assert not seen.pinned
        with pytest.raises(NotAgreedError, match="pinned"):
            await ben.changes.approve(seen)
    assert asked == []
    assert m8.count("ApproveSecretChange") == 0


async def test_a_change_for_another_identity_is_not_approved(
    m8: ScriptedM8, tmp_path: Path, keys: dict[str, Path], proposed: ProposedChange
) -> None:
    ours = proposed.change
    other = make_change(
        change_id=b"2" * 16,
        request=ours.request,
        requester=ours.requester,
        identity=Identity().shown,
        not_after=ours.not_after,
        keys=ours.keys,
    )
    m8.changes.add(other.content)
    async with client(m8, tmp_path, keys["ben"], subject="ben") as ben:
        seen = await ben.changes.get(other.change_id.hex())
        assert not seen.pinned
        with pytest.raises(IdentityChangedError, match="pinned here"):
            await ben.changes.approve(seen)
    assert m8.count("ApproveSecretChange") == 0


async def test_ones_own_change_is_not_ones_to_approve(
    m8: ScriptedM8, tmp_path: Path, keys: dict[str, Path], proposed: ProposedChange
) -> None:
    async with client(m8, tmp_path, keys["anna"]) as anna:
        with pytest.raises(RefusedError, match="your own"):
            await anna.changes.approve(await anna.changes.get(proposed.change_id))
    ca, mine = keygen(tmp_path / "ca"), keygen(tmp_path / "mine")
    certify(ca, mine)  # in anna's name
    async with client(m8, tmp_path, mine, subject="somebody") as anna:
        with pytest.raises(RefusedError, match="your own"):
            await anna.changes.approve(await anna.changes.get(proposed.change_id))
    assert m8.count("ApproveSecretChange") == 0


async def test_what_was_withdrawn_is_not_signed(
    m8: ScriptedM8, tmp_path: Path, keys: dict[str, Path], proposed: ProposedChange
) -> None:
    end(m8.changes.by_id[proposed.change.change_id], changes_pb2.CHANGE_STATE_WITHDRAWN, by="alice")
    async with client(m8, tmp_path, keys["ben"], subject="ben") as ben:
        with pytest.raises(RefusedError, match="alice withdrew"):
            await ben.changes.approve(await ben.changes.get(proposed.change_id))
    assert m8.count("ApproveSecretChange") == 0


async def test_a_change_under_another_id_or_malformed_is_shown_to_nobody(
    m8: ScriptedM8, tmp_path: Path, keys: dict[str, Path], proposed: ProposedChange
) -> None:
    view = m8.changes.by_id[proposed.change.change_id]
    m8.changes.by_id[b"3" * 16] = view
    async with client(m8, tmp_path, keys["ben"]) as ben:
        with pytest.raises(ProofError, match="another change than was asked for"):
            await ben.changes.get((b"3" * 16).hex())
        view.change += b"\x08\x01"
        with pytest.raises(ProofError, match="a change that is none"):
            await ben.changes.get(proposed.change_id)


async def test_a_change_that_cannot_be_read_hides_no_other_one(
    m8: ScriptedM8, tmp_path: Path, keys: dict[str, Path], proposed: ProposedChange
) -> None:
    newer, told = m8.changes.by_id[proposed.change.change_id], list[str]()
    m8.changes.by_id[b"3" * 16] = changes_pb2.SecretChange(change_id=b"3" * 16, change=newer.change + b"\xf8\x3f\x01")
    async with client(m8, tmp_path, keys["ben"], notify=told.append) as ben:
        assert [one.change_id async for one in ben.changes.list()] == [proposed.change_id]
    [left_out] = told
    assert left_out.startswith(f"change {'33' * 16} is left out: m8 shows a change that is none")


async def test_a_signature_of_a_request_is_no_approval(
    m8: ScriptedM8, tmp_path: Path, keys: dict[str, Path], proposed: ProposedChange
) -> None:
    """Whoever gets a request signed has no approval by it, and the other way round."""
    view = m8.changes.by_id[proposed.change.change_id]

    class Confused:
        async def sign(self, _grant: object, _sealed: bytes) -> bytes:
            raise AssertionError

        async def approve(self, change: object) -> bytes:
            return KeySigner(keys["ben"])._signed(statement(bytes(32), bytes(32)), Namespace.REQUEST, 1.0)

    settings = settings_for(m8, tmp_path, subject="ben")
    async with Client(settings, signer=Confused(), system_known_stores=tmp_path / "none") as ben:
        with pytest.raises(RefusedError, match="another namespace"):
            await ben.changes.approve(await ben.changes.get(proposed.change_id))
        approve(view, await Confused().approve(None))
        (seen,) = (await ben.changes.get(proposed.change_id)).approvals
    assert "another namespace" in seen.why_not


async def test_a_signer_that_cannot_approve_says_so(m8: ScriptedM8, tmp_path: Path, proposed: ProposedChange) -> None:
    class Requests:
        async def sign(self, _grant: object, _sealed: bytes) -> bytes:
            raise AssertionError

    settings = settings_for(m8, tmp_path, subject="ben")
    async with Client(settings, signer=Requests(), system_known_stores=tmp_path / "none") as ben:
        with pytest.raises(UsageError, match="does not approve"):
            await ben.changes.approve(await ben.changes.get(proposed.change_id))


async def receipt_of(m8: ScriptedM8, folder: Path, key: Path) -> Attempt:
    """Return an attempt of this store, of which receipts can be made."""
    m8.approvals, m8.signed = 0, True
    async with client(m8, folder, key) as anna:
        await anna.put_secret(URI, PUT)
    return m8.attempts[-1]


async def test_a_receipt_of_the_pinned_identity_proves_which_version_is_there(
    m8: ScriptedM8, tmp_path: Path, keys: dict[str, Path], proposed: ProposedChange
) -> None:
    attempt = await receipt_of(m8, tmp_path, keys["anna"])
    view = m8.changes.by_id[proposed.change.change_id]
    for receipt, proven in (
        (attempt.success(), True),
        (attempt.receipt(upload_pb2.OUTCOME_UPLOADED, upstream_version="8@later"), False),
        (Identity().sign(b"", attempt.success().content), False),
    ):
        view.last_receipt.CopyFrom(receipt)
        async with client(m8, tmp_path, keys["ben"]) as ben:
            seen = await ben.changes.get(proposed.change_id)
        assert (seen.proven, bool(seen.why_not_proven)) == (proven, not proven)
        assert not seen.done
    assert not proposed.proven


async def test_a_receipt_that_names_the_change_proves_that_it_was_done_and_by_whom_approved(
    m8: ScriptedM8, tmp_path: Path, keys: dict[str, Path], proposed: ProposedChange
) -> None:
    view = m8.changes.by_id[proposed.change.change_id]
    async with client(m8, tmp_path, keys["ben"], subject="ben") as ben:
        await ben.changes.approve(await ben.changes.get(proposed.change_id))
    async with client(m8, tmp_path, keys["anna"]) as anna:
        await anna.changes.run(await anna.changes.get(proposed.change_id), PUT)
        view.last_receipt.CopyFrom(m8.attempts[-1].success())
        seen = await anna.changes.get(proposed.change_id)
    assert seen.done
    assert [one.key for one in seen.approvers] == [shown(keys["ben"])]


async def test_declining_and_withdrawing_are_words_that_m8_is_told(
    m8: ScriptedM8, tmp_path: Path, keys: dict[str, Path], proposed: ProposedChange
) -> None:
    async with client(m8, tmp_path, keys["ben"], subject="ben") as ben:
        seen = await ben.changes.decline(proposed.change_id, "not on a Friday")
        assert (seen.state, seen.decline_reason) == ("DECLINED", "not on a Friday")
        with pytest.raises(UsageError):
            await ben.changes.decline(proposed.change_id, "x" * 501)
        assert (await ben.changes.withdraw(proposed.change_id)).state == "WITHDRAWN"
