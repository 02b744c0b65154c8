"""Patching, branch by branch, on an engine in memory."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from monoskope.api.secrets.v1 import events_pb2, upload_pb2
from monoskope.protocol.receipt import write_tag
from monoskope.reactor.identity.fingerprint import digest_of
from monoskope.stores.driver import CannotReadError, UnknownOutcomeError
from tests.support.memory_store import URI, MemoryStore
from tests.support.reactor_requests import EMPTY, SECRET, ask, outcome
from tests.support.reactor_world import World, admission, refusal

PATCH = upload_pb2.PURPOSE_PATCH
ANY, VERSION, OVERWRITE = upload_pb2.EXPECT_ANY, upload_pb2.EXPECT_VERSION, upload_pb2.EXPECT_OVERWRITE
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
async def test_the_hash_of_the_whole_does_not_depend_on_whether_it_may_be_compared(*, readable: bool) -> None:
    world = World(MemoryStore(readable=readable))
    world.use_up_guesses()
    await world.walk()
    assert (await world.walk(ask(PATCH), NEW)).fingerprint == world.key.fingerprints(AFTER).whole


@pytest.mark.parametrize("readable", [True, False], ids=["readable", "write-only"])
async def test_keys_are_dropped_with_nothing_sealed(*, readable: bool) -> None:
    world = World(MemoryStore(readable=readable))
    await world.walk()
    receipt = await world.walk(ask(PATCH, remove_keys=("user",)), {})
    assert there(world) == {"password": SECRET["password"]}
    assert receipt.sealed_sha256 == EMPTY
    assert receipt.fingerprint == world.key.fingerprints(there(world)).whole
    assert len(world.keys) == 0


async def test_keys_are_set_and_dropped_in_one_write(world: World) -> None:
    await world.walk()
    await world.walk(ask(PATCH, remove_keys=("password",)), {"token": b"t"})
    assert there(world) == {"token": b"t", "user": b"app"}
    assert world.memory.calls.count("patch") == 1


async def test_the_same_values_are_unchanged_and_nothing_is_written(world: World) -> None:
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


@pytest.mark.parametrize("readable", [True, False], ids=["readable", "write-only"])
async def test_a_key_to_drop_that_is_known_not_to_be_there_is_a_conflict(*, readable: bool) -> None:
    world = World(MemoryStore(readable=readable))
    put = await world.walk()
    receipt = await world.walk(ask(PATCH, remove_keys=("passwrod", "user")), NEW)
    assert (receipt.reason, receipt.upstream_version) == (upload_pb2.REASON_CONFLICT, put.upstream_version)
    assert there(world) == SECRET
    assert "patch" not in world.memory.calls


async def test_the_last_key_is_not_dropped_and_no_65th_is_added(world: World) -> None:
    await world.walk(secret={f"k{number:02}": b"" for number in range(64)})
    assert (await world.walk(ask(PATCH), {"one-more": b""})).reason == upload_pb2.REASON_UPSTREAM_REFUSED
    every = tuple(f"k{number:02}" for number in range(64))
    assert (await world.walk(ask(PATCH, remove_keys=every), {})).reason == upload_pb2.REASON_UPSTREAM_REFUSED
    assert "patch" not in world.memory.calls
    assert (await world.walk(ask(PATCH, remove_keys=every), {"one": b""})).outcome == upload_pb2.OUTCOME_UPLOADED


async def test_a_key_that_is_set_and_dropped_is_refused(world: World) -> None:
    await world.walk()
    receipt = await world.walk(ask(PATCH, remove_keys=("password",)), NEW)
    assert receipt.reason == upload_pb2.REASON_BAD_PAYLOAD
    assert there(world) == SECRET


async def test_a_patch_that_drops_nothing_and_carries_nothing_is_refused_and_its_key_dies(world: World) -> None:
    await world.walk()
    await world.handler.handle(world.sealed(ask(PATCH), {}))
    assert (world.outcomes()[-1], len(world.keys)) == ("FAILED BAD_PAYLOAD", 0)


@pytest.mark.parametrize("change", [{"sha256": b""}, {"ciphertext": b"x"}, {"encapsulated_key": b"x"}])
async def test_bytes_that_were_not_announced_are_refused_and_end_a_key(world: World, change: dict[str, bytes]) -> None:
    await world.walk()
    nothing = world.sealed(ask(PATCH, remove_keys=("user",)), {})
    await world.handler.handle(replace(nothing, **change))  # type: ignore[arg-type]
    assert (world.outcomes()[-1], len(world.keys)) == ("FAILED BAD_PAYLOAD", 0)
    assert there(world) == SECRET


async def test_a_patch_of_what_cannot_be_read_says_so(world: World) -> None:
    await world.walk()
    world.memory.failures["patch"].append(CannotReadError("x"))
    await world.walk(ask(PATCH), NEW)
    assert world.outcomes()[-1] == "FAILED CANNOT_READ"
    assert there(world) == SECRET


async def test_a_lost_answer_that_nothing_tells_is_unknown() -> None:
    world = World(MemoryStore(readable=False, write_tag=False))
    await world.walk()
    world.memory.failures["patched"].append(UnknownOutcomeError("x"))
    assert (await world.walk(ask(PATCH), NEW)).reason == upload_pb2.REASON_OUTCOME_UNKNOWN


@pytest.mark.parametrize(
    ("now", "said"), [("v1", "FAILED KEY_LOST"), ("patched", "UPLOADED"), ("v2", "FAILED OUTCOME_UNKNOWN")]
)
async def test_an_heir_says_what_the_engine_shows(now: str, said: str) -> None:
    world = World(MemoryStore(write_tag=False))
    sealed = world.sealed(ask(PATCH), NEW)
    intent = world.key.intent(write_tag(sealed.grant.sha256, sealed.sha256), world.key.whole(AFTER))
    world.memory.put(SECRET)
    if now != "v1":
        world.memory.put(AFTER if now == "patched" else {"a": b""})
    end = await world.taken_over(sealed.grant, sealed_sha256=sealed.sha256, prior_version="v1", intent=intent)
    assert outcome(end) == said
    assert said != "UPLOADED" or end.fingerprint == world.key.fingerprints(AFTER).whole


@pytest.mark.parametrize(("remove", "reason"), [(("ab",), ""), (("a", "a.b"), "UNSUPPORTED")])
def test_keys_to_drop_keep_to_the_engines_rule(remove: tuple[str, ...], reason: str) -> None:
    by = admission(MemoryStore(key_rule=re.compile("[a-z]+")))
    assert refusal(by, ask(PATCH, remove_keys=remove)) == reason
