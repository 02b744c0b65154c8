"""What a reactor that asks for approvals does: nothing that not as many others approved as it asks, whatever it is.

Each purpose that writes meets each case. Where a case cannot be, `WHY_NOT` says why.
"""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
import secrets
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from monoskope.api.secrets.v1 import events_pb2, upload_pb2
from monoskope.errors import UsageError
from monoskope.protocol.change import Change, make_change, request_of
from monoskope.protocol.grant import parse_grant
from monoskope.protocol.identity import RECEIPT, Namespace, approval_statement
from monoskope.protocol.payload import Payload, encode
from monoskope.protocol.purposes import PURPOSES
from monoskope.protocol.request import Request, parse_request
from monoskope.protocol.wire import serialise
from monoskope.reactor.admission import Admission
from monoskope.reactor.identity.fingerprint import FingerprintKey
from monoskope.reactor.identity.store_identity import Identity
from monoskope.reactor.limits import Rates, Signer
from monoskope.reactor.reasons import FailedError
from monoskope.reactor.report.audit_log import AuditFile
from monoskope.reactor.run import Reactor
from monoskope.reactor.settings import ReactorLimits
from monoskope.reactor.signers import Signers
from monoskope.reactor.signers.approvals import Presented
from monoskope.reactor.signers.settings import MayRule
from monoskope.reactor.work import changes
from monoskope.reactor.work.recover import Presence, Recovery
from tests.support import ssh_blobs
from tests.support.memory_store import URI, MemoryStore, Unversioned
from tests.support.reactor_requests import ask, opened, seal
from tests.support.reactor_world import FAST, SEED, K, World, refusal, settings
from tests.support.signed_requests import Person, approvers, may, table, write_lists
from tests.unit.reactor.approving import (
    ANNA,
    BEFORE,
    BEN,
    BEN_AGAIN,
    EVA,
    SENT,
    SETTER,
    STRANGER,
    WRITING,
    Scene,
    certified,
)
from tests.unit.reactor.bench import Bench, asked
from tests.unit.reactor.copies import configured

Case = Callable[[Scene], Awaitable[str]]
REFUSED = "FAILED NOT_AUTHORIZED"


def both(scene: Scene, change: Change) -> list[bytes]:
    del scene
    return [BEN.approves(change), EVA.approves(change)]


async def one_too_few(scene: Scene) -> str:
    change = scene.change()
    return await scene.executed(change, [BEN.approves(change)])


async def none(scene: Scene) -> str:
    return await scene.executed(scene.change(), [])


async def no_change(scene: Scene) -> str:
    delivered = scene.world.sealed(scene.asked(), scene.secret, newest=scene.newest, sign=ANNA.signs)
    assert await scene.world.handler.handle(delivered)
    return scene.world.outcomes()[-1]


async def the_requesters_own(scene: Scene) -> str:
    change = scene.change()
    return await scene.executed(change, [BEN.approves(change), ANNA.approves(change)])


async def one_key_under_two_names(scene: Scene) -> str:
    change, key = scene.change(), ssh_blobs.ed25519()
    return await scene.executed(change, [certified(BEN.name, change, key), certified(EVA.name, change, key)])


async def two_keys_of_one_name(scene: Scene) -> str:
    change = scene.change()
    return await scene.executed(change, [BEN.approves(change), BEN_AGAIN.approves(change)])


async def one_approval_twice(scene: Scene) -> str:
    change = scene.change()
    return await scene.executed(change, [BEN.approves(change)] * 2)


async def revoked_since(scene: Scene) -> str:
    change = scene.change()
    approvals = both(scene, change)
    scene.revoked.append(EVA.key)
    scene.world.gate.signers = scene.lists()
    return await scene.executed(change, approvals)


async def certificate_ended_since(scene: Scene) -> str:
    change = scene.change()
    return await scene.executed(change, [BEN.approves(change), certified(EVA.name, change, ended=True)])


async def certificate_valid_for_too_long(scene: Scene) -> str:
    """`max_certificate_hours` is 16, for approvers, too."""
    change = scene.change()
    return await scene.executed(change, [BEN.approves(change), certified(EVA.name, change, hours=16)])


async def of_a_stranger(scene: Scene) -> str:
    """Whom an entry names, and no list."""
    change = scene.change()
    return await scene.executed(change, [BEN.approves(change), STRANGER.approves(change)])


async def of_who_may_not_approve(scene: Scene) -> str:
    """Whom the list names, and no entry."""
    change = scene.change()
    rules = scene.world.gate.signers
    assert rules is not None
    rules._approver_permissions = tuple(
        type(entry)(entry.principals - {EVA.name}, entry.prefixes, entry.purposes)
        for entry in rules._approver_permissions
    )
    return await scene.executed(change, both(scene, change))


async def wrong_namespace(scene: Scene) -> str:
    change = scene.change()
    as_a_request = EVA.signs_statement(approval_statement(change.sha256), Namespace.REQUEST)
    return await scene.executed(change, [BEN.approves(change), as_a_request])


async def other_change(scene: Scene) -> str:
    change = scene.change()
    return await scene.executed(change, [BEN.approves(change), EVA.approves(scene.change())])


async def another_change_beside_it(scene: Scene) -> str:
    """m8 swaps the change itself for another one, which was approved."""
    change, other = scene.change(), scene.change(reason="harmless")
    return await scene.executed(change, both(scene, other), presented=other.content)


async def other_version(scene: Scene) -> str:
    """What is asked is about another version than what was approved."""
    change = scene.change()
    field = "source_version" if scene.purpose == upload_pb2.PURPOSE_COPY else "expect_version"
    request = scene.asked(**{field: "v9"}, change_sha256=change.sha256)
    return await scene.executed(change, both(scene, change), request=request)


async def other_identity(scene: Scene) -> str:
    change = scene.change(identity="SHA256:" + "A" * 43)
    return await scene.executed(change, both(scene, change))


async def other_requester(scene: Scene) -> str:
    change = scene.change(requester=SETTER.name)
    return await scene.executed(change, both(scene, change))


async def too_late(scene: Scene) -> str:
    change = scene.change(not_after=int(time.time()) - 1)
    return await scene.executed(change, both(scene, change))


async def too_far_ahead(scene: Scene) -> str:
    change = scene.change(not_after=int(time.time()) + 24 * 3_600 + 60)
    return await scene.executed(change, both(scene, change))


async def malformed(scene: Scene) -> str:
    change = scene.change()
    broken = msgspec.structs.replace(change, content=change.content + b"\x0a\x00")
    return await scene.executed(broken, both(scene, broken), request=fresh(broken))


def fresh(change: Change) -> Request:
    return request_of(change, request_id=secrets.token_bytes(16), suites=(1,))


async def nine_approvals(scene: Scene) -> str:
    change = scene.change()
    return await scene.executed(change, [*both(scene, change), *[b"x"] * 7])


async def overtaken(scene: Scene) -> str:
    """Another version is there by now than approvers saw."""
    change = scene.change()
    memory = scene.world.memory
    if scene.purpose == upload_pb2.PURPOSE_UNDELETE:
        versions, _ = memory.aside[URI.path]
        memory.put({"password": b"meanwhile"})
        memory.set_aside()
        del versions
    else:
        memory.put({"password": b"meanwhile"})
    return await scene.executed(change, both(scene, change))


async def other_keys(scene: Scene) -> str:
    change = scene.change()
    return await scene.executed(change, both(scene, change), secret={**SENT, "more": b"than approved"})


async def fewer_keys(scene: Scene) -> str:
    change = scene.change()
    return await scene.executed(change, both(scene, change), secret={"password": b"sent"})


async def fingerprint_differs(scene: Scene) -> str:
    other = scene.world.key.shown(b"\0" * 32)
    change = scene.change(fingerprint=other)
    end = await scene.executed(change, both(scene, change))
    assert len(scene.world.rates._guesses) == 1, "it is a guess"
    return end


async def fingerprint_under_another_key(scene: Scene) -> str:
    change = scene.change(fingerprint="fp1:" + "0" * 16 + ":" + "0" * 64)
    return await scene.executed(change, both(scene, change))


async def no_room_for_a_guess(scene: Scene) -> str:
    """The content is the approved one; but nobody can be told so."""
    use_up_guesses(scene)
    change = scene.change(fingerprint=scene.fingerprint())
    return await scene.executed(change, both(scene, change))


def use_up_guesses(scene: Scene) -> None:
    scene.world.rates.limits = ReactorLimits(compares_per_hour_per_uri=1, compares_per_hour=1)
    with scene.world.rates.guess(URI, Signer(SETTER.name)) as guess:
        guess.announced = True


async def done_before(scene: Scene) -> str:
    """The same version is there again, as after a deletion that was undone."""
    before, change = scene.there(), scene.change()
    approvals = both(scene, change)
    first = await scene.executed(change, approvals)
    assert not first.startswith("FAILED"), first
    scene.back(before)
    scene.clear()
    return await scene.executed(change, approvals)


async def done_before_elsewhere(scene: Scene) -> str:
    """After a restart, with the receipt: the newest one names the change."""
    before, change = scene.there(), scene.change()
    approvals = both(scene, change)
    assert not (await scene.executed(change, approvals)).startswith("FAILED")
    newest = scene.world.receipt()
    scene.back(before)
    scene.clear()
    scene.world.handler._changes = changes.DoneChanges()
    scene.world.known._secrets.clear()
    return await scene.executed(change, approvals, newest=newest)


CASES: dict[str, tuple[Case, str]] = {
    "one too few": (one_too_few, REFUSED),
    "none": (none, REFUSED),
    "no change": (no_change, REFUSED),
    "the requester's own": (the_requesters_own, REFUSED),
    "one key under two names": (one_key_under_two_names, REFUSED),
    "two keys of one name": (two_keys_of_one_name, REFUSED),
    "one approval twice": (one_approval_twice, REFUSED),
    "revoked since": (revoked_since, REFUSED),
    "certificate ended since": (certificate_ended_since, REFUSED),
    "certificate valid for too long": (certificate_valid_for_too_long, REFUSED),
    "of a stranger": (of_a_stranger, REFUSED),
    "of who may not approve": (of_who_may_not_approve, REFUSED),
    "wrong namespace": (wrong_namespace, REFUSED),
    "other change": (other_change, REFUSED),
    "another change beside it": (another_change_beside_it, REFUSED),
    "other version": (other_version, REFUSED),
    "other store's identity": (other_identity, REFUSED),
    "other requester": (other_requester, REFUSED),
    "too late": (too_late, REFUSED),
    "too far ahead": (too_far_ahead, REFUSED),
    "malformed": (malformed, REFUSED),
    "nine approvals": (nine_approvals, REFUSED),
    "overtaken": (overtaken, "FAILED CONFLICT"),
    "other keys than approved": (other_keys, "FAILED BAD_PAYLOAD"),
    "fewer keys than approved": (fewer_keys, "FAILED BAD_PAYLOAD"),
    "fingerprint differs": (fingerprint_differs, "FAILED CONFLICT"),
    "fingerprint under another key": (fingerprint_under_another_key, "FAILED UNSUPPORTED"),
    "no room for a guess": (no_room_for_a_guess, "FAILED RATE_LIMITED"),
    "done before": (done_before, "FAILED CONFLICT"),
    "done before elsewhere": (done_before_elsewhere, "FAILED CONFLICT"),
}
NOTHING_SEALED = "nothing is sealed, so the change names no keys"
NOT_WHOLE = "who proposes does not know the whole content, so the change has no fingerprint"
NOT_THERE = "the newest receipt of the source does not tell of copies: the destination's version refuses a second one"
WHY_NOT: dict[tuple[str, str], str] = {
    **{
        (word, case): NOTHING_SEALED
        for word in WRITING
        for case in ("other keys than approved", "fewer keys than approved")
        if not PURPOSES[WRITING[word]].seals
    },
    **{
        (word, case): NOT_WHOLE
        for word in WRITING
        for case in ("fingerprint differs", "fingerprint under another key", "no room for a guess")
        if not PURPOSES[WRITING[word]].puts_whole
    },
    ("copy", "done before elsewhere"): NOT_THERE,
}
PAIRS = [(word, case) for word in WRITING for case in CASES if (word, case) not in WHY_NOT]


@pytest.mark.parametrize(("word", "case"), PAIRS)
async def test_what_was_not_approved_as_it_is_leaves_the_engine_as_it_was(tmp_path: Path, word: str, case: str) -> None:
    scene = await Scene(tmp_path, WRITING[word]).ready()
    attempt, expected = CASES[case]
    before = scene.there()
    assert await attempt(scene) == expected
    if case == "overtaken":
        assert not {"write", "patch", "delete", "undelete"} & set(scene.world.memory.calls)
    else:
        assert scene.there() == before
    end = scene.world.receipt()
    assert (end.change_sha256, end.approvers, end.signer) == (b"", (), "")
    assert "STARTED" not in scene.world.outcomes() or scene.purpose == upload_pb2.PURPOSE_COPY
    if expected == REFUSED:
        assert end.detail == "", "m8 and users are not told why"
        [refused] = [entry for entry in scene.world.audit.entries if entry.outcome == "REFUSED"]
        assert refused.detail
    assert (
        scene.world.keys.granted(scene.world.keys.request_ids()[0]) is None if scene.world.keys.request_ids() else True
    )


@pytest.mark.parametrize("word", sorted(WRITING))
async def test_what_enough_others_approved_is_done_and_its_receipts_name_them(tmp_path: Path, word: str) -> None:
    scene = await Scene(tmp_path, WRITING[word]).ready()
    whole = PURPOSES[scene.purpose].puts_whole
    change = scene.change(fingerprint=scene.fingerprint() if whole else "", reason="the old one is too old")
    approvals = [b"no approval", EVA.approves(change), EVA.approves(change), BEN.approves(change)]
    end = await scene.executed(change, approvals)
    assert scene.world.receipt().outcome in PURPOSES[scene.purpose].successes, end
    assert "STARTED" in scene.world.outcomes()
    for index in range(len(scene.world.log.events)):
        receipt = scene.world.receipt(index)
        assert receipt.change_sha256 == change.sha256
        assert receipt.approvers == ((BEN.name, BEN.key), (EVA.name, EVA.key))
        assert receipt.signer == ANNA.name
        assert not receipt.break_glass
    [allowed] = [entry for entry in scene.world.audit.entries if entry.outcome == "AUTHORIZED"]
    assert allowed.approvers == (f"{BEN.name} {BEN.key}", f"{EVA.name} {EVA.key}")
    assert allowed.change_sha256 == change.sha256.hex()
    assert allowed.detail == "approval 1: malformed"
    assert len(allowed.approvers_sha256) == len(allowed.rules_sha256) == 64
    assert not scene.world.rates._guesses, "what was written as approved is no guess"


async def test_an_approval_by_a_certificate_counts_while_it_holds(tmp_path: Path) -> None:
    scene = await Scene(tmp_path, upload_pb2.PURPOSE_UPLOAD).ready()
    change = scene.change()
    assert await scene.executed(change, [BEN.approves(change), certified(EVA.name, change)]) == "UPLOADED"


async def test_each_principal_needs_as_many_as_its_own_entries_ask(tmp_path: Path) -> None:
    """Who needs none is as before, and shows none; and the grant says what is asked of anybody at most."""
    scene = await Scene(tmp_path, upload_pb2.PURPOSE_UPLOAD).ready()
    delivered = scene.world.sealed(ask(), SENT, sign=SETTER.signs)
    assert delivered.grant.approvals == 2
    shown = dataclasses.replace(delivered, presented=Presented(b"", (b"approval",)))
    assert await scene.world.handler.handle(shown)
    assert scene.world.outcomes()[-1] == REFUSED
    assert (await scene.world.walk(ask(), SENT, sign=SETTER.signs)).outcome == upload_pb2.OUTCOME_UPLOADED
    assert scene.world.sealed(ask(upload_pb2.PURPOSE_COMPARE), SENT).grant.approvals == 0


async def test_approvals_for_what_needs_no_signature_are_refused(world: World) -> None:
    delivered = dataclasses.replace(world.sealed(), presented=Presented(b"change", ()))
    assert await world.handler.handle(delivered)
    assert world.outcomes() == [REFUSED]


async def test_a_change_that_nobody_must_approve_is_held_to_what_it_says_all_the_same(tmp_path: Path) -> None:
    scene = await Scene(tmp_path, upload_pb2.PURPOSE_UPLOAD, needed=0).ready()
    change = scene.change()
    assert await scene.executed(change, [], secret={"password": b"sent"}) == "FAILED BAD_PAYLOAD"
    assert await scene.executed(change, []) == "UPLOADED"
    assert (scene.world.receipt().change_sha256, scene.world.receipt().approvers) == (change.sha256, ())


async def test_what_failed_before_anything_was_written_may_be_tried_again(tmp_path: Path) -> None:
    scene = await Scene(tmp_path, upload_pb2.PURPOSE_UPLOAD).ready()
    change = scene.change()
    approvals = both(scene, change)
    scene.world.log.refusals.append("CONFLICT")  # m8 refuses STARTED
    request = fresh(change)
    refused = scene.world.sealed(
        request, SENT, newest=scene.newest, sign=ANNA.signs, presented=Presented(change.content, tuple(approvals))
    )
    assert not await scene.world.handler.handle(refused)
    assert await scene.executed(change, approvals, secret={"password": b"sent"}) == "FAILED BAD_PAYLOAD"
    assert await scene.executed(change, approvals) == "UPLOADED"


async def test_what_nobody_knows_the_end_of_counts_as_done(tmp_path: Path) -> None:
    scene = await Scene(tmp_path, upload_pb2.PURPOSE_COPY).ready()
    change = scene.change()
    scene.copies.there = lambda _: upload_pb2.REASON_OUTCOME_UNKNOWN
    assert await scene.executed(change, both(scene, change)) == "FAILED OUTCOME_UNKNOWN"
    scene.copies.there = scene.copies.put
    assert await scene.executed(change, both(scene, change)) == "FAILED CONFLICT"
    assert scene.world.receipt().detail == changes.DONE_BEFORE


async def test_what_is_cancelled_counts_as_done(tmp_path: Path) -> None:
    """Where the process ends in the middle, nobody knows what the engine was told."""
    done, change = changes.DoneChanges(), (await Scene(tmp_path, upload_pb2.PURPOSE_DELETE).ready()).change()
    with pytest.raises(asyncio.CancelledError), done.executing(change):
        raise asyncio.CancelledError
    with pytest.raises(FailedError, match="CONFLICT"), done.executing(change):
        pass


async def test_where_no_change_more_can_be_remembered_none_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What has ended is forgotten then: nobody can execute it any more."""
    monkeypatch.setattr(changes, "MOST_DONE", 1)
    scene = await Scene(tmp_path, upload_pb2.PURPOSE_UPLOAD).ready()
    first = scene.change()
    assert await scene.executed(first, both(scene, first)) == "UPLOADED"
    second = scene.change()
    assert await scene.executed(second, both(scene, second)) == "FAILED RATE_LIMITED"
    assert 3_000 < scene.world.receipt().retry_after_s <= 3_601
    plain = await scene.world.walk(ask(), {"password": b"of the setter"}, sign=SETTER.signs)
    assert plain.outcome == upload_pb2.OUTCOME_UPLOADED, "what names no change goes on"
    scene.world.handler._changes.clock = lambda: first.not_after + 1.0
    third = scene.change()
    assert await scene.executed(third, both(scene, third)) == "UPLOADED"


async def test_what_ends_while_it_is_done_is_forgotten_and_comes_to_its_own_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(changes, "MOST_DONE", 1)
    scene = await Scene(tmp_path, upload_pb2.PURPOSE_DELETE).ready()
    first, second, ended = scene.change(), scene.change(), FailedError(upload_pb2.REASON_UPSTREAM_UNAVAILABLE)
    done = changes.DoneChanges(lambda: first.not_after + 1.0)
    with done.executing(first), done.executing(second):
        pass
    with pytest.raises(FailedError, match="UPSTREAM_UNAVAILABLE"), done.executing(first), done.executing(second):
        raise ended


async def test_a_requester_who_needs_no_approvals_uses_up_no_more_than_its_half(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of what the process can remember: one person alone would else end all changes of the others for days."""
    monkeypatch.setattr(changes, "MOST_DONE", 4)
    scene = await Scene(tmp_path, upload_pb2.PURPOSE_UPLOAD, needed=0).ready()
    of_anna = [await scene.executed(scene.change(), []) for _ in range(3)]
    assert of_anna == ["UPLOADED", "UNCHANGED", "FAILED RATE_LIMITED"]
    with scene.world.handler._changes.executing(scene.change(requester=BEN.name)):
        pass


async def test_after_a_restart_without_the_receipt_the_requester_has_a_second_time_and_nobody_else(
    tmp_path: Path,
) -> None:
    """m8 hides the receipt from a new process. It has no key of anna's, so it gains nothing itself."""
    scene = await Scene(tmp_path, upload_pb2.PURPOSE_UPLOAD).ready()
    before, change = scene.there(), scene.change()
    approvals = both(scene, change)
    assert await scene.executed(change, approvals) == "UPLOADED"
    scene.back(before)
    scene.world.handler._changes = changes.DoneChanges()
    assert await scene.executed(change, approvals) == "FAILED CONFLICT", (
        "who ended it, as an heir does, has its receipt"
    )
    scene.world.known._secrets.clear()
    request = fresh(change)
    of_m8 = scene.world.sealed(
        request, SENT, sign=STRANGER.signs, presented=Presented(change.content, tuple(approvals))
    )
    assert await scene.world.handler.handle(of_m8)
    assert scene.world.outcomes()[-1] == REFUSED
    assert await scene.executed(change, approvals) == "UPLOADED"
    assert await scene.executed(change, approvals) == "FAILED CONFLICT", "and no third time here"


async def test_a_copy_reads_the_version_that_was_approved_and_no_later_one(tmp_path: Path) -> None:
    scene = await Scene(tmp_path, upload_pb2.PURPOSE_COPY).ready()
    change, memory = scene.change(), scene.world.memory
    memory.failures["read"].append(lambda: memory.put({"password": b"meanwhile"}))
    assert await scene.executed(change, both(scene, change)) == "FAILED CONFLICT"
    assert scene.copies.jobs == []
    assert scene.world.receipt().upstream_version == memory.now()


async def test_an_approved_copy_of_keys_copies_these_keys_alone(tmp_path: Path) -> None:
    """What is approved is byte for byte the request, and of the content the fingerprint of the keys in it."""
    scene = await Scene(tmp_path, upload_pb2.PURPOSE_COPY).ready()
    one, all_of_it = scene.asked(keys=("user",)), scene.asked()
    part = scene.world.key.fingerprints(Payload({"user": BEFORE["user"]})).whole
    for request, other in ((one, all_of_it), (all_of_it, one)):
        change = scene.change(request)
        asked_otherwise = request_of(scene.change(other), request_id=secrets.token_bytes(16), suites=(1,))
        fields = {"request_id": secrets.token_bytes(16), "change_sha256": change.sha256}
        message = upload_pb2.UploadRequest.FromString(asked_otherwise.content)
        for name, value in fields.items():
            setattr(message, name, value)
        stolen = parse_request(serialise(message))
        assert await scene.executed(change, both(scene, change), request=stolen) == REFUSED
    whole = scene.change(one, fingerprint=scene.fingerprint())
    assert await scene.executed(whole, both(scene, whole)) == "FAILED CONFLICT"
    assert not scene.copies.jobs
    exact = scene.change(one, fingerprint=part)
    assert await scene.executed(exact, both(scene, exact)) == "COPIED"
    assert scene.world.receipt().fingerprint == part


async def test_an_heir_names_the_approvers_that_started_names(tmp_path: Path) -> None:
    scene = await Scene(tmp_path, upload_pb2.PURPOSE_UPLOAD).ready()
    change = scene.change()
    request = fresh(change)
    delivered = scene.world.sealed(
        request,
        SENT,
        newest=scene.newest,
        sign=ANNA.signs,
        presented=Presented(change.content, tuple(both(scene, change))),
    )
    assert await scene.world.handler.handle(delivered)
    started = scene.world.receipt(0)
    ended = await scene.world.taken_over(
        delivered.grant,
        sealed_sha256=delivered.sha256,
        signer=started.signer,
        signer_key=started.signer_key,
        approvers=started.approvers,
        prior_version=started.prior_version,
        intent=started.intent,
    )
    assert ended.outcome == upload_pb2.OUTCOME_UPLOADED
    assert (ended.change_sha256, ended.approvers) == (change.sha256, started.approvers)


def test_guesses_that_missed_go_on_counting() -> None:
    rates = Rates(ReactorLimits())
    with rates.guess(URI, "anna") as guess:
        guess.missed = True
    assert len(rates._guesses) == 1


def admits(scene: Scene, **fields: Any) -> Admission:
    of = settings(scene.folder)
    of = dataclasses.replace(of, copies=configured(scene.folder).copies)
    rates = Rates(of.limits, now=scene.world.now)
    return Admission(of, scene.world.store, rates, scene.world.gate, **{"approvals_come": True, **fields})


async def test_with_an_m8_that_carries_no_approvals_no_key_is_given_where_they_are_asked(tmp_path: Path) -> None:
    scene = await Scene(tmp_path, upload_pb2.PURPOSE_UPLOAD).ready()
    older, now = admits(scene, approvals_come=False), admits(scene)
    named, glass = ask(change_sha256=b"c" * 32), ask(break_glass="why")
    for request in (ask(), named):
        assert (refusal(older, request), refusal(now, request)) == ("UNSUPPORTED", "")
    assert (refusal(older, glass), refusal(now, glass)) == ("", ""), "a broken glass takes none"
    assert refusal(older, ask(upload_pb2.PURPOSE_COMPARE)) == "", "nobody is asked for what only looks"
    with pytest.raises(FailedError) as caught:
        older.admit(ask(), "alice")
    assert "the m8 that it is attached to carries none" in caught.value.failure.detail


async def test_whether_m8_carries_approvals_each_session_says_anew(tmp_path: Path) -> None:
    write_lists(tmp_path, ANNA, approvers=[BEN])
    bench = Bench(tmp_path, file=table(may(ANNA, "upload", approvals=1), approve=[approvers(BEN)]))
    bench.attach()
    await bench.grant(ask())
    bench.attach(approvals=False)
    request = ask()
    bench.tell(request, 1, asked(request))
    assert (await bench.next()).failed.reason == upload_pb2.REASON_UNSUPPORTED
    bench.audit.close()


async def test_where_nothing_is_signed_nothing_can_be_approved(tmp_path: Path) -> None:
    scene = await Scene(tmp_path, upload_pb2.PURPOSE_UPLOAD).ready()
    scene.world.gate.signers = None
    for fields in ({"change_sha256": b"c" * 32}, {"break_glass": "why"}):
        assert refusal(admits(scene), ask(**fields)) == "UNSUPPORTED"


async def test_a_copy_names_a_version_where_there_are_versions(tmp_path: Path) -> None:
    scene = await Scene(tmp_path, upload_pb2.PURPOSE_COPY).ready()
    assert refusal(admits(scene), scene.asked()) == ""
    scene.world.store = Unversioned()
    assert refusal(admits(scene), scene.asked(source_version="v1")) == "UNSUPPORTED"
    assert refusal(admits(scene), scene.asked(source_version="")) == ""


@pytest.mark.parametrize(
    ("engine", "approvals", "starts"), [(MemoryStore(), 1, True), (Unversioned(), 0, True), (Unversioned(), 1, False)]
)
def test_a_reactor_that_asks_for_approvals_starts_with_check_and_set_alone(
    tmp_path: Path, engine: MemoryStore, approvals: int, *, starts: bool
) -> None:
    write_lists(tmp_path, ANNA, approvers=[BEN])
    file = table(may(ANNA, *WRITING, approvals=approvals), approve=[approvers(BEN)])
    of = dataclasses.replace(settings(tmp_path), signers=file)
    parts = engine, Identity(SEED, store="memory"), FingerprintKey(K), AuditFile(tmp_path / "audit.jsonl")
    if not starts:
        with pytest.raises(UsageError, match="cannot replace exactly one version"):
            Reactor(of, *parts, timings=FAST)
        return
    announced = Reactor(of, *parts, timings=FAST).session.endpoint.announced()
    assert (announced.approvals, announced.source_versions) == (approvals, engine.capabilities.versions)
    assert len(announced.signers_sha256) == 32


def digest(folder: Path, *rules: MayRule, lists: Sequence[Person] = (BEN,)) -> str:
    write_lists(folder, ANNA, approvers=lists)
    file = table(*rules, approve=[approvers(BEN)])
    return Signers.load(file, folder=folder, store="memory").state().lists.rules


def test_replicas_with_other_lists_or_entries_have_another_digest(tmp_path: Path) -> None:
    rules = may(ANNA, "upload", approvals=1)
    first = digest(tmp_path, rules)
    assert digest(tmp_path, rules) == first
    others = {
        digest(tmp_path, may(ANNA, "upload")),
        digest(tmp_path, rules, may(EVA, "upload")),
        digest(tmp_path, rules, lists=[BEN, EVA]),
    }
    assert len(others | {first}) == 4


async def test_what_m8_delivers_is_what_is_counted(tmp_path: Path) -> None:
    """From the settings to what m8 gets, through a whole reactor: only the connection to m8 is played."""
    write_lists(tmp_path, ANNA, approvers=[BEN])
    file = table(may(ANNA, "upload", approvals=1), approve=[approvers(BEN)])
    for approved in (True, False):
        bench = Bench(tmp_path, file=file)
        bench.attach()
        change = make_change(
            change_id=secrets.token_bytes(16),
            request=ask(expect=upload_pb2.EXPECT_ABSENT),
            requester=ANNA.name,
            identity=Identity(SEED, store="memory").shown,
            not_after=int(time.time()) + 60,
            keys=tuple(sorted(SENT)),
        )
        request = fresh(change)
        grant = parse_grant((await bench.grant(request)).grant.content)
        assert grant.approvals == 1
        sealed = seal(grant, encode(Payload(SENT)))
        event = events_pb2.SecretUploadRequested(
            sealed_sha256=hashlib.sha256(sealed).digest(),
            size=len(sealed),
            request_signature=ANNA.signs(grant, hashlib.sha256(sealed).digest()),
            change=change.content,
            approvals=[BEN.approves(change)] if approved else [],
        )
        bench.tell(request, 3, event, sealed=sealed)
        append = await bench.next()
        assert append.WhichOneof("event") == ("started" if approved else "failed")


async def test_what_a_process_announced_that_knows_no_approvals_is_not_ended_as_done(tmp_path: Path) -> None:
    scene = await Scene(tmp_path, upload_pb2.PURPOSE_UPLOAD).ready()
    change = scene.change()
    approvals = Presented(change.content, tuple(both(scene, change)))
    delivered = scene.world.sealed(fresh(change), SENT, newest=scene.newest, sign=ANNA.signs, presented=approvals)
    assert await scene.world.handler.handle(delivered)
    started, identity = scene.world.receipt(0), scene.world.identity
    presence, timings = Presence(), FAST
    heir = Recovery(identity, b"h" * 16, presence, scene.world.lookup, scene.world.reporter, timings)
    message = upload_pb2.Receipt.FromString(started.content)
    good = opened(delivered.grant.request)
    good.started = identity.sign(RECEIPT, started.content)
    assert heir._started(good, delivered.grant) == started
    message.ClearField("change_sha256")
    message.ClearField("approvers")
    good.started = identity.sign(RECEIPT, message.SerializeToString(deterministic=True))
    assert heir._started(good, delivered.grant) is None
