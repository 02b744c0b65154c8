"""Deleting and undeleting, branch by branch, on an engine that brings a version back under its own name."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable

import pytest

from monoskope.api.secrets.v1 import events_pb2, upload_pb2
from monoskope.protocol.payload import Payload
from monoskope.protocol.receipt import Receipt, make_receipt, write_tag
from monoskope.reactor.guarded_driver import GuardedDriver
from monoskope.reactor.memory import Garbage
from monoskope.reactor.work.delivery import DeliveredRequest
from monoskope.reactor.work.lookup import deletion_digest
from monoskope.stores.driver import NOTHING, DeletedVersion, OvertakenError, StoreUnavailableError, UnknownOutcomeError
from tests.support.memory_store import URI, MemoryStore
from tests.support.reactor_requests import EMPTY, SECRET, ask, outcome
from tests.support.reactor_world import World, looked

UNDELETE, DELETE, UPLOAD = upload_pb2.PURPOSE_UNDELETE, upload_pb2.PURPOSE_DELETE, upload_pb2.PURPOSE_UPLOAD
ANY, OVERWRITE = upload_pb2.EXPECT_ANY, upload_pb2.EXPECT_OVERWRITE


async def deleted(store: MemoryStore | None = None) -> tuple[World, Receipt]:
    """A world in which SECRET was put and deleted, with the receipt of the put."""
    world = World(store)
    put = await world.walk()
    await world.walk(ask(DELETE))
    world.log.events.clear()
    world.memory.calls.clear()
    return world, put


async def test_what_was_deleted_is_announced_brought_back_and_receipted() -> None:
    world, put = await deleted()
    _, name = world.memory.aside[URI.path]
    sealed = world.sealed(ask(UNDELETE))
    assert await world.handler.handle(sealed)
    assert world.outcomes() == ["STARTED", "UNDELETED"]
    started, undeleted = world.receipt(0), world.receipt(1)
    deletion = hashlib.sha256(b"v1\n" + name.encode()).digest()
    assert started.intent == world.key.intent(write_tag(sealed.grant.sha256, EMPTY), deletion)
    assert (started.prior_version, undeleted.prior_version) == ("", "")
    assert started.restored_version == undeleted.restored_version == put.upstream_version
    assert undeleted.upstream_version == world.memory.now() == put.upstream_version
    assert (undeleted.fingerprint, undeleted.values) == (put.fingerprint, put.values)
    assert isinstance(world.log.events[-1], events_pb2.SecretUndeleted)
    assert len(world.keys) == 0


async def test_a_put_may_replace_what_came_back_and_a_verification_finds_it() -> None:
    world, _ = await deleted()
    back = await world.walk(ask(UNDELETE))
    assert (await world.walk(ask(upload_pb2.PURPOSE_VERIFY), newest=back)).outcome == upload_pb2.OUTCOME_IN_SYNC
    put = await world.walk(ask(UPLOAD), {"password": b"new"})
    assert (put.outcome, put.prior_version) == (upload_pb2.OUTCOME_UPLOADED, back.upstream_version)


@pytest.mark.parametrize("expect", [ANY, OVERWRITE])
async def test_nothing_to_bring_back_is_not_found(expect: upload_pb2.Expect) -> None:
    never, there, erased = World(), World(), World()
    await there.walk()
    await erased.walk()
    await erased.walk(ask(DELETE, destroy=True))
    for world in (never, there, erased):
        failed = await world.walk(ask(UNDELETE, expect=expect))
        assert (failed.reason, failed.upstream_version) == (upload_pb2.REASON_NOT_FOUND, "")
        assert "undelete" not in world.memory.calls


async def test_what_others_deleted_comes_back_only_on_demand(world: World) -> None:
    version = world.memory.put(SECRET)
    world.memory.set_aside()
    failed = await world.walk(ask(UNDELETE))
    assert (failed.reason, failed.upstream_version) == (upload_pb2.REASON_UPSTREAM_CHANGED, "")
    assert (await world.walk(ask(UNDELETE, expect=OVERWRITE))).restored_version == version


async def test_a_reactor_that_knows_the_deletion_alone_brings_back_what_it_names() -> None:
    """As after a restart: the newest receipt is all that m8 delivers."""
    world, _ = await deleted()
    fresh = World(world.store)
    fresh.identity = world.identity
    deletion = make_receipt(
        grant=world.sealed(ask(DELETE)).grant,
        sealed_sha256=EMPTY,
        outcome=upload_pb2.OUTCOME_DELETED,
        prior_version="v1",
    )
    fresh.known.remember(deletion)
    back = await fresh.walk(ask(UNDELETE))
    assert (back.outcome, back.restored_version) == (upload_pb2.OUTCOME_UNDELETED, "v1")


async def test_what_others_put_and_deleted_after_ours_is_not_ours() -> None:
    world, _ = await deleted()
    world.memory.put({"password": b"theirs"})
    world.memory.set_aside()
    assert (await world.walk(ask(UNDELETE))).reason == upload_pb2.REASON_UPSTREAM_CHANGED


async def test_a_write_only_store_brings_back_and_says_the_hash_that_a_receipt_has() -> None:
    world, put = await deleted(MemoryStore(readable=False))
    back = await world.walk(ask(UNDELETE))
    assert (back.outcome, back.fingerprint) == (upload_pb2.OUTCOME_UNDELETED, put.fingerprint)
    other = World(MemoryStore(readable=False))
    other.memory.put(SECRET)
    other.memory.set_aside()
    back = await other.walk(ask(UNDELETE, expect=OVERWRITE))
    assert (back.upstream_version, back.fingerprint) == ("v1", "")


async def test_what_comes_back_and_cannot_be_read_is_back_all_the_same() -> None:
    world, put = await deleted()
    world.memory.failures["read"].append(StoreUnavailableError("away."))
    back = await world.walk(ask(UNDELETE))
    assert (back.outcome, back.fingerprint) == (upload_pb2.OUTCOME_UNDELETED, put.fingerprint)


async def test_somebody_who_puts_meanwhile_keeps_what_they_put() -> None:
    world, _ = await deleted()
    world.memory.failures["undelete"].append(lambda: world.memory.put({"a": b""}))
    failed = await world.walk(ask(UNDELETE, expect=OVERWRITE))
    assert (world.outcomes(), failed.upstream_version) == (["STARTED", "FAILED NOT_FOUND"], "")
    assert world.memory.calls.count("undelete") == 1
    assert world.memory.now() == "v2"


async def test_an_unknown_end_of_what_was_deleted_again_begins_no_new_attempt() -> None:
    """It may have come back by this attempt: KEY_LOST would have the client undelete what somebody deleted since."""
    world, _ = await deleted()

    def back_and_deleted_again() -> None:
        world.memory.set_aside()
        raise UnknownOutcomeError("x")

    world.memory.failures["undeleted"].append(back_and_deleted_again)
    assert (await world.walk(ask(UNDELETE))).reason == upload_pb2.REASON_OUTCOME_UNKNOWN


@pytest.mark.parametrize(
    ("there", "said"),
    [
        ("", "FAILED KEY_LOST"),
        ("v1", "UNDELETED"),
        ("v2", "FAILED OUTCOME_UNKNOWN"),
        ("deleted again", "FAILED OUTCOME_UNKNOWN"),
    ],
)
async def test_an_heir_says_what_the_engine_shows(there: str, said: str) -> None:
    world, put = await deleted()
    grant = world.sealed(ask(UNDELETE)).grant
    deletion = await world.memory.deleted_version(URI.path)
    assert deletion is not None
    intent = world.key.intent(write_tag(grant.sha256, EMPTY), deletion_digest(deletion))
    if there in {"v1", "deleted again"}:
        world.memory.content[URI.path], _ = world.memory.aside.pop(URI.path)
        if there == "deleted again":
            world.memory.set_aside()
    elif there:
        world.memory.put(SECRET)
    end = await world.taken_over(grant, intent=intent, restored_version="v1")
    assert outcome(end) == said
    if said == "UNDELETED":
        assert (end.restored_version, end.fingerprint) == ("v1", put.fingerprint)


class Renumbering(MemoryStore):
    """An engine that makes a new version of what it brings back, with the write tag."""

    async def undelete(self, path: tuple[str, ...], deleted: DeletedVersion, *, write_tag: str) -> str:
        await super().undelete(path, deleted, write_tag=write_tag)
        _, payload, _ = self.content[path].pop()
        version = self.put(payload, path, write_tag)
        self._begin("renumbered", path)
        return version


async def test_a_new_version_of_what_was_deleted_is_found_by_its_tag() -> None:
    world, put = await deleted(Renumbering())
    world.memory.failures["renumbered"].append(UnknownOutcomeError("x"))
    back = await world.walk(ask(UNDELETE))
    assert (back.upstream_version, back.restored_version, back.fingerprint) == ("v2", "v1", put.fingerprint)


# --- What m8 holds back never brings back what was deleted again, nor replaces what came after it.


def grow_old(world: World) -> None:
    """Let so much time pass that no key from before is young."""
    world.now.time += world.writer.timings.young + 1


class Forgetful(MemoryStore):
    """An engine that cannot tell one deletion from another."""

    async def deleted_version(self, path: tuple[str, ...]) -> DeletedVersion | None:
        found = await super().deleted_version(path)
        return None if found is None else DeletedVersion(found.version)

    async def undelete(self, path: tuple[str, ...], deleted: DeletedVersion, *, write_tag: str) -> str:
        there = self._deleted(path)
        assert there is not None
        return await super().undelete(path, there, write_tag=write_tag)


async def undone_and_deleted(world: World) -> None:
    await world.walk(ask(UNDELETE))
    await world.walk(ask(DELETE))


async def undone_and_deleted_by_a_peer_of_which_m8_shows_no_receipt(world: World) -> None:
    peer = World(world.store)
    await peer.walk(ask(UNDELETE, expect=OVERWRITE))
    await peer.walk(ask(DELETE, expect=OVERWRITE))


async def undone_by_the_engines_owner_and_deleted(world: World) -> None:
    world.memory.content[URI.path], _ = world.memory.aside.pop(URI.path)
    await world.walk(ask(DELETE))


async def put_and_deleted(world: World) -> None:
    await world.walk(ask(UPLOAD), {"password": b"new"})
    await world.walk(ask(DELETE))


@pytest.mark.parametrize(
    ("store", "meanwhile"),
    [
        (MemoryStore, undone_and_deleted),
        (MemoryStore, undone_and_deleted_by_a_peer_of_which_m8_shows_no_receipt),
        (Forgetful, undone_by_the_engines_owner_and_deleted),
        (MemoryStore, put_and_deleted),
    ],
)
async def test_an_undeletion_that_m8_held_back_brings_nothing_back_that_was_deleted_later(
    store: type[MemoryStore], meanwhile: Callable[[World], Awaitable[None]]
) -> None:
    world, _ = await deleted(store())
    ghost = world.sealed(ask(UNDELETE, expect=OVERWRITE))
    await looked()
    world.now.time += 0.1
    await meanwhile(world)
    grow_old(world)
    await world.handler.handle(ghost)
    assert world.outcomes()[-1] == "FAILED CONFLICT"
    assert world.memory.now() == NOTHING


async def test_under_a_young_key_an_undeletion_takes_the_deletion_that_came_meanwhile() -> None:
    world, _ = await deleted()
    early = world.sealed(ask(UNDELETE))
    await looked()
    world.now.time += 0.1
    await put_and_deleted(world)
    await world.handler.handle(early)
    assert world.receipt().restored_version == "v2"


async def test_a_put_from_before_a_deletion_does_not_replace_what_came_back(world: World) -> None:
    """The version is there again under its name: only our own receipt shows that it was away."""
    await world.walk()
    ghost = world.sealed(ask(UPLOAD, expect=OVERWRITE), {"password": b"old"})
    await looked()
    world.now.time += 0.1
    await world.walk(ask(DELETE))
    await world.walk(ask(UNDELETE))
    grow_old(world)
    await world.handler.handle(ghost)
    assert world.outcomes()[-1] == "FAILED CONFLICT"
    assert dict(world.memory.content[URI.path][-1][1]) == dict(Payload(SECRET))


async def test_a_put_after_it_is_not_disturbed_by_the_receipt_that_m8_delivers_again() -> None:
    world, _ = await deleted()
    await world.walk(ask(UNDELETE))
    [undeleted] = [event.receipt for event in world.log.events if isinstance(event, events_pb2.SecretUndeleted)]
    late = world.sealed(ask(UPLOAD), {"password": b"new"})
    await looked()
    grow_old(world)
    world.known.learn([undeleted])
    await world.handler.handle(late)
    assert world.outcomes()[-1] == "UPLOADED"


@pytest.mark.parametrize("purpose", [UPLOAD, UNDELETE])
async def test_nor_by_that_of_a_second_deletion(purpose: upload_pb2.Purpose) -> None:
    """Both deletions leave the same version, none; the later one takes the place of the earlier one."""
    world, _ = await deleted()
    await world.walk()
    await world.walk(ask(DELETE))
    [second] = [event.receipt for event in world.log.events if isinstance(event, events_pb2.SecretDeleted)]
    late = world.sealed(ask(UPLOAD), {"password": b"new"}) if purpose == UPLOAD else world.sealed(ask(UNDELETE))
    await looked()
    grow_old(world)
    world.known.learn([second])
    await world.handler.handle(late)
    assert world.outcomes()[-1] in {"UPLOADED", "UNDELETED"}


@pytest.mark.parametrize("destroy", [False, True])
async def test_what_was_put_is_announced_deleted_and_receipted(world: World, *, destroy: bool) -> None:
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


async def test_an_upload_without_sealed_bytes_is_refused(world: World) -> None:
    granted = world.keys.grant(ask(UPLOAD), "alice", world.looks.begin)
    await world.handler.handle(DeliveredRequest.from_bytes(granted, b"", EMPTY, 3))
    assert world.outcomes() == ["FAILED BAD_PAYLOAD"]


@pytest.mark.parametrize(("versions", "said"), [(0, "DELETED"), (1, "FAILED KEY_LOST"), (2, "FAILED OUTCOME_UNKNOWN")])
async def test_an_heir_says_whether_it_was_deleted(world: World, versions: int, said: str) -> None:
    for _ in range(versions):
        world.memory.put(SECRET)
    grant = world.sealed(ask(DELETE)).grant
    assert outcome(await world.taken_over(grant, prior_version="v1", intent=bytes(32))) == said
