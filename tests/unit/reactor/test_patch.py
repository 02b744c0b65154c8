"""Patching, branch by branch, on an engine in memory."""

from __future__ import annotations

import hashlib
import re
from dataclasses import replace
from pathlib import Path

import pytest

from monoskope.api.secrets.v1 import events_pb2, upload_pb2
from monoskope.protocol.receipt import make_receipt, write_tag
from monoskope.reactor.admission import Admission
from monoskope.reactor.identity.fingerprint import digest_of
from monoskope.reactor.limits import Rates
from monoskope.reactor.reasons import FailedError
from monoskope.reactor.settings import ReactorLimits
from monoskope.reactor.work.lookup import WriteAttempt
from monoskope.stores.driver import (
    CannotReadError,
    StoreConflictError,
    StoreDriver,
    StoreRefusedError,
    StoreUnavailableError,
    UnknownOutcomeError,
    UnsupportedError,
)
from tests.support.reactor_world import SECRET, URI, MemoryStore, World, ask, settings

PATCH = upload_pb2.PURPOSE_PATCH
ANY, VERSION, OVERWRITE = upload_pb2.EXPECT_ANY, upload_pb2.EXPECT_VERSION, upload_pb2.EXPECT_OVERWRITE
EMPTY = hashlib.sha256(b"").digest()
NEW = {"password": b"new"}
AFTER = {"password": b"new", "user": b"app"}


def there(world: World) -> dict[str, bytes]:
    return dict(world.memory.content[URI.path][-1][1])


@pytest.mark.parametrize("readable", [True, False], ids=["readable", "write-only"])
async def test_one_key_changes_and_the_receipt_has_the_hash_of_the_whole(*, readable: bool) -> None:
    world = World(MemoryStore(readable=readable))
    put = await world.walk()
    sealed = world.sealed(ask(PATCH), NEW)
    assert await world.handler.handle(sealed)
    assert world.outcomes() == ["STARTED", "UPLOADED", "STARTED", "UPLOADED"]
    started, patched = world.receipt(2), world.receipt(3)
    assert there(world) == AFTER
    assert patched.fingerprint == world.key.fingerprints(AFTER).whole
    assert patched.values == world.key.fingerprints(AFTER).values
    assert (started.prior_version, patched.prior_version) == (put.upstream_version, put.upstream_version)
    assert patched.upstream_version == world.memory.now()
    tag = write_tag(sealed.grant.sha256, sealed.sha256)
    assert started.intent == world.key.intent(tag, digest_of(patched.fingerprint))
    assert isinstance(world.log.events[-1], events_pb2.SecretUploaded)
    assert len(world.keys) == 0


@pytest.mark.parametrize("readable", [True, False], ids=["readable", "write-only"])
async def test_keys_are_dropped_with_nothing_sealed(*, readable: bool) -> None:
    world = World(MemoryStore(readable=readable))
    await world.walk()
    receipt = await world.walk(ask(PATCH, remove_keys=("user",)), {})
    assert there(world) == {"password": SECRET["password"]}
    assert receipt.sealed_sha256 == EMPTY
    assert receipt.fingerprint == world.key.fingerprints(there(world)).whole
    assert len(world.keys) == 0


async def test_keys_are_set_and_dropped_in_one_write() -> None:
    world = World()
    await world.walk()
    await world.walk(ask(PATCH, remove_keys=("password",)), {"token": b"t"})
    assert there(world) == {"token": b"t", "user": b"app"}
    assert world.memory.calls.count("patch") == 1


async def test_the_same_values_are_unchanged_and_nothing_is_written() -> None:
    world = World()
    put = await world.walk()
    receipt = await world.walk(ask(PATCH), {"user": b"app"})
    assert (receipt.outcome, receipt.upstream_version) == (upload_pb2.OUTCOME_UNCHANGED, put.upstream_version)
    assert receipt.fingerprint == put.fingerprint
    assert "patch" not in world.memory.calls


async def test_what_is_not_known_is_patched_without_a_hash() -> None:
    world = World(MemoryStore(readable=False))
    world.memory.put(SECRET)
    request = ask(PATCH, expect=OVERWRITE, remove_keys=("not-there",))
    sealed = world.sealed(request, NEW)
    assert await world.handler.handle(sealed)
    assert there(world) == AFTER
    started, patched = world.receipt(0), world.receipt(1)
    assert (patched.outcome, patched.fingerprint, patched.values) == (upload_pb2.OUTCOME_UPLOADED, "", ())
    assert started.intent == world.key.intent(write_tag(sealed.grant.sha256, sealed.sha256), bytes(32))


async def test_nothing_is_not_found_whatever_is_expected() -> None:
    for expect in (ANY, OVERWRITE):
        world = World()
        await world.walk(ask(PATCH, expect=expect), NEW)
        assert world.outcomes() == ["FAILED NOT_FOUND"]
        assert "patch" not in world.memory.calls


async def test_content_that_no_receipt_of_ours_names_needs_overwrite() -> None:
    world = World()
    version = world.memory.put(SECRET)
    assert (await world.walk(ask(PATCH), NEW)).reason == upload_pb2.REASON_UPSTREAM_CHANGED
    assert (await world.walk(ask(PATCH, expect=OVERWRITE), NEW)).prior_version == version


@pytest.mark.parametrize(("version", "outcome"), [("v1", "UPLOADED"), ("v0", "FAILED CONFLICT")])
async def test_version_expects_that_version(version: str, outcome: str) -> None:
    world = World()
    world.memory.put(SECRET)
    await world.walk(ask(PATCH, expect=VERSION, expect_version=version), NEW)
    assert world.outcomes()[-1] == outcome


@pytest.mark.parametrize("readable", [True, False], ids=["readable", "write-only"])
async def test_a_key_to_drop_that_is_known_not_to_be_there_is_a_conflict(*, readable: bool) -> None:
    world = World(MemoryStore(readable=readable))
    put = await world.walk()
    receipt = await world.walk(ask(PATCH, remove_keys=("passwrod", "user")), NEW)
    assert (receipt.reason, receipt.upstream_version) == (upload_pb2.REASON_CONFLICT, put.upstream_version)
    assert there(world) == SECRET
    assert "patch" not in world.memory.calls


async def test_the_last_key_is_not_dropped_and_no_65th_is_added() -> None:
    world = World()
    await world.walk(secret={f"k{number:02}": b"" for number in range(64)})
    assert (await world.walk(ask(PATCH), {"one-more": b""})).reason == upload_pb2.REASON_UPSTREAM_REFUSED
    every = tuple(f"k{number:02}" for number in range(64))
    assert (await world.walk(ask(PATCH, remove_keys=every), {})).reason == upload_pb2.REASON_UPSTREAM_REFUSED
    assert "patch" not in world.memory.calls
    assert (await world.walk(ask(PATCH, remove_keys=every), {"one": b""})).outcome == upload_pb2.OUTCOME_UPLOADED


async def test_a_key_that_is_set_and_dropped_is_refused() -> None:
    world = World()
    await world.walk()
    receipt = await world.walk(ask(PATCH, remove_keys=("password",)), NEW)
    assert receipt.reason == upload_pb2.REASON_BAD_PAYLOAD
    assert there(world) == SECRET


async def test_a_patch_that_drops_nothing_and_carries_nothing_is_refused_and_its_key_dies() -> None:
    world = World()
    await world.walk()
    await world.handler.handle(world.sealed(ask(PATCH), {}))
    assert world.outcomes()[-1] == "FAILED BAD_PAYLOAD"
    assert len(world.keys) == 0


@pytest.mark.parametrize("change", [{"sha256": b""}, {"ciphertext": b"x"}, {"encapsulated_key": b"x"}])
async def test_bytes_that_are_not_what_was_announced_are_refused_and_the_key_dies(change: dict[str, bytes]) -> None:
    world = World()
    await world.walk()
    nothing = world.sealed(ask(PATCH, remove_keys=("user",)), {})
    await world.handler.handle(replace(nothing, **change))  # type: ignore[arg-type]
    assert world.outcomes()[-1] == "FAILED BAD_PAYLOAD"
    assert len(world.keys) == 0
    assert there(world) == SECRET


async def test_a_version_that_moved_meanwhile_stays_and_is_not_tried_again() -> None:
    world = World()
    await world.walk()
    world.memory.failures["patch"].append(lambda: world.memory.put({"a": b""}))
    await world.walk(ask(PATCH), NEW)
    assert world.outcomes()[-2:] == ["STARTED", "FAILED UPSTREAM_CHANGED"]
    assert world.memory.calls.count("patch") == 1
    assert there(world) == {"a": b""}


@pytest.mark.parametrize(
    ("failure", "outcome"),
    [
        (StoreConflictError("x"), "FAILED CONFLICT"),
        (StoreRefusedError("x"), "FAILED UPSTREAM_REFUSED"),
        (UnsupportedError("x"), "FAILED UNSUPPORTED"),
        (StoreUnavailableError("x"), "FAILED UPSTREAM_UNAVAILABLE"),
        (CannotReadError("x"), "FAILED CANNOT_READ"),
        (UnknownOutcomeError("x"), "FAILED KEY_LOST"),
    ],
)
async def test_what_the_engine_says_becomes_the_reason(failure: Exception, outcome: str) -> None:
    world = World()
    await world.walk()
    world.memory.failures["patch"].append(failure)
    await world.walk(ask(PATCH), NEW)
    assert world.outcomes()[-1] == outcome
    assert there(world) == SECRET


@pytest.mark.parametrize("tagged", [True, False], ids=["by its tag", "by its content"])
async def test_a_patch_whose_answer_was_lost_is_found_again(*, tagged: bool) -> None:
    world = World(MemoryStore(readable=not tagged, write_tag=tagged))
    await world.walk()
    world.memory.failures["patched"].append(UnknownOutcomeError("x"))
    receipt = await world.walk(ask(PATCH), NEW)
    assert (receipt.outcome, receipt.fingerprint) == (upload_pb2.OUTCOME_UPLOADED, world.key.fingerprints(AFTER).whole)


async def test_a_lost_answer_that_nothing_tells_is_unknown() -> None:
    world = World(MemoryStore(readable=False, write_tag=False))
    await world.walk()
    world.memory.failures["patched"].append(UnknownOutcomeError("x"))
    assert (await world.walk(ask(PATCH), NEW)).reason == upload_pb2.REASON_OUTCOME_UNKNOWN


async def test_refused_started_changes_nothing() -> None:
    world = World()
    await world.walk()
    world.log.refusals.append("CONFLICT")
    assert not await world.handler.handle(world.sealed(ask(PATCH), NEW))
    assert "patch" not in world.memory.calls


@pytest.mark.parametrize(("now", "outcome"), [("v1", "KEY_LOST"), ("patched", "UPLOADED"), ("v2", "OUTCOME_UNKNOWN")])
async def test_an_heir_says_what_the_engine_shows(now: str, outcome: str) -> None:
    world = World(MemoryStore(write_tag=False))
    sealed = world.sealed(ask(PATCH), NEW)
    tag = write_tag(sealed.grant.sha256, sealed.sha256)
    started = make_receipt(
        grant=sealed.grant,
        sealed_sha256=sealed.sha256,
        outcome=upload_pb2.OUTCOME_STARTED,
        prior_version="v1",
        intent=world.key.intent(tag, world.key.whole(AFTER)),
    )
    world.memory.put(SECRET)
    if now != "v1":
        world.memory.put(AFTER if now == "patched" else {"a": b""})
    receipt = await world.lookup.settled(WriteAttempt(sealed.grant, started, "v1"))
    if outcome == "UPLOADED":
        assert (receipt.outcome, receipt.fingerprint) == (
            upload_pb2.OUTCOME_UPLOADED,
            world.key.fingerprints(AFTER).whole,
        )
    else:
        assert receipt.reason == upload_pb2.Reason.Value(f"REASON_{outcome}")


@pytest.mark.parametrize(
    ("store", "remove", "admitted"),
    [
        (MemoryStore(), ("a.b",), True),
        (MemoryStore(patchable=False), (), False),
        (MemoryStore(key_rule=re.compile("[a-z]+")), ("ab",), True),
        (MemoryStore(key_rule=re.compile("[a-z]+")), ("a", "a.b"), False),
    ],
)
def test_what_the_engine_cannot_patch_gets_no_key(
    tmp_path: Path, store: MemoryStore, remove: tuple[str, ...], *, admitted: bool
) -> None:
    admission = Admission(settings(tmp_path), store, Rates(ReactorLimits()))
    request = ask(PATCH, remove_keys=remove)
    if admitted:
        admission.admit(request, "alice")
    else:
        with pytest.raises(FailedError) as caught:
            admission.admit(request, "alice")
        assert caught.value.reason == upload_pb2.REASON_UNSUPPORTED


async def test_a_driver_patches_nothing_unless_it_says_so() -> None:
    with pytest.raises(UnsupportedError):
        await StoreDriver.patch(MemoryStore(), URI.path, None, ["a"], replacing=None, write_tag="0" * 64)
