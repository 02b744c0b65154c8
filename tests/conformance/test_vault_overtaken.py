"""A version comes between the look and the act of a deletion or undeletion, in a real OpenBao: what users are told."""

from __future__ import annotations

import os
from typing import Any

import pytest

from monoskope.api.secrets.v1 import upload_pb2
from monoskope.client.walk.reasons import error_for
from monoskope.protocol.receipt import Receipt
from monoskope.reactor.guarded_driver import GuardedDriver
from monoskope.reactor.memory import Garbage
from monoskope.stores.driver import NOTHING
from monoskope.stores.vault.kv2 import VaultStore
from monoskope.uri import SecretUri
from tests.conformance.vault_harness import VaultHarness
from tests.support.reactor_requests import ask
from tests.support.reactor_world import World

DELETE, UNDELETE = upload_pb2.PURPOSE_DELETE, upload_pb2.PURPOSE_UNDELETE
ANY, VERSION, OVERWRITE = upload_pb2.EXPECT_ANY, upload_pb2.EXPECT_VERSION, upload_pb2.EXPECT_OVERWRITE
THEIRS = {"password": "of somebody else"}


@pytest.fixture
async def world(store: VaultStore) -> World:
    """A reactor whose secret was put through it."""
    world = World(
        GuardedDriver(store, Garbage(), within_s=5.0), uri=SecretUri.parse(f"memory://t/{os.urandom(6).hex()}")
    )
    await world.walk()
    return world


def overtaking(harness: VaultHarness, store: VaultStore, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have somebody put a version just before the engine is asked to delete or undelete the one before."""
    session = store._session
    request = session.request

    async def overtaken(method: str, url: str, **fields: Any) -> Any:
        if method == "POST" and "/data/" not in url:
            monkeypatch.undo()
            await harness.foreign_write(world.uri.path, THEIRS)
        return await request(method, url, **fields)

    monkeypatch.setattr(session, "request", overtaken)


def versions(harness: VaultHarness, world: World) -> list[str]:
    """What the engine says of each version, from the first on."""
    data = harness.call("GET", f"secret/metadata/{harness.engine_path(world.uri.path)}")["data"]
    found = (data["versions"][number] for number in sorted(data["versions"]))
    return ["destroyed" if one["destroyed"] else "deleted" if one["deletion_time"] else "there" for one in found]


def told(receipt: Receipt, world: World, purpose: upload_pb2.Purpose) -> str:
    """What the user reads."""
    version, detail = receipt.upstream_version, receipt.detail
    return error_for(receipt.reason, str(world.uri), purpose, upstream_version=version, detail=detail).message


@pytest.mark.parametrize(
    ("destroy", "before", "said"),
    [
        (False, "deleted", "the one before it was deleted, and the engine can undelete it)"),
        (True, "destroyed", "the one before it was erased for good)"),
    ],
)
@pytest.mark.parametrize(
    ("expect", "reason"),
    [
        (ANY, upload_pb2.REASON_UPSTREAM_CHANGED),
        (OVERWRITE, upload_pb2.REASON_CONFLICT),
        (VERSION, upload_pb2.REASON_CONFLICT),
    ],
)
async def test_a_deletion_that_a_put_overtakes_says_what_stays_and_what_is_gone(
    harness: VaultHarness,
    store: VaultStore,
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    *,
    destroy: bool,
    before: str,
    said: str,
    expect: upload_pb2.Expect,
    reason: upload_pb2.Reason,
) -> None:
    first = world.receipt().upstream_version
    overtaking(harness, store, world, monkeypatch)
    asked = ask(
        DELETE, uri=world.uri, expect=expect, expect_version=first if expect == VERSION else "", destroy=destroy
    )
    failed = await world.walk(asked)
    assert (failed.reason, versions(harness, world)) == (reason, [before, "there"])
    message = told(failed, world, DELETE)
    assert "a newer version came in between and stays" in message
    assert said in message
    assert message.endswith(f"Version {await store.read_version(world.uri.path)} is there now.")
    assert "nothing was deleted" not in message


async def test_an_undeletion_that_a_put_overtakes_says_what_came_back_below_it(
    harness: VaultHarness, store: VaultStore, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.walk(ask(DELETE, uri=world.uri))
    assert await store.read_version(world.uri.path) == NOTHING
    overtaking(harness, store, world, monkeypatch)
    failed = await world.walk(ask(UNDELETE, uri=world.uri))
    assert failed.outcome == upload_pb2.OUTCOME_FAILED
    assert versions(harness, world) == ["there", "there"]
    message = told(failed, world, UNDELETE)
    assert "a newer version came in between and stays; the one before it is deleted no longer" in message
    assert "nothing was changed" not in message


@pytest.mark.parametrize("readable", [True, False])
async def test_a_version_that_has_the_same_number_as_the_one_announced_is_not_replaced(
    harness: VaultHarness, *, readable: bool
) -> None:
    """While m8 keeps STARTED, another program deletes the path with its metadata and writes anew: numbers restart."""
    store: VaultStore = await harness.opened(readable=readable)
    world = World(store, uri=SecretUri.parse(f"memory://t/{os.urandom(6).hex()}"))
    await world.walk()
    path = harness.engine_path(world.uri.path)

    def meanwhile() -> None:
        harness.call("DELETE", f"secret/metadata/{path}")
        harness.call("POST", f"secret/data/{path}", {"data": THEIRS})
        world.now.time += 4

    sealed = world.sealed(ask(uri=world.uri, expect=OVERWRITE), {"password": b"what m8 held back"})
    assert sealed.first_look is not None
    await sealed.first_look.found()
    world.now.time += 7
    world.log.before.append(meanwhile)
    await world.handler.handle(sealed)
    assert world.outcomes()[-2:] == ["STARTED", "FAILED CONFLICT"]
    assert versions(harness, world) == ["there"]
    assert harness.call("GET", f"secret/data/{path}")["data"]["data"] == THEIRS
