"""A sealed secret that m8 keeps back, and gives to the reactor later, never replaces what came after it.

The attack: m8 withholds an attempt and says KEY_LOST, unsigned. Its user goes on, and later puts something
new. Then m8 lets the withheld attempt go, within its key's lifetime.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import pytest

from monoskope.api.secrets.v1 import upload_pb2
from monoskope.client import Expect
from monoskope.errors import Error
from tests.attack.conftest import Scene
from tests.support.hostile_cluster import KV1, YOUNG_S, young
from tests.support.hostile_session import Ghost

pytestmark = pytest.mark.asyncio(loop_scope="session")

FIRST, OLD, NEW = b"the first value of all", b"the old value that m8 kept", b"the new value that must stay"
TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True)
class Operation:
    """What the ghost was meant to do.

    Attributes:
        there: Whether something of ours is there before.
        source: The store that it is asked of, with a copy.
        at: Where that request is: at the "source" or the "destination" of a copy, else "".
    """

    change: Callable[[Scene, str, str], Awaitable[Any]]
    there: bool = False
    source: bool = False
    withheld: upload_pb2.Purpose = upload_pb2.PURPOSE_UPLOAD
    at: str = ""
    deleted: bool = False


async def put(scene: Scene, uri: str, _: str) -> Any:
    return await scene.client.put_secret(uri, {"password": OLD}, timeout=TIMEOUT_S)


async def overwrite(scene: Scene, uri: str, _: str) -> Any:
    return await scene.client.put_secret(uri, {"password": OLD}, expect=Expect.OVERWRITE, timeout=TIMEOUT_S)


async def patch(scene: Scene, uri: str, _: str) -> Any:
    return await scene.client.patch_secret(uri, {"password": OLD}, timeout=TIMEOUT_S)


async def generate(scene: Scene, uri: str, _: str) -> Any:
    return await scene.client.generate_secret(uri, {"password": "password"}, timeout=TIMEOUT_S)


async def delete(scene: Scene, uri: str, _: str) -> Any:
    return await scene.client.delete_secret(uri, destroy=uri.startswith(KV1), timeout=TIMEOUT_S)


async def undelete(scene: Scene, uri: str, _: str) -> Any:
    return await scene.client.undelete_secret(uri, timeout=TIMEOUT_S)


async def rollback(scene: Scene, uri: str, _: str) -> Any:
    first = [view.upstream_version async for view in scene.client.queries.secret_versions(uri)][-1]
    return await scene.client.rollback_secret(uri, first, timeout=TIMEOUT_S)


async def copy(scene: Scene, uri: str, source: str) -> Any:
    return await scene.client.copy_secret(source, uri, timeout=TIMEOUT_S)


OPERATIONS = {
    "put": Operation(put),
    "put-over": Operation(put, there=True),
    "overwrite": Operation(overwrite, there=True),
    "patch": Operation(patch, there=True, withheld=upload_pb2.PURPOSE_PATCH),
    "generate": Operation(generate, withheld=upload_pb2.PURPOSE_GENERATE),
    "delete": Operation(delete, there=True, withheld=upload_pb2.PURPOSE_DELETE),
    "undelete": Operation(undelete, there=True, deleted=True, withheld=upload_pb2.PURPOSE_UNDELETE),
    "rollback": Operation(rollback, there=True, withheld=upload_pb2.PURPOSE_ROLLBACK),
    "copy-at-source": Operation(copy, source=True, withheld=upload_pb2.PURPOSE_COPY, at="source"),
    "copy-at-destination": Operation(copy, source=True, at="destination"),
}
"""Every way to change what is upstream."""

SOURCES = {"vault": "local", "local": "vault", KV1: "vault"}
"""From where a test copies to each store."""

NOT_IN_KV1 = {"patch", "undelete", "rollback"}
CASES = [
    *((1, store, name) for store in ("vault", "local") for name in OPERATIONS),
    *((1, KV1, name) for name in OPERATIONS if name not in NOT_IN_KV1),
    *((2, "vault", name) for name in OPERATIONS),
    *((2, store, name) for store in ("local", KV1) for name in ("put-over", "generate")),
]
"""Replicas of each store, the store and the operation: KV version 1 cannot do all of them."""

SAMPLES = {"put-over", "delete", "copy-at-destination", "undelete"}
"""What is tried with a second replica for each change; there `make soak` tries the others, too."""


def _case(replicas: int, store: str, name: str) -> object:
    is_more = (replicas == 2 and name not in SAMPLES) or (store == KV1 and name not in SAMPLES)
    return pytest.param(replicas, store, name, marks=[pytest.mark.soak] if is_more else [])


async def begun(scene: Scene, replicas: int, store: str, operation: Operation) -> tuple[str, str]:
    """Have the reactors run and what the operation needs be there; return its URI and a copy's source."""
    uri, source = scene.uri(store), scene.uri(SOURCES[store], "source")
    for one in (store, SOURCES[store]) if operation.source else (store,):
        await scene.hostile.serve(one, replicas=replicas, timings=young())
    if operation.there:
        await scene.client.put_secret(uri, {"password": FIRST})
    if operation.deleted:
        await scene.client.delete_secret(uri)
    if operation.source:
        await scene.client.put_secret(source, {"password": OLD})
    return uri, source


async def attempted(change: Awaitable[Any]) -> Error | None:
    try:
        await change
    except Error as error:
        return error
    return None


async def check_new(scene: Scene, uri: str) -> None:
    """Upstream still holds NEW, and no part says otherwise."""
    assert await scene.hostile.holds(uri) == {"password": NEW.decode()}
    assert (await scene.client.verify_secret(uri)).in_sync
    assert (await scene.client.compare_secret(uri, {"password": NEW})).equal
    assert [scene.m8.saw(value) for value in (FIRST, OLD, NEW)] == [0, 0, 0]
    assert scene.m8.saw(uri.encode()) > 0, "it is seen what passes"


@pytest.mark.parametrize(("replicas", "store", "name"), [_case(*case) for case in CASES], ids=str)
async def test_a_withheld_secret_never_replaces_what_came_after_it(
    scene: Scene, replicas: int, store: str, name: str
) -> None:
    operation = OPERATIONS[name]
    uri, source = await begun(scene, replicas, store, operation)
    withheld_at = source if operation.at == "source" else uri
    ghost = scene.m8.withhold(of=withheld_at, purpose=operation.withheld)
    await attempted(operation.change(scene, uri, source))
    await scene.client.put_secret(uri, {"password": NEW})
    await scene.m8.aged(ghost.request_id, YOUNG_S)
    end = await ghost.deliver()
    await check_new(scene, uri)
    assert end.outcome == upload_pb2.OUTCOME_FAILED
    assert end.HasField("receipt")


@pytest.mark.parametrize(("replicas", "store"), [(1, "vault"), (1, "local"), (2, "vault")], ids=str)
async def test_a_withheld_undeletion_never_brings_back_what_was_deleted_again(
    scene: Scene, replicas: int, store: str
) -> None:
    uri, _ = await begun(scene, replicas, store, OPERATIONS["undelete"])
    ghost = scene.m8.withhold(of=uri, purpose=upload_pb2.PURPOSE_UNDELETE)
    await attempted(undelete(scene, uri, ""))
    await scene.client.undelete_secret(uri)
    await scene.client.delete_secret(uri)
    await scene.m8.aged(ghost.request_id, YOUNG_S)
    end = await ghost.deliver()
    assert await scene.hostile.holds(uri) is None
    assert end.outcome == upload_pb2.OUTCOME_FAILED
    assert end.HasField("receipt")


async def test_a_withheld_put_never_replaces_what_was_deleted_and_brought_back(scene: Scene) -> None:
    """The version that comes back has its name again: only the receipt tells that it was away."""
    uri, _ = await begun(scene, 1, "vault", OPERATIONS["put-over"])
    ghost = scene.m8.withhold(of=uri, purpose=upload_pb2.PURPOSE_UPLOAD)
    await attempted(put(scene, uri, ""))
    await scene.client.delete_secret(uri)
    await scene.client.undelete_secret(uri)
    await scene.m8.aged(ghost.request_id, YOUNG_S)
    end = await ghost.deliver()
    assert await scene.hostile.holds(uri) == {"password": FIRST.decode()}
    assert end.outcome == upload_pb2.OUTCOME_FAILED


@pytest.mark.parametrize("store", ["vault", "local", KV1])
async def test_a_write_that_m8_keeps_from_starting_never_replaces_what_another_replica_wrote(
    scene: Scene, store: str
) -> None:
    await scene.hostile.serve(store, replicas=2, timings=young())
    uri = scene.uri(store)
    await scene.client.put_secret(uri, {"password": FIRST})
    held = scene.m8.hold_append("SecretUploadStarted", of=uri)
    ghost = scene.m8.belie(of=uri)
    attempt = asyncio.ensure_future(attempted(put(scene, uri, "")))
    issuer = (await held.arrived()).session
    # A request that waits behind the ghost in its own process would wait for it: the other replica gives the grants.
    scene.m8.lose_append("SecretUploadKeyProvided", of=uri, session=issuer, times=None)
    await attempt
    await scene.client.put_secret(uri, {"password": NEW})
    await scene.m8.aged(ghost.request_id, YOUNG_S)
    held.release()
    await ghost.deliver()
    await check_new(scene, uri)


COMMANDS = {
    "put": ("put", "secret", "--from-file", "password=-"),
    "put --overwrite": ("put", "secret", "--overwrite", "--from-file", "password=-"),
    "patch": ("patch", "secret", "--from-file", "password=-"),
    "generate": ("generate", "secret", "--kind", "password", "--key", "password"),
    "delete": ("delete", "secret", "--yes"),
    "undelete": ("undelete", "secret"),
    "rollback": ("rollback", "secret", "--to", "1@x"),
}


def only_uncertain(ghost: Ghost, code: int, err: str) -> None:
    """Exit code 9, which names the request and says until when it could still happen."""
    assert code == 9, err
    error = json.loads(err.splitlines()[-1])["error"]
    assert ghost.request_id.hex() in error["message"] + error["fix"]
    assert re.search(r"until .*\d{1,2}:\d{2}", error["message"]), error["message"]


@pytest.mark.parametrize("name", COMMANDS)
async def test_monoctl_begins_no_new_attempt_because_m8_says_so(scene: Scene, name: str) -> None:
    await scene.hostile.serve("vault", timings=young())
    uri = scene.uri("vault")
    await scene.client.put_secret(uri, {"password": FIRST})
    before = len(scene.m8.of(uri))
    ghost = scene.m8.withhold(of=uri)
    ran = await scene.hostile.monoctl(scene.user, *COMMANDS[name], uri, "-o", "json", input=OLD)
    assert len(scene.m8.of(uri)) == before + 1
    only_uncertain(ghost, ran.code, ran.err)
