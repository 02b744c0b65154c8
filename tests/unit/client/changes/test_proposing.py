"""What is proposed: exactly one version to replace, by whom, and no value."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from monoskope.api.gateway.v1 import queries_pb2, views_pb2
from monoskope.api.secrets.v1 import upload_pb2
from monoskope.client import KeySigner, Proposal, SyncClient
from monoskope.client.people import People
from monoskope.client.purposes import Expect
from monoskope.errors import NotFoundError, RefusedError, UsageError
from monoskope.monoctl.output.changes import described
from monoskope.protocol.change import parse_change
from monoskope.protocol.identity import ProofError
from monoskope.testing.cluster.identities import Identity
from monoskope.testing.scripted.client import pinned, settings_for, was_received
from monoskope.testing.scripted.m8 import VERSION, ScriptedM8
from tests.support.ssh import certify, keygen
from tests.unit.client.changes.world import ANNA, PUT, URI, VALUE, a_put, client


def shows(m8: ScriptedM8, *, deleted: bool = False) -> None:
    """Let m8 say that a version is there, or was deleted."""
    view = views_pb2.Secret(uri=URI, upstream_version=VERSION, deleted=deleted)
    m8.answers[queries_pb2.GetSecretRequest] = lambda _: queries_pb2.GetSecretResponse(secret=view)


async def test_a_put_is_proposed_without_its_value(m8: ScriptedM8, tmp_path: Path, keys: dict[str, Path]) -> None:
    async with client(m8, tmp_path, keys["anna"]) as anna:
        proposed = await anna.changes.propose(a_put(), requester=ANNA, reason="rotation", valid_for=3_600)
    (view,) = m8.changes.by_id.values()
    change = parse_change(view.change)
    assert (change.requester, change.reason, change.keys) == (ANNA, "rotation", ("password",))
    assert (change.identity, change.request.expect) == (m8.identity.shown, upload_pb2.EXPECT_ABSENT)
    assert 3_500 < change.not_after - time.time() <= 3_600
    assert (proposed.sha256, proposed.state, proposed.pinned) == (change.sha256.hex(), "OPEN", True)
    assert proposed.asked == {"uri": URI, "purpose": "UPLOAD", "expect": "ABSENT", "keep_labels": True} | {
        "keep_expires_on": True
    }
    assert m8.attempts == []
    assert not was_received(m8, VALUE)
    assert VALUE.decode() not in repr(proposed)


async def test_approvers_approve_the_version_that_is_there(
    m8: ScriptedM8, tmp_path: Path, keys: dict[str, Path]
) -> None:
    shows(m8)
    async with client(m8, tmp_path, keys["anna"]) as anna:
        proposed = await anna.changes.propose(a_put(), requester=ANNA)
        assert proposed.expected_version == VERSION
        with pytest.raises(UsageError, match="one version"):
            await anna.changes.propose(a_put(expect=Expect.OVERWRITE), requester=ANNA)
        del m8.answers[queries_pb2.GetSecretRequest]
        with pytest.raises(NotFoundError):
            await anna.changes.propose(Proposal.delete(URI), requester=ANNA)


async def test_an_undeletion_names_the_deleted_version(m8: ScriptedM8, tmp_path: Path, keys: dict[str, Path]) -> None:
    async with client(m8, tmp_path, keys["anna"]) as anna:
        shows(m8)
        with pytest.raises(NotFoundError):
            await anna.changes.propose(Proposal.undelete(URI), requester=ANNA)
        shows(m8, deleted=True)
        assert (await anna.changes.propose(Proposal.undelete(URI), requester=ANNA)).expected_version == VERSION


@pytest.mark.parametrize(
    ("copied", "to"), [((), "other://app/db"), (("user", "password"), "other://app/db"), (("user",), "vault://app/db2")]
)
async def test_a_copy_names_the_version_that_is_copied_and_the_keys(
    m8: ScriptedM8, tmp_path: Path, keys: dict[str, Path], copied: tuple[str, ...], to: str
) -> None:
    m8.add_store("other", Identity())

    def there(asked: queries_pb2.GetSecretRequest) -> queries_pb2.GetSecretResponse:
        if asked.uri != URI:
            raise NotFoundError("nothing.")
        return queries_pb2.GetSecretResponse(secret=views_pb2.Secret(uri=URI, upstream_version=VERSION))

    m8.answers[queries_pb2.GetSecretRequest] = there
    async with client(m8, tmp_path, keys["anna"]) as anna:
        proposed = await anna.changes.propose(Proposal.copy(URI, to, keys=copied), requester=ANNA)
    request = proposed.change.request
    assert (request.source_version, request.expect) == (VERSION, upload_pb2.EXPECT_ABSENT)
    assert (proposed.uri, proposed.place, proposed.identity) == (URI, to, m8.identity.shown)
    assert request.keys == proposed.keys == tuple(sorted(copied))
    shown = {line.name: line.text for line in described(proposed, People())}
    assert shown.get("Keys", "") == ", ".join(sorted(copied))


@pytest.mark.parametrize("lacks", ["check_and_set", "patchable"])
async def test_what_the_store_cannot_do_is_said_before_anybody_is_asked(
    m8: ScriptedM8, tmp_path: Path, keys: dict[str, Path], lacks: str
) -> None:
    shows(m8)
    setattr(m8.stores["vault"].reactors[0].capabilities, lacks, False)
    async with client(m8, tmp_path, keys["anna"]) as anna:
        with pytest.raises(RefusedError):
            await anna.changes.propose(Proposal.patch(URI, PUT), requester=ANNA)
    assert m8.changes.by_id == {}


async def test_a_change_that_is_too_large_is_refused_before_anybody_is_asked(
    m8: ScriptedM8, tmp_path: Path, keys: dict[str, Path]
) -> None:
    values = {f"{number:03d}" + "k" * 240: b"v" for number in range(40)}
    async with client(m8, tmp_path, keys["anna"]) as anna:
        with pytest.raises(UsageError, match="8,192"):
            await anna.changes.propose(Proposal.put(URI, values), requester=ANNA)
    assert m8.changes.by_id == {}


async def test_a_reason_that_turns_the_direction_of_text_is_refused(
    m8: ScriptedM8, tmp_path: Path, keys: dict[str, Path]
) -> None:
    async with client(m8, tmp_path, keys["anna"]) as anna:
        with pytest.raises(UsageError, match="a reason has 1 to 500 printable characters"):
            await anna.changes.propose(a_put(), requester=ANNA, reason="no\u202eyes")


async def test_a_certificate_says_who_asks_and_nothing_else_does(
    m8: ScriptedM8, tmp_path: Path, keys: dict[str, Path]
) -> None:
    async with client(m8, tmp_path, keys["anna"]) as anna:
        with pytest.raises(UsageError, match="how the store's list calls you"):
            await anna.changes.propose(a_put())
    ca, mine = keygen(tmp_path / "ca"), keygen(tmp_path / "mine")
    certify(ca, mine)
    async with client(m8, tmp_path, mine) as anna:
        assert (await anna.changes.propose(a_put())).requester == ANNA


async def test_the_stores_own_receipt_says_whose_key_it_is(
    m8: ScriptedM8, tmp_path: Path, keys: dict[str, Path]
) -> None:
    m8.approvals, m8.signed = 0, True
    async with client(m8, tmp_path, keys["anna"]) as anna:
        await anna.put_secret(URI, PUT)
        receipt = m8.attempts[0].success()
        parsed = upload_pb2.Receipt.FromString(receipt.content)
        view = views_pb2.Secret(
            uri=URI,
            upstream_version=parsed.upstream_version,
            fingerprint=parsed.fingerprint,
            values=parsed.values,
            receipt=receipt,
        )
        m8.answers[queries_pb2.GetSecretRequest] = lambda _: queries_pb2.GetSecretResponse(secret=view)
        assert (await anna.changes.propose(a_put())).requester == "alice"
    async with client(m8, tmp_path, keys["ben"]) as ben:
        with pytest.raises(UsageError, match="how the store's list calls you"):
            await ben.changes.propose(a_put())


async def test_an_m8_that_answers_with_another_change_is_not_believed(
    m8: ScriptedM8, tmp_path: Path, keys: dict[str, Path]
) -> None:
    async with client(m8, tmp_path, keys["anna"]) as anna:
        first = await anna.changes.propose(a_put(), requester=ANNA)
        m8.changes.add = lambda *_, **__: m8.changes.by_id[first.change.change_id]  # type: ignore[method-assign]
        with pytest.raises(ProofError):
            await anna.changes.propose(a_put(), requester=ANNA)


def test_a_program_without_an_event_loop_proposes_too(tmp_path: Path, keys: dict[str, Path]) -> None:
    scripted = ScriptedM8()
    scripted.approvals = 1
    with scripted.serving_in_thread(tmp_path):
        pinned(scripted, tmp_path)
        settings = settings_for(scripted, tmp_path)
        with SyncClient(settings, signer=KeySigner(keys["anna"]), system_known_stores=tmp_path / "none") as anna:
            proposed = anna.changes.propose(a_put(), requester=ANNA)
            assert [one.change_id for one in anna.changes.list()] == [proposed.change_id]
            assert anna.changes.get(proposed.change_id).sha256 == proposed.sha256


def test_without_a_signing_key_nothing_is_proposed(tmp_path: Path) -> None:
    scripted = ScriptedM8()
    with scripted.serving_in_thread(tmp_path):
        pinned(scripted, tmp_path)
        settings = settings_for(scripted, tmp_path)
        with (
            SyncClient(settings, system_known_stores=tmp_path / "none") as anna,
            pytest.raises(UsageError, match="signing key"),
        ):
            anna.changes.propose(a_put(), requester=ANNA)
    assert scripted.changes.by_id == {}


def test_a_proposal_shows_no_value_and_is_never_copied() -> None:
    assert VALUE.decode() not in repr(a_put())
    with pytest.raises(UsageError):
        Proposal.delete(URI, expect=Expect.ABSENT)
