"""Rolling back, branch by branch, on an engine in memory."""

from __future__ import annotations

import pytest

from monoskope.api.secrets.v1 import events_pb2, upload_pb2
from monoskope.protocol.payload import Payload
from monoskope.protocol.receipt import Receipt, write_tag
from monoskope.reactor.identity.fingerprint import digest_of
from monoskope.reactor.keys import OneTimeKeys
from monoskope.stores.driver import CannotReadError, StoreConflictError, StoreRefusedError, StoreUnavailableError
from tests.support.memory_store import URI, MemoryStore
from tests.support.reactor_requests import EMPTY, SECRET, ask, outcome, payload_is_alive, uncollected
from tests.support.reactor_world import World, looked, rules

ROLLBACK, UPLOAD, DELETE = upload_pb2.PURPOSE_ROLLBACK, upload_pb2.PURPOSE_UPLOAD, upload_pb2.PURPOSE_DELETE
ANY, ABSENT, OVERWRITE = upload_pb2.EXPECT_ANY, upload_pb2.EXPECT_ABSENT, upload_pb2.EXPECT_OVERWRITE
SECOND = {"password": b"second"}


async def twice(store: MemoryStore | None = None) -> tuple[World, Receipt]:
    """A world in which SECRET was put and then SECOND, with the receipt of the first put."""
    world = World(store)
    first = await world.walk()
    await world.walk(ask(UPLOAD), SECOND)
    world.log.events.clear()
    world.memory.calls.clear()
    return world, first


@pytest.fixture
async def world() -> World:
    """One in which SECRET was put and then SECOND."""
    made, _ = await twice()
    return made


def there(world: World) -> dict[str, bytes]:
    return dict(world.memory.content[URI.path][-1][1])


async def test_an_earlier_version_is_announced_written_anew_and_receipted() -> None:
    world, first = await twice()
    sealed = world.sealed(ask(ROLLBACK, to_version="v1"))
    assert await world.handler.handle(sealed)
    assert world.outcomes() == ["STARTED", "ROLLED_BACK"]
    started, done = world.receipt(0), world.receipt(1)
    whole = digest_of(first.fingerprint)
    assert started.intent == world.key.intent(write_tag(sealed.grant.sha256, EMPTY), whole)
    assert started.prior_version == done.prior_version == "v2"
    assert started.restored_version == done.restored_version == "v1"
    assert done.upstream_version == world.memory.now() == "v3"
    assert (done.fingerprint, done.values) == (first.fingerprint, first.values)
    assert there(world) == SECRET
    assert isinstance(world.log.events[-1], events_pb2.SecretRolledBack)
    assert len(world.keys) == 0


async def test_a_put_may_replace_it_and_a_comparison_finds_it(world: World) -> None:
    await world.walk(ask(ROLLBACK, to_version="v1"))
    assert (await world.walk(ask(upload_pb2.PURPOSE_COMPARE))).outcome == upload_pb2.OUTCOME_EQUAL
    assert (await world.walk(ask(UPLOAD), SECOND)).prior_version == "v3"


@pytest.mark.parametrize("text", ["v0", "v3", "nonsense"])
async def test_a_version_that_is_not_kept_or_never_was_cannot_be_read(world: World, text: str) -> None:
    assert (await world.walk(ask(ROLLBACK, to_version=text))).reason == upload_pb2.REASON_CANNOT_READ
    assert "write" not in world.memory.calls
    assert world.outcomes() == ["FAILED CANNOT_READ"]


@pytest.mark.parametrize(
    ("failure", "reason"),
    [
        (CannotReadError("x"), "CANNOT_READ"),
        (StoreRefusedError("x"), "UPSTREAM_REFUSED"),
        (StoreUnavailableError("x"), "UPSTREAM_UNAVAILABLE"),
    ],
)
async def test_what_the_engine_says_of_it_becomes_the_reason(world: World, failure: Exception, reason: str) -> None:
    world.memory.failures["read_at"].append(failure)
    await world.walk(ask(ROLLBACK, to_version="v1"))
    assert world.outcomes() == [f"FAILED {reason}"]


async def test_an_answer_about_another_version_is_not_written(world: World) -> None:
    read_at = world.memory.read_at

    async def other(path: tuple[str, ...], version: str) -> object:
        del version
        return await read_at(path, "v2")

    world.memory.read_at = other  # type: ignore[assignment,method-assign]
    await world.walk(ask(ROLLBACK, to_version="v1"))
    assert world.outcomes() == ["FAILED CANNOT_READ"]


async def test_what_is_expected_is_about_what_is_there_now(world: World) -> None:
    version = upload_pb2.EXPECT_VERSION
    for other in ({"expect": version, "expect_version": "v1"}, {"expect": ABSENT}):
        await world.walk(ask(ROLLBACK, to_version="v1", **other))
        assert world.outcomes()[-1] == "FAILED CONFLICT"
    assert "read_at" not in world.memory.calls
    await world.walk(ask(ROLLBACK, to_version="v1", expect=version, expect_version="v2"))
    assert world.outcomes()[-1] == "ROLLED_BACK"
    world.memory.put(SECOND)
    await world.walk(ask(ROLLBACK, to_version="v1"))
    assert world.outcomes()[-1] == "FAILED UPSTREAM_CHANGED"
    await world.walk(ask(ROLLBACK, to_version="v1", expect=OVERWRITE))
    assert world.outcomes()[-1] == "ROLLED_BACK"


async def test_two_writers_at_once_are_one_after_the_other(world: World) -> None:
    world.memory.failures["write"].append(lambda: world.memory.put({"a": b""}))
    done = await world.walk(ask(ROLLBACK, to_version="v1", expect=OVERWRITE))
    assert (done.prior_version, done.upstream_version) == ("v3", "v4")
    assert there(world) == SECRET


async def test_what_the_grant_does_not_allow_is_not_written(world: World) -> None:
    world.keys = OneTimeKeys(world.identity, rules(world.replica, world.key, max_plaintext=512), now=world.now)
    world.handler._keys = world.keys
    world.memory.content[URI.path][0] = ("v1", Payload({"password": b"x" * 1_000}), "")
    await world.walk(ask(ROLLBACK, to_version="v1"))
    assert world.outcomes() == ["FAILED UNSUPPORTED"]


@pytest.mark.parametrize(
    ("content", "said"), [(None, "FAILED KEY_LOST"), (SECRET, "ROLLED_BACK"), ({"k": b"x"}, "FAILED OUTCOME_UNKNOWN")]
)
async def test_an_heir_says_what_the_engine_shows(content: dict[str, bytes] | None, said: str) -> None:
    world, first = await twice(MemoryStore(write_tag=False))
    grant = world.sealed(ask(ROLLBACK, to_version="v1")).grant
    intent = world.key.intent(write_tag(grant.sha256, EMPTY), digest_of(first.fingerprint))
    if content is not None:
        world.memory.put(content)
    end = await world.taken_over(grant, prior_version="v2", restored_version="v1", intent=intent)
    assert outcome(end) == said
    if said == "ROLLED_BACK":
        assert (end.restored_version, end.prior_version, end.fingerprint) == ("v1", "v2", first.fingerprint)


async def test_refused_started_writes_nothing_and_leaves_no_value() -> None:
    world = World()
    world.memory.put({"password": b"a marked value"})
    world.memory.put(SECOND)
    world.log.refusals.append("CONFLICT")
    with uncollected():
        assert not await world.handler.handle(world.sealed(ask(ROLLBACK, to_version="v1", expect=OVERWRITE)))
        world.memory.content.clear()
        assert not payload_is_alive(b"a marked value")
    assert "write" not in world.memory.calls


async def test_a_rollback_that_m8_held_back_never_replaces_what_came_after_it(world: World) -> None:
    ghost = world.sealed(ask(ROLLBACK, to_version="v1", expect=OVERWRITE))
    await looked()
    world.now.time += 0.1
    await world.walk(ask(UPLOAD), {"password": b"new"})
    world.now.time += world.writer.timings.young + 1
    await world.handler.handle(ghost)
    assert world.outcomes()[-1] == "FAILED CONFLICT"
    assert there(world) == {"password": b"new"}


async def test_nor_what_came_and_was_deleted(world: World) -> None:
    world.memory.set_aside()
    kept = MemoryStore.read_at

    async def kept_version(path: tuple[str, ...], version: str) -> object:
        world.memory.content[path], before = world.memory.aside[path][0], world.memory.content[path]
        try:
            return await kept(world.memory, path, version)
        finally:
            world.memory.content[path] = before

    ghost = world.sealed(ask(ROLLBACK, to_version="v1", expect=ABSENT))
    await looked()
    world.now.time += 0.1
    await world.walk(ask(UPLOAD), {"password": b"new"})
    await world.walk(ask(DELETE))
    world.memory.read_at = kept_version  # type: ignore[assignment,method-assign]
    world.now.time += world.writer.timings.young + 1
    await world.handler.handle(ghost)
    assert world.outcomes()[-1] == "FAILED CONFLICT"
    assert world.memory.now() == ""


async def test_a_failed_rollback_counts_like_every_announced_write_and_stops_nobody(world: World) -> None:
    """Ten of them take the room of guesses at this secret; after that it is rolled back all the same."""
    for number in range(12):
        world.memory.failures["write"].append(StoreRefusedError("no."))
        await world.handler.handle(world.sealed(ask(ROLLBACK, to_version="v1"), subject=f"s{number}"))
    with world.rates.guess(URI, "another") as guess:
        assert not guess.may_compare
    assert (await world.walk(ask(ROLLBACK, to_version="v1"))).outcome == upload_pb2.OUTCOME_ROLLED_BACK


async def test_a_conflict_after_the_announcement_names_what_is_there(world: World) -> None:
    world.memory.failures["write"].append(StoreConflictError("moved."))
    version = upload_pb2.EXPECT_VERSION
    failed = await world.walk(ask(ROLLBACK, to_version="v1", expect=version, expect_version="v2"))
    assert (failed.reason, failed.upstream_version) == (upload_pb2.REASON_CONFLICT, "v2")
