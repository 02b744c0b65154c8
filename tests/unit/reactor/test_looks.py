"""When the engine is asked again before a write, and what is believed without that: no ghost and no oracle comes of it.

What each driver sends for that is counted in `tests/conformance/test_requests.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from monoskope.api.secrets.v1 import upload_pb2
from monoskope.protocol.payload import Payload
from monoskope.reactor.work.delivery import DeliveredRequest
from monoskope.stores.driver import CannotReadError, StoreConflictError, UnknownOutcomeError
from tests.support.memory_store import URI, MemoryStore
from tests.support.reactor_requests import ask
from tests.support.reactor_world import World, looked

OVERWRITE = upload_pb2.EXPECT_OVERWRITE
PATCH, COMPARE = upload_pb2.PURPOSE_PATCH, upload_pb2.PURPOSE_COMPARE
OLD, NEW, THEIRS = ({"password": value} for value in (b"what was there", b"what is put", b"of somebody else"))

STORES: dict[str, Callable[[], MemoryStore]] = {
    "read": MemoryStore,
    "write-only": lambda: MemoryStore(readable=False, write_tag=False),
}


@pytest.fixture(params=STORES)
def world(request: pytest.FixtureRequest) -> World:
    return World(STORES[request.param]())


def there(world: World) -> dict[str, bytes]:
    return dict(world.memory.content[URI.path][-1][1])


async def sealed(world: World, secret: dict[str, bytes], **asked: Any) -> DeliveredRequest:
    """Seal a secret under a key whose first look has ended; count what the engine is asked from then on."""
    delivered = world.sealed(ask(**asked), secret)
    await looked()
    world.memory.calls.clear()
    return delivered


async def asked_for(world: World, delivered: DeliveredRequest) -> list[str]:
    """Return what the engine is asked for until the end."""
    await world.handler.handle(delivered)
    return [call for call in world.memory.calls if call != "written"]


async def test_what_a_receipt_of_ours_tells_is_replaced_without_a_look(world: World) -> None:
    first = await world.walk(secret=OLD)
    world.now.time += 1
    assert await asked_for(world, await sealed(world, NEW)) == ["write"]
    assert (world.receipt(-2).prior_version, world.receipt().prior_version) == (first.upstream_version,) * 2


async def test_nothing_is_replaced_without_a_look(world: World) -> None:
    assert await asked_for(world, await sealed(world, NEW)) == ["write"]


async def test_what_no_receipt_tells_is_read_where_it_can_be(world: World) -> None:
    world.memory.put(THEIRS)
    reads = ["read"] if world.memory.capabilities.readable else []
    assert await asked_for(world, await sealed(world, NEW, expect=OVERWRITE)) == [*reads, "write"]


@pytest.mark.parametrize("store", [MemoryStore(check_and_set=False), MemoryStore(readable=False, check_and_set=False)])
async def test_without_check_and_set_a_write_begins_with_a_look(store: MemoryStore) -> None:
    world = World(store)
    await world.walk(secret=OLD)
    look = "read" if store.capabilities.readable else "read_version"
    assert await asked_for(world, await sealed(world, NEW)) == [look, "write"]


async def test_a_patch_has_one_try_and_begins_with_a_look(world: World) -> None:
    await world.walk(secret=OLD)
    delivered = await sealed(world, NEW, purpose=PATCH)
    await world.walk(ask(expect=OVERWRITE), {**THEIRS, "user": b"app"})
    await world.handler.handle(delivered)
    assert (world.outcomes()[-1], there(world)) == ("UPLOADED", {**NEW, "user": b"app"})


@pytest.mark.parametrize("purpose", [upload_pb2.PURPOSE_UPLOAD, PATCH])
async def test_the_same_is_unchanged_if_it_is_still_there(world: World, purpose: upload_pb2.Purpose) -> None:
    await world.walk(secret=OLD)
    look = "read" if world.memory.capabilities.readable else "read_version"
    assert await asked_for(world, await sealed(world, OLD, purpose=purpose)) == [look]
    assert world.outcomes()[-1] == "UNCHANGED"


async def test_what_cannot_be_read_is_unchanged_by_its_version() -> None:
    world = World()
    await world.walk(secret=OLD)
    world.memory.failures["read"].append(CannotReadError("as text."))
    assert await asked_for(world, await sealed(world, OLD)) == ["read", "read_version"]
    assert world.outcomes()[-1] == "UNCHANGED"


async def test_what_was_replaced_meanwhile_is_not_unchanged(world: World) -> None:
    """Another replica may have put what replaced it, or another program: the reactor has no news of it."""
    await world.walk(secret=OLD)
    delivered = await sealed(world, OLD, expect=OVERWRITE)
    theirs = world.memory.put(THEIRS)
    await world.handler.handle(delivered)
    assert (world.outcomes()[-1], there(world)) == ("UPLOADED", OLD)
    assert world.receipt(-2).prior_version == theirs


async def test_what_was_changed_under_its_version_is_put_right() -> None:
    """As after an operator changed the engine's own files."""
    world = World()
    await world.walk(secret=OLD)
    [(version, _, tag)] = world.memory.content[URI.path]
    world.memory.content[URI.path] = [(version, Payload(THEIRS), tag)]
    await world.walk(secret=OLD)
    assert (world.outcomes()[-1], there(world)) == ("UPLOADED", OLD)


async def test_after_news_the_engine_is_asked_so_that_the_try_is_not_lost(world: World) -> None:
    await world.walk(secret=OLD)
    world.now.time += 1
    delivered = await sealed(world, NEW)
    world.now.time += 1
    second = await world.walk(secret=THEIRS)
    world.memory.calls.clear()
    await asked_for(world, delivered)
    look = "read" if world.memory.capabilities.readable else "read_version"
    assert world.memory.calls == [look, "write", "written"]
    assert world.receipt(-2).prior_version == second.upstream_version


async def test_a_write_that_lost_to_another_is_decided_again_by_one_look(world: World) -> None:
    await world.walk(secret=OLD)
    delivered = await sealed(world, NEW, expect=OVERWRITE)
    theirs = world.memory.put(THEIRS)
    assert await asked_for(world, delivered) == ["write", "read_version", "write"]
    assert (world.receipt().prior_version, there(world)) == (theirs, NEW)


async def test_what_came_before_the_announcement_stays_if_the_key_is_old_when_it_is_recorded(world: World) -> None:
    """m8 keeps STARTED until the key is old: what came after the first look is newer than what was sealed."""
    await world.walk(secret=OLD)
    delivered = await sealed(world, NEW, expect=OVERWRITE)
    world.memory.put(THEIRS)
    world.log.before.append(lambda: setattr(world.now, "time", world.now.time + 4))
    world.now.time += 7
    await world.handler.handle(delivered)
    assert (world.outcomes()[-2:], there(world)) == (["STARTED", "FAILED CONFLICT"], THEIRS)


@pytest.mark.parametrize("expect", [upload_pb2.EXPECT_ANY, OVERWRITE])
@pytest.mark.parametrize("guess", [OLD, NEW], ids=["right", "wrong"])
async def test_under_an_old_key_what_is_there_is_read_before_contents_are_compared(
    guess: dict[str, bytes], expect: upload_pb2.Expect
) -> None:
    world = World()
    await world.walk(secret=OLD)
    delivered = await sealed(world, guess, expect=expect)
    world.memory.put(THEIRS)
    world.now.time += 11
    assert (await asked_for(world, delivered), world.outcomes()[2:]) == (["read"], ["FAILED CONFLICT"])


async def test_under_an_old_key_one_look_shows_that_news_came_where_nothing_is_again(world: World) -> None:
    delivered = await sealed(world, OLD)
    world.now.time += 1
    await world.walk(secret=THEIRS)
    await world.walk(ask(upload_pb2.PURPOSE_DELETE, expect=OVERWRITE))
    world.now.time += 11
    world.memory.calls.clear()
    assert len(await asked_for(world, delivered)) == 1
    assert world.outcomes()[-1] == "FAILED CONFLICT"


@pytest.mark.parametrize("guess", [OLD, NEW], ids=["right", "wrong"])
async def test_a_guess_at_what_nobody_put_through_m8_is_not_told_by_what_it_replaces(guess: dict[str, bytes]) -> None:
    """Its hash is in no receipt: a write that replaced something else must not tell it."""
    world = World()
    world.memory.put(OLD)
    delivered = await sealed(world, guess, expect=OVERWRITE)
    theirs = world.memory.put(THEIRS)
    await world.handler.handle(delivered)
    assert (world.outcomes(), world.receipt(0).prior_version) == (["STARTED", "UPLOADED"], theirs)


async def test_a_lost_try_counts_as_a_guess_unless_another_is_written(world: World) -> None:
    for late_s, guesses in ((1, 0), (4, 1)):
        await world.walk(ask(expect=OVERWRITE), OLD)
        delivered = await sealed(world, NEW, expect=OVERWRITE)
        world.memory.put(THEIRS)
        world.log.before.append(lambda late_s=late_s: setattr(world.now, "time", world.now.time + late_s))
        world.now.time += 7
        await world.handler.handle(delivered)
        assert (world.outcomes()[-2], len(world.rates._guesses)) == ("STARTED", guesses)


async def test_what_is_found_after_an_unknown_end_may_be_anothers_and_still_counts_as_a_guess() -> None:
    """Another replica put the same content, and the reactor has no news of that: the version may be either's."""
    world = World(MemoryStore(write_tag=False))
    await world.walk(secret=OLD)
    delivered = await sealed(world, NEW, expect=OVERWRITE)
    theirs = world.memory.put(NEW)
    world.memory.failures["write"].append(UnknownOutcomeError("cut off", fix=""))
    await world.handler.handle(delivered)
    assert (world.outcomes()[-1], world.receipt().upstream_version) == ("UPLOADED", theirs)
    assert len(world.rates._guesses) == 1


@pytest.mark.parametrize("failures", [0, 1])
async def test_a_comparison_reads_what_is_there_at_once(failures: int) -> None:
    world = World()
    await world.walk(secret=OLD)
    world.memory.failures["read"].extend([CannotReadError("as text.")] * failures)
    world.memory.calls.clear()
    await world.walk(ask(COMPARE), OLD)
    assert (world.outcomes()[-1], world.memory.calls) == ("EQUAL", ["read", "read_version"][: 1 + failures])


async def test_an_expectation_that_the_first_look_does_not_meet_is_a_conflict_before_anything_is_announced() -> None:
    world = World()
    await world.walk(secret=OLD)
    assert await asked_for(world, await sealed(world, NEW, expect=upload_pb2.EXPECT_ABSENT)) == ["read"]
    assert world.outcomes()[-1] == "FAILED CONFLICT"


async def test_a_conflict_of_the_engine_alone_is_tried_again_on_what_is_there(world: World) -> None:
    await world.walk(secret=OLD)
    delivered = await sealed(world, NEW)
    world.memory.failures["write"].append(StoreConflictError("locked."))
    assert await asked_for(world, delivered) == ["write", "read_version", "write"]
    assert world.outcomes()[-1] == "UPLOADED"
