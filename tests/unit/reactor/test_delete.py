"""Deleting, branch by branch, on an engine in memory."""

from __future__ import annotations

import pytest

from monoskope.api.secrets.v1 import events_pb2, upload_pb2
from monoskope.protocol.receipt import write_tag
from monoskope.reactor.guarded_driver import GuardedDriver
from monoskope.reactor.memory import Garbage
from monoskope.reactor.work.delivery import DeliveredRequest
from monoskope.stores.driver import OvertakenError
from tests.support.reactor_world import EMPTY, SECRET, MemoryStore, World, ask, outcome

DELETE, UPLOAD = upload_pb2.PURPOSE_DELETE, upload_pb2.PURPOSE_UPLOAD


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
async def test_an_heir_says_what_the_engine_shows(world: World, versions: int, said: str) -> None:
    for _ in range(versions):
        world.memory.put(SECRET)
    grant = world.sealed(ask(DELETE)).grant
    assert outcome(await world.taken_over(grant, prior_version="v1", intent=bytes(32))) == said
