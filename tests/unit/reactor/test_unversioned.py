"""A reactor on an engine without versions or check-and-set (docs/adr/0014-kv-v1.md): it knows by reading alone."""

from __future__ import annotations

import pytest

from monoskope.api.secrets.v1 import events_pb2, upload_pb2
from monoskope.reactor.identity.fingerprint import FingerprintKey
from monoskope.stores.driver import NOTHING, CannotReadError, UnknownOutcomeError
from tests.support.memory_store import Unversioned
from tests.support.reactor_requests import SECRET, ask
from tests.support.reactor_world import World

OVERWRITE, COMPARE, DELETE = upload_pb2.EXPECT_OVERWRITE, upload_pb2.PURPOSE_COMPARE, upload_pb2.PURPOSE_DELETE
VERIFY, IMPORT = upload_pb2.PURPOSE_VERIFY, upload_pb2.PURPOSE_IMPORT
OTHER = {"password": b"another"}


def unversioned(*, readable: bool = True) -> World:
    return World(Unversioned(readable=readable))


@pytest.fixture
def world() -> World:
    return unversioned()


async def test_what_we_wrote_is_recognised_and_keeps_the_name_of_that_write(world: World) -> None:
    put = await world.walk()
    again = await world.walk()
    assert world.outcomes() == ["STARTED", "UPLOADED", "UNCHANGED"]
    assert again.upstream_version == put.upstream_version
    other = await world.walk(secret=OTHER)
    assert (other.outcome, other.prior_version) == (upload_pb2.OUTCOME_UPLOADED, put.upstream_version)
    assert other.upstream_version != put.upstream_version


async def test_a_restarted_reactor_recognises_it_by_the_last_receipt(world: World) -> None:
    put = await world.walk()
    after = World(world.store, key=world.key)
    event = world.log.events[-1]
    assert isinstance(event, events_pb2.SecretUploaded)
    after.known.learn([event.receipt])
    assert (await after.walk()).upstream_version == put.upstream_version
    assert after.outcomes() == ["UNCHANGED"]


@pytest.mark.parametrize("theirs", [OTHER, SECRET], ids=["another value", "a value that we replaced"])
async def test_what_others_put_there_needs_overwrite(world: World, theirs: dict[str, bytes]) -> None:
    await world.walk()
    second = await world.walk(secret={"password": b"second"})
    world.memory.put(theirs)
    refused = await world.walk(secret={"password": b"third"})
    assert world.outcomes()[-1] == "FAILED UPSTREAM_CHANGED"
    written = await world.walk(ask(expect=OVERWRITE), secret={"password": b"third"})
    assert written.outcome == upload_pb2.OUTCOME_UPLOADED
    assert written.prior_version not in {NOTHING, second.upstream_version, refused.upstream_version}


async def test_what_was_deleted_and_put_back_by_others_is_not_ours(world: World) -> None:
    await world.walk()
    assert (await world.walk(ask(DELETE, destroy=True))).outcome == upload_pb2.OUTCOME_DELETED
    world.memory.put(SECRET)
    await world.walk(secret=OTHER)
    assert world.outcomes()[-1] == "FAILED UPSTREAM_CHANGED"


async def test_a_deletion_expects_what_we_wrote(world: World) -> None:
    put = await world.walk()
    world.memory.put(OTHER)
    assert (await world.walk(ask(DELETE, destroy=True))).reason == upload_pb2.REASON_UPSTREAM_CHANGED
    world.memory.put(SECRET)
    deleted = await world.walk(ask(DELETE, destroy=True))
    assert (deleted.outcome, deleted.prior_version) == (upload_pb2.OUTCOME_DELETED, put.upstream_version)
    assert (await world.walk(ask(DELETE, destroy=True))).reason == upload_pb2.REASON_NOT_FOUND


async def test_a_write_only_store_fills_what_is_empty_and_replaces_on_demand_alone() -> None:
    world = unversioned(readable=False)
    await world.walk()
    await world.walk(secret=OTHER)
    await world.walk(ask(expect=OVERWRITE), secret=OTHER)
    assert world.outcomes() == ["STARTED", "UPLOADED", "FAILED UPSTREAM_CHANGED", "STARTED", "UPLOADED"]


@pytest.mark.parametrize(("secret", "outcome"), [(SECRET, "EQUAL"), (OTHER, "DIFFERENT")])
async def test_what_can_be_read_is_compared_and_nothing_else(secret: dict[str, bytes], outcome: str) -> None:
    world, blind = unversioned(), unversioned(readable=False)
    for each in (world, blind):
        each.memory.put(SECRET)
        await each.walk(ask(COMPARE), secret)
    assert (world.outcomes(), blind.outcomes()) == ([outcome], ["FAILED CANNOT_READ"])


async def test_what_is_there_but_unreadable_needs_overwrite(world: World) -> None:
    await world.walk()
    world.memory.failures["read"].extend([CannotReadError("not ours.")] * 2)
    await world.walk(secret=OTHER)
    assert world.outcomes()[-1] == "FAILED UPSTREAM_CHANGED"


async def test_a_write_whose_answer_was_lost_is_found_again_by_reading(world: World) -> None:
    world.memory.failures["written"].append(UnknownOutcomeError("x"))
    put = await world.walk()
    assert world.outcomes() == ["STARTED", "UPLOADED"]
    assert put.fingerprint == world.key.fingerprints(SECRET).whole
    await world.walk()
    assert world.outcomes()[-1] == "UNCHANGED"


@pytest.mark.parametrize(("there", "reason"), [(None, "KEY_LOST"), (OTHER, "OUTCOME_UNKNOWN")])
async def test_a_write_is_lost_where_nothing_came(world: World, there: dict[str, bytes] | None, reason: str) -> None:
    if there is not None:
        world.memory.put(there)
    world.memory.failures["write"].append(UnknownOutcomeError("x"))
    await world.walk(ask(expect=OVERWRITE))
    assert world.outcomes()[-1] == f"FAILED {reason}"


async def test_without_reading_a_lost_answer_stays_unknown() -> None:
    world = unversioned(readable=False)
    world.memory.failures["written"].append(UnknownOutcomeError("x"))
    await world.walk()
    assert world.outcomes()[-1] == "FAILED OUTCOME_UNKNOWN"


async def test_verifying_compares_the_content(world: World) -> None:
    put = await world.walk()
    verified = await world.walk(ask(VERIFY), newest=put)
    assert (verified.outcome, verified.upstream_version) == (upload_pb2.OUTCOME_IN_SYNC, put.upstream_version)
    world.memory.put(OTHER)
    assert (await world.walk(ask(VERIFY), newest=put)).outcome == upload_pb2.OUTCOME_DRIFTED
    world.memory.content.clear()
    assert (await world.walk(ask(VERIFY), newest=put)).outcome == upload_pb2.OUTCOME_GONE


async def test_what_was_deleted_is_in_sync_while_nothing_is_there(world: World) -> None:
    await world.walk()
    deleted = await world.walk(ask(DELETE, destroy=True))
    assert (await world.walk(ask(VERIFY), newest=deleted)).outcome == upload_pb2.OUTCOME_IN_SYNC
    world.memory.put(SECRET)
    assert (await world.walk(ask(VERIFY), newest=deleted)).outcome == upload_pb2.OUTCOME_DRIFTED


async def test_without_reading_or_under_another_key_nothing_is_said_of_what_is_there() -> None:
    blind = unversioned(readable=False)
    put = await blind.walk()
    assert (await blind.walk(ask(VERIFY), newest=put)).reason == upload_pb2.REASON_CANNOT_READ
    blind.memory.content.clear()
    assert (await blind.walk(ask(VERIFY), newest=put)).outcome == upload_pb2.OUTCOME_GONE
    before = unversioned()
    put = await before.walk()
    after = World(before.store, key=FingerprintKey(bytes(range(1, 33))))
    assert (await after.walk(ask(VERIFY), newest=put)).reason == upload_pb2.REASON_CANNOT_READ


async def test_what_others_put_there_can_be_imported_and_then_replaced(world: World) -> None:
    world.memory.put(OTHER)
    imported = await world.walk(ask(IMPORT))
    assert imported.outcome == upload_pb2.OUTCOME_IMPORTED
    written = await world.walk()
    assert (written.outcome, written.prior_version) == (upload_pb2.OUTCOME_UPLOADED, imported.upstream_version)
