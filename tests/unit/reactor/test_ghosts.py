"""No ghost: a sealed secret that was held back never replaces what came upstream after its key was made."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from monoskope.api.secrets.v1 import upload_pb2
from monoskope.protocol.grant import SUITE_1
from monoskope.protocol.recipes import Recipe
from monoskope.protocol.request import Request, make_request
from monoskope.reactor.upstream.first_look import Content, FirstLooks
from monoskope.reactor.work.delivery import DeliveredRequest
from monoskope.stores.driver import NOTHING, CannotReadError, StoreUnavailableError
from monoskope.uri import SecretUri
from tests.support.memory_store import URI, MemoryStore, Unversioned
from tests.support.reactor_requests import ask
from tests.support.reactor_world import FAST, World, looked

ANY, OVERWRITE = upload_pb2.EXPECT_ANY, upload_pb2.EXPECT_OVERWRITE
UPLOAD, PATCH = upload_pb2.PURPOSE_UPLOAD, upload_pb2.PURPOSE_PATCH
DELETE, GENERATE = upload_pb2.PURPOSE_DELETE, upload_pb2.PURPOSE_GENERATE
NEW = {"password": b"what the user put later"}
OLD = {"password": b"what was held back"}
RECIPE = {"recipes": (Recipe("password", "password", 24),)}

STORES: dict[str, Callable[[], MemoryStore]] = {
    "read": MemoryStore,
    "write-only": lambda: MemoryStore(readable=False, write_tag=False),
    "without check-and-set": lambda: MemoryStore(check_and_set=False),
    "write-only without check-and-set": lambda: MemoryStore(readable=False, check_and_set=False, write_tag=False),
    "without versions": Unversioned,
    "write-only without versions": lambda: Unversioned(readable=False),
}


@pytest.fixture(params=STORES)
def world(request: pytest.FixtureRequest) -> World:
    return World(STORES[request.param]())


def knows_nothing(world: World) -> bool:
    """Whether neither version nor content tells what is there: then every change needs OVERWRITE."""
    can = world.memory.capabilities
    return not (can.versions or can.readable)


def held_back(world: World, purpose: upload_pb2.Purpose, expect: upload_pb2.Expect) -> DeliveredRequest:
    """Return what a client sealed, and m8 keeps for later."""
    fields: dict[str, Any] = RECIPE if purpose == GENERATE else {}
    return world.sealed(ask(purpose, expect=expect, **fields), OLD)


@pytest.mark.parametrize("expect", [ANY, OVERWRITE])
@pytest.mark.parametrize(
    ("purpose", "before"),
    [(UPLOAD, True), (PATCH, True), (DELETE, True), (GENERATE, True), (UPLOAD, False), (GENERATE, False)],
)
async def test_what_came_later_stays(
    world: World, purpose: upload_pb2.Purpose, expect: upload_pb2.Expect, *, before: bool
) -> None:
    if before:
        await world.walk()
    ghost = held_back(world, purpose, expect)
    await looked()
    await world.walk(ask(expect=OVERWRITE), NEW)
    world.now.time += 11
    await world.handler.handle(ghost)
    assert (dict(world.memory.content[URI.path][-1][1]), world.outcomes()[-1]) == (NEW, "FAILED CONFLICT")
    assert world.receipt().sealed_sha256 == ghost.sha256


async def test_a_ghost_of_what_is_there_again_is_no_oracle(world: World) -> None:
    """Whether it is the same as what is there by now is not said either."""
    await world.walk(secret={"password": b"first"})
    ghost = world.sealed(ask(expect=OVERWRITE), NEW)
    await looked()
    await world.walk(ask(expect=OVERWRITE), NEW)
    world.now.time += 11
    await world.handler.handle(ghost)
    assert world.outcomes()[-1] == "FAILED CONFLICT"


@pytest.mark.parametrize("purpose", [UPLOAD, PATCH, DELETE, GENERATE])
async def test_an_old_key_still_writes_where_nothing_came_between(world: World, purpose: upload_pb2.Purpose) -> None:
    await world.walk()
    sealed = held_back(world, purpose, OVERWRITE)
    await looked()
    world.now.time += 11
    await world.handler.handle(sealed)
    # Where nothing tells whether it is still what was there, that is no licence to write.
    ends = {"FAILED CONFLICT"} if knows_nothing(world) else {"UPLOADED", "DELETED"}
    assert world.outcomes()[-1] in ends


@pytest.mark.parametrize("store", [MemoryStore, Unversioned])
async def test_however_many_receipts_follow_a_deletion_is_not_forgotten(store: Callable[[], MemoryStore]) -> None:
    """m8 delivers receipts of other secrets until the reactor can remember no more of them."""
    world = World(store())
    ghost = held_back(world, UPLOAD, ANY)
    await looked()
    world.now.time += 1
    put = await world.walk(secret=NEW)
    destroys = not world.memory.capabilities.soft_delete
    await world.walk(ask(DELETE, expect=OVERWRITE, destroy=destroys))
    for number in range(60_000):
        uri = SecretUri.parse(f"memory://team-a/other-{number}")
        world.known.remember(msgspec.structs.replace(put, uri=uri))
    world.now.time += 11
    await world.handler.handle(ghost)
    assert world.memory.now() == NOTHING
    assert world.outcomes()[-1] == "FAILED CONFLICT"


async def test_under_a_young_key_what_came_between_is_concurrent(world: World) -> None:
    await world.walk()
    expect = OVERWRITE if knows_nothing(world) else ANY
    sealed = world.sealed(ask(expect=expect), OLD)
    await looked()
    await world.walk(ask(expect=expect), NEW)
    world.now.time += 9
    await world.handler.handle(sealed)
    assert (world.outcomes()[-1], dict(world.memory.content[URI.path][-1][1])) == ("UPLOADED", OLD)


@pytest.mark.parametrize("store", ["read", "write-only", "without check-and-set", "write-only without check-and-set"])
@pytest.mark.parametrize("purpose", [UPLOAD, PATCH, DELETE])
@pytest.mark.parametrize("compares", [True, False])
async def test_a_young_key_replaces_and_names_what_is_there_now(
    store: str, purpose: upload_pb2.Purpose, *, compares: bool
) -> None:
    """Where the store checks which version a write replaces, a put believes the first look and learns the rest from the
    write: STARTED then names what the first look found. A patch and a deletion look again."""
    world = World(STORES[store]())
    if not compares:
        world.use_up_guesses()
    await world.walk()
    sealed = held_back(world, purpose, ANY)
    await looked()
    between = await world.walk(ask(expect=ANY), NEW)
    world.memory.calls.clear()
    await world.handler.handle(sealed)
    ended = "DELETED" if purpose == DELETE else "UPLOADED"
    assert world.outcomes()[-2:] == ["STARTED", ended]
    from_the_write = purpose == UPLOAD and "without" not in store
    needs_content = purpose == PATCH or (purpose == UPLOAD and compares and not from_the_write)
    assert ("read" in world.memory.calls) is (world.memory.capabilities.readable and needs_content)
    named = {world.receipt(number).prior_version for number in ((-1,) if from_the_write else (-2, -1))}
    assert named == {between.upstream_version}


async def test_a_deletion_is_not_tried_again_on_what_came_after_its_announcement() -> None:
    world = World()
    await world.walk()
    world.log.before.append(lambda: world.memory.put(NEW))
    await world.walk(ask(DELETE, expect=OVERWRITE))
    assert world.outcomes()[-2:] == ["STARTED", "FAILED CONFLICT"]
    assert dict(world.memory.content[URI.path][-1][1]) == NEW


async def test_content_that_a_first_look_could_not_read_is_not_known_to_be_the_same() -> None:
    world = World(Unversioned())
    await world.walk()
    world.memory.failures["read"].append(CannotReadError("not now"))
    sealed = held_back(world, UPLOAD, OVERWRITE)
    await looked()
    world.now.time += 11
    await world.handler.handle(sealed)
    assert world.outcomes()[-1] == "FAILED CONFLICT"


async def test_what_was_deleted_under_a_young_key_is_put_anew(world: World) -> None:
    await world.walk()
    sealed = held_back(world, UPLOAD, OVERWRITE)
    await looked()
    await world.walk(ask(DELETE, expect=OVERWRITE, destroy=not world.memory.capabilities.soft_delete))
    await world.handler.handle(sealed)
    assert (world.outcomes()[-1], dict(world.memory.content[URI.path][-1][1])) == ("UPLOADED", OLD)


async def test_drift_that_another_put_replaced_since_is_none_any_more() -> None:
    world = World()
    await world.walk()
    world.memory.put(NEW)
    sealed = world.sealed(ask(), OLD)
    await looked()
    await world.walk(ask(expect=OVERWRITE), {"password": b"what another user puts over it"})
    await world.handler.handle(sealed)
    assert (world.outcomes()[-1], dict(world.memory.content[URI.path][-1][1])) == ("UPLOADED", OLD)


async def test_a_key_that_grows_old_while_the_engine_is_asked_replaces_nothing_new(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World(MemoryStore(readable=False, write_tag=False))
    await world.walk()
    sealed = world.sealed(ask(expect=OVERWRITE), OLD)
    await looked()
    world.memory.put(NEW)
    world.now.time += 7
    asked = world.memory.read_version

    async def slow(path: tuple[str, ...]) -> str:
        world.now.time += 4
        return await asked(path)

    monkeypatch.setattr(world.memory, "read_version", slow)
    await world.handler.handle(sealed)
    assert (world.outcomes()[-1], dict(world.memory.content[URI.path][-1][1])) == ("FAILED CONFLICT", NEW)


async def test_a_key_that_grows_old_between_announcement_and_write_replaces_nothing_new() -> None:
    world = World()
    await world.walk()
    sealed = world.sealed(ask(expect=OVERWRITE), OLD)
    await looked()

    def meanwhile() -> None:
        world.memory.put(NEW)
        world.now.time += 4

    world.now.time += 7
    world.log.before.append(meanwhile)
    await world.handler.handle(sealed)
    assert world.outcomes()[-2:] == ["STARTED", "FAILED CONFLICT"]
    assert dict(world.memory.content[URI.path][-1][1]) == NEW


async def test_started_names_the_version_that_was_there_when_the_key_was_made() -> None:
    world = World()
    first = await world.walk()
    sealed = world.sealed(ask(expect=OVERWRITE), OLD)
    await looked()
    calls = list(world.memory.calls)
    await world.handler.handle(sealed)
    assert world.receipt(-2).prior_version == first.upstream_version
    assert world.memory.calls[len(calls) :] == ["write", "written"]


async def test_the_grant_does_not_wait_for_the_engine() -> None:
    world = World()
    granted = world.keys.grant(ask(), "alice", world.looks.begin)
    assert world.memory.calls == []
    assert granted.first_look is not None
    assert (await granted.first_look.found()).content.version == ""


@pytest.mark.parametrize("purpose", [upload_pb2.PURPOSE_COMPARE, upload_pb2.PURPOSE_VERIFY, upload_pb2.PURPOSE_IMPORT])
async def test_who_only_looks_looks_once(purpose: upload_pb2.Purpose) -> None:
    world = World()
    assert world.keys.grant(ask(purpose), "alice", world.looks.begin).first_look is None


async def test_an_engine_that_was_away_when_the_key_was_made_is_said_to_be() -> None:
    world = World()
    world.memory.failures["read_version"].append(StoreUnavailableError("away."))
    await world.walk()
    assert (world.outcomes(), len(world.keys)) == (["FAILED UPSTREAM_UNAVAILABLE"], 0)


async def test_a_look_that_takes_longer_than_a_key_is_young_counts_for_nothing() -> None:
    world = World(timings=msgspec.structs.replace(FAST, young=0.01))

    async def never(_: tuple[str, ...]) -> str:
        return await asyncio.Future()

    world.memory.read_version = never  # type: ignore[method-assign, assignment]
    await world.walk()
    assert world.outcomes() == ["FAILED UPSTREAM_UNAVAILABLE"]


async def test_what_cannot_be_read_back_is_looked_at_again_before_it_is_called_unchanged() -> None:
    world = World()
    await world.walk(secret=OLD)
    sealed = world.sealed(ask(expect=OVERWRITE), OLD)
    await looked()
    world.memory.put(NEW)
    world.now.time += 11
    world.memory.failures["read"].append(CannotReadError("as text."))
    await world.handler.handle(sealed)
    assert world.outcomes()[-1] == "FAILED CONFLICT"


async def test_nothing_is_written_after_the_end_of_the_keys_lifetime() -> None:
    """What `monoctl` says of an unproven end holds: until then it could be written, and no longer."""
    world = World(timings=msgspec.structs.replace(FAST, write_window=30.0))
    sealed = world.sealed(ask(expect=OVERWRITE), OLD)
    await looked()
    world.now.time += sealed.grant.lifetime_s - 1
    world.log.before.append(lambda: setattr(world.now, "time", world.now.time + 2))
    await world.handler.handle(sealed)
    assert world.outcomes() == ["STARTED", "FAILED KEY_LOST"]
    assert "write" not in world.memory.calls


async def test_key_lost_names_the_process_that_made_the_key() -> None:
    world = World(timings=msgspec.structs.replace(FAST, write_window=0.0))
    await world.walk()
    assert world.outcomes()[-1] == "FAILED KEY_LOST"
    assert world.receipt().replica == world.replica


async def test_the_grant_goes_out_before_the_engine_is_asked() -> None:
    """The client waits for the grant. The look comes right after it: what is read later is newer than the user knew."""
    order: list[str] = []
    outbox: asyncio.Queue[str] = asyncio.Queue()

    class Engine:
        async def present(self, _request: Request) -> Content:
            order.append("look")
            return Content("v1", None)

    async def writing() -> None:
        order.append(await outbox.get())

    writer = asyncio.create_task(writing())
    await asyncio.sleep(0)
    request = make_request(
        request_id=bytes(16),
        purpose=upload_pb2.PURPOSE_UPLOAD,
        uri=SecretUri.parse("vault://team-a/db"),
        expect=upload_pb2.EXPECT_ANY,
        suites=(SUITE_1,),
    )
    look = FirstLooks(Engine(), within_s=10.0).begin(request, "ada")
    outbox.put_nowait("grant")
    for _ in range(10):  # turns of the loop, without any time
        await asyncio.sleep(0)
    assert order == ["grant", "look"]
    assert look is not None
    assert (await look.found()).content.version == "v1"
    await writer
