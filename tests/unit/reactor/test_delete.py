"""Deleting, branch by branch, on an engine in memory."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from monoskope.api.secrets.v1 import events_pb2, upload_pb2
from monoskope.protocol.receipt import make_receipt, write_tag
from monoskope.reactor.admission import Admission
from monoskope.reactor.guarded_driver import GuardedDriver
from monoskope.reactor.limits import Rates
from monoskope.reactor.memory import Garbage
from monoskope.reactor.reasons import FailedError
from monoskope.reactor.settings import ReactorLimits
from monoskope.reactor.work.delivery import DeliveredRequest
from monoskope.reactor.work.lookup import WriteAttempt
from monoskope.stores.driver import (
    OvertakenError,
    StoreConflictError,
    StoreDriver,
    StoreRefusedError,
    StoreUnavailableError,
    UnknownOutcomeError,
    UnsupportedError,
)
from tests.support.reactor_world import SECRET, URI, MemoryStore, World, ask, settings

DELETE, UPLOAD = upload_pb2.PURPOSE_DELETE, upload_pb2.PURPOSE_UPLOAD
ANY, VERSION, OVERWRITE = upload_pb2.EXPECT_ANY, upload_pb2.EXPECT_VERSION, upload_pb2.EXPECT_OVERWRITE
EMPTY = hashlib.sha256(b"").digest()


@pytest.mark.parametrize("destroy", [False, True])
async def test_what_was_put_is_announced_deleted_and_receipted(*, destroy: bool) -> None:
    world = World()
    put = await world.walk()
    sealed = world.sealed(ask(DELETE, destroy=destroy))
    assert await world.handler.handle(sealed)
    assert world.outcomes() == ["STARTED", "UPLOADED", "STARTED", "DELETED"]
    started, deleted = world.receipt(2), world.receipt(3)
    assert started.intent == world.key.intent(write_tag(sealed.grant.sha256, EMPTY), bytes(32))
    assert started.prior_version == deleted.prior_version == put.upstream_version
    assert (deleted.upstream_version, deleted.fingerprint, deleted.sealed_sha256) == ("", "", EMPTY)
    assert isinstance(world.log.events[-1], events_pb2.SecretDeleted)
    assert world.memory.destroyed == [destroy]
    assert world.memory.now() == ""
    assert len(world.keys) == 0


async def test_nothing_is_not_found_whatever_is_expected() -> None:
    for expect in (ANY, OVERWRITE):
        world = World()
        await world.walk(ask(DELETE, expect=expect))
        assert world.outcomes() == ["FAILED NOT_FOUND"]
        assert "delete" not in world.memory.calls


async def test_content_that_no_receipt_of_ours_names_needs_overwrite() -> None:
    world = World()
    version = world.memory.put(SECRET)
    assert (await world.walk(ask(DELETE))).reason == upload_pb2.REASON_UPSTREAM_CHANGED
    assert (await world.walk(ask(DELETE, expect=OVERWRITE))).prior_version == version


@pytest.mark.parametrize(("version", "outcome"), [("v1", "DELETED"), ("v0", "FAILED CONFLICT")])
async def test_version_expects_that_version(version: str, outcome: str) -> None:
    world = World()
    world.memory.put(SECRET)
    await world.walk(ask(DELETE, expect=VERSION, expect_version=version))
    assert world.outcomes()[-1] == outcome


async def test_a_version_that_moved_meanwhile_stays() -> None:
    world = World()
    await world.walk()
    world.memory.failures["delete"].append(lambda: world.memory.put({"a": b""}))
    await world.walk(ask(DELETE))
    assert world.outcomes()[-2:] == ["STARTED", "FAILED UPSTREAM_CHANGED"]
    assert world.memory.calls.count("delete") == 1
    assert world.memory.now() == "v2"


async def test_a_version_that_came_in_between_stays_and_the_receipt_says_what_became_of_the_one_before() -> None:
    said = "a newer version came in between and stays; the one before it was erased for good."
    memory = MemoryStore()

    def overtaken() -> None:
        memory.put({"a": b""})
        raise OvertakenError(said)

    world = World(GuardedDriver(memory, Garbage(), within_s=5.0))
    await world.walk()
    memory.failures["delete"].append(overtaken)
    failed = await world.walk(ask(DELETE, destroy=True))
    assert (failed.reason, failed.upstream_version) == (upload_pb2.REASON_UPSTREAM_CHANGED, "v2")
    assert failed.detail == said


@pytest.mark.parametrize(
    ("failure", "outcome"),
    [
        (StoreConflictError("x"), "FAILED CONFLICT"),
        (StoreRefusedError("x"), "FAILED UPSTREAM_REFUSED"),
        (StoreUnavailableError("x"), "FAILED UPSTREAM_UNAVAILABLE"),
        (UnknownOutcomeError("x"), "FAILED KEY_LOST"),
    ],
)
async def test_what_the_engine_says_becomes_the_reason(failure: Exception, outcome: str) -> None:
    world = World()
    await world.walk()
    world.memory.failures["delete"].append(failure)
    await world.walk(ask(DELETE))
    assert world.outcomes()[-1] == outcome
    assert world.memory.now() == "v1"


async def test_a_deletion_whose_answer_was_lost_is_looked_up() -> None:
    world = World()
    await world.walk()
    world.memory.failures["deleted"].append(UnknownOutcomeError("x"))
    assert (await world.walk(ask(DELETE))).outcome == upload_pb2.OUTCOME_DELETED


async def test_refused_started_deletes_nothing() -> None:
    world = World()
    await world.walk()
    world.log.refusals.append("CONFLICT")
    assert not await world.handler.handle(world.sealed(ask(DELETE)))
    assert "delete" not in world.memory.calls


async def test_sealed_bytes_with_a_deletion_are_refused_and_its_key_dies() -> None:
    world = World()
    await world.walk()
    sealed = world.sealed(ask(DELETE))
    for encapsulated, ciphertext, digest in ((b"x", b"", EMPTY), (b"", b"x", EMPTY), (b"", b"", b"")):
        other = replace(sealed, encapsulated_key=encapsulated, ciphertext=ciphertext, sha256=digest)
        await world.handler.handle(other)
        assert world.outcomes()[-1] == "FAILED BAD_PAYLOAD"
        assert len(world.keys) == 0


async def test_an_upload_without_sealed_bytes_is_refused() -> None:
    world = World()
    granted = world.keys.grant(ask(UPLOAD), "alice", world.looks.begin)
    await world.handler.handle(DeliveredRequest.from_bytes(granted, b"", EMPTY, 3))
    assert world.outcomes() == ["FAILED BAD_PAYLOAD"]


async def test_a_key_is_good_for_one_deletion_in_its_lifetime() -> None:
    world = World()
    await world.walk()
    late, once = world.sealed(ask(DELETE)), world.sealed(ask(DELETE))
    await world.handler.handle(once)
    await world.handler.handle(once)
    assert world.outcomes()[-1] == "FAILED KEY_LOST"
    world.now.time += 300
    await world.handler.handle(late)
    assert world.outcomes()[-1] == "FAILED EXPIRED"


@pytest.mark.parametrize(("now", "outcome"), [("", "DELETED"), ("v1", "KEY_LOST"), ("v2", "OUTCOME_UNKNOWN")])
async def test_an_heir_says_what_the_engine_shows(now: str, outcome: str) -> None:
    world = World()
    sealed = world.sealed(ask(DELETE))
    started = make_receipt(
        grant=sealed.grant,
        sealed_sha256=EMPTY,
        outcome=upload_pb2.OUTCOME_STARTED,
        prior_version="v1",
        intent=bytes(32),
    )
    if now:
        world.memory.put(SECRET)
    if now == "v2":
        world.memory.put(SECRET)
    receipt = await world.lookup.settled(WriteAttempt(sealed.grant, started, "v1"))
    expected = {"DELETED": (upload_pb2.OUTCOME_DELETED, upload_pb2.REASON_UNSPECIFIED)}
    failed = (upload_pb2.OUTCOME_FAILED, upload_pb2.Reason.Value(f"REASON_{outcome}") if outcome != "DELETED" else 0)
    assert (receipt.outcome, receipt.reason) == expected.get(outcome, failed)


@pytest.mark.parametrize(
    ("soft_delete", "deletable", "destroy", "admitted"),
    [(True, False, False, True), (False, True, False, False), (False, True, True, True), (True, False, True, False)],
)
def test_what_the_engine_cannot_delete_gets_no_key(
    tmp_path: Path, *, soft_delete: bool, deletable: bool, destroy: bool, admitted: bool
) -> None:
    store = MemoryStore(soft_delete=soft_delete, deletable=deletable)
    admission = Admission(settings(tmp_path), store, Rates(ReactorLimits()))
    request = ask(DELETE, destroy=destroy)
    if admitted:
        admission.admit(request, "alice")
    else:
        with pytest.raises(FailedError) as caught:
            admission.admit(request, "alice")
        assert caught.value.reason == upload_pb2.REASON_UNSUPPORTED


async def test_a_driver_deletes_nothing_unless_it_says_so() -> None:
    with pytest.raises(UnsupportedError):
        await StoreDriver.delete(MemoryStore(), URI.path, replacing=None, destroy=False)
