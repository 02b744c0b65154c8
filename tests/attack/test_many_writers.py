"""Many honest writers of one secret at once: all end well, and one after the other would have had the same end.

Deletions differ where two reactors serve a KV version 2 engine, which deletes without check-and-set: of two that delete
one version at the same time both may say DELETED, one whose version was replaced right after it was deleted says
CONFLICT, and a write may replace a version that was deleted after the write saw it (docs/stores/vault.md, Deleting).
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio

from monoskope.api.secrets.v1 import upload_pb2
from monoskope.client import Client, Expect
from monoskope.errors import ConflictError, Error, NotFoundError
from monoskope.protocol.receipt import Receipt, parse_receipt
from tests.attack.conftest import Scene
from tests.rig import writers
from tests.rig.history import OK
from tests.support.hostile_cluster import young

pytestmark = pytest.mark.asyncio(loop_scope="session")

WRITERS = 32
AGAIN = 8
"""So many of them put another value once their first is there."""
CLIENTS = 8
TIMEOUT_S = 300.0
PATIENT = young(TIMEOUT_S)
"""Whoever waits in the queue for longer than a key is young is told CONFLICT, as is right; here nobody is, however slow
the machine."""
PLACES = [
    (2, "vault"),
    *(pytest.param(*place, marks=pytest.mark.soak) for place in [(1, "vault"), (1, "local"), (2, "local")]),
]
UNLIMITED = {"compares_per_hour_per_uri": 1_000, "compares_per_hour": 10_000, "lifetime_s": 600}
"""A writer who is refused after it announced its write has guessed; and no key ends in the queue."""

KEPT = {"vault": {}, "local": {"keep_versions": 1_000}}

Write = Callable[[Client], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class Done:
    began: float
    ended: float
    receipt: Receipt


@pytest_asyncio.fixture(loop_scope="session")
async def clients(scene: Scene) -> AsyncIterator[list[Client]]:
    """Connections of their own for the writers to share."""
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(scene.hostile.client(scene.user)) for _ in range(CLIENTS)]


async def do(client: Client, write: Write) -> Done | Error:
    """Do one thing, and return the receipt that proves it, with its beginning and its end."""
    began = time.monotonic()
    try:
        result = await write(client)
    except Error as error:
        return error
    ended = time.monotonic()
    upload = (await client.queries.upload_answer(bytes.fromhex(result.request_id))).upload
    return Done(began, ended, parse_receipt(upload.receipt.content))


def put(uri: str, number: int, expect: Expect) -> Write:
    value = f"the value of writer {number}".encode()
    return lambda client: client.put_secret(uri, {"password": value}, expect=expect, timeout=TIMEOUT_S)


def place(receipt: Receipt) -> tuple[int, int]:
    """Where an operation has its place by the engine's own numbers: a deletion after the version that it deleted."""
    if receipt.outcome == upload_pb2.OUTCOME_DELETED:
        return int(receipt.prior_version.partition("@")[0]), 2
    return int(receipt.upstream_version.partition("@")[0]), int(receipt.outcome == upload_pb2.OUTCOME_UNCHANGED)


def met_a_deletion(before: Done, one: Done) -> bool:
    """Whether `before` deleted the version that `one` names as its prior, and neither ended before the other began."""
    is_same = before.receipt.prior_version == one.receipt.prior_version
    deleted = before.receipt.outcome == upload_pb2.OUTCOME_DELETED
    return deleted and is_same and before.began < one.ended and one.began < before.ended


def check_linear(done: list[Done], *, blind: bool = False, refused: int = 0) -> Receipt:
    """The receipts are one line without forks, each version is given once, and real time is respected.

    Args:
        blind: Whether the engine deletes without check-and-set, for several reactors.
        refused: How many deletions ended with CONFLICT: each of them may have deleted what was then replaced.

    Returns the receipt at the line's end.
    """
    line = sorted(done, key=lambda one: place(one.receipt))
    written = [one.receipt.upstream_version for one in line if one.receipt.outcome == upload_pb2.OUTCOME_UPLOADED]
    assert len(set(written)) == len(written)
    there = ""
    for before, one in zip([None, *line], line, strict=False):
        receipt = one.receipt
        if receipt.outcome == upload_pb2.OUTCOME_UNCHANGED:
            assert receipt.upstream_version == there
            continue
        if blind and before is not None and met_a_deletion(before, one):
            there = receipt.prior_version
        if blind and there and not receipt.prior_version:
            there, refused = "", refused - 1
        assert receipt.prior_version == there, (place(receipt), receipt.prior_version, there)
        there = receipt.upstream_version
    assert refused >= 0
    latest_begin = 0.0
    for one in line:
        # Nothing that comes later in the line ended before something earlier had begun.
        assert one.ended >= latest_begin
        latest_begin = max(latest_begin, one.began)
    return line[-1].receipt


async def holds_what_it_names(scene: Scene, uri: str, last: Receipt) -> None:
    """Upstream is what the last receipt names, by the engine itself and by m8's newest receipt."""
    history = scene.hostile.history(uri)
    assert (history[-1].text if history[-1].content else "") == last.upstream_version
    assert (await scene.client.verify_secret(uri)).in_sync


def failed(ends: list[Done | Error]) -> Counter[str]:
    return Counter(f"{end.code.value}: {end.message}" for end in ends if isinstance(end, Error))


@pytest.mark.parametrize("expect", [Expect.ANY, Expect.OVERWRITE])
@pytest.mark.parametrize(("replicas", "store"), PLACES)
async def test_all_end_well_and_one_after_the_other(
    scene: Scene, clients: list[Client], replicas: int, store: str, expect: Expect
) -> None:
    await scene.hostile.serve(store, replicas=replicas, engine=KEPT[store], timings=PATIENT, limits=UNLIMITED)
    uri = scene.uri(store)

    async def writer(number: int) -> list[Done | Error]:
        client = clients[number % CLIENTS]
        ends = [await do(client, put(uri, number, expect))]
        if number < AGAIN:
            ends.append(await do(client, put(uri, WRITERS + number, expect)))
        return ends

    ends = [end for both in await asyncio.gather(*map(writer, range(WRITERS))) for end in both]
    assert failed(ends) == {}
    last = check_linear([end for end in ends if isinstance(end, Done)])
    await holds_what_it_names(scene, uri, last)
    assert scene.m8.saw(b"the value of writer") == 0


@pytest.mark.parametrize(("replicas", "store"), PLACES[::-1])
async def test_whatever_they_do_it_is_one_after_the_other(
    scene: Scene, clients: list[Client], replicas: int, store: str
) -> None:
    await scene.hostile.serve(store, replicas=replicas, engine=KEPT[store], timings=PATIENT, limits=UNLIMITED)
    uri = scene.uri(store)
    first = await do(scene.client, put(uri, 0, Expect.ANY))
    assert isinstance(first, Done)
    writes: list[Write] = []
    for number in range(1, 7):
        writes += [
            put(uri, number, Expect.ANY),
            lambda client, number=number: client.patch_secret(  # type: ignore[misc]
                uri, {f"key{number}": b"the value of a patch"}, timeout=TIMEOUT_S
            ),
            lambda client: client.delete_secret(uri, timeout=TIMEOUT_S),
            lambda client: client.generate_secret(uri, {"password": "password"}, timeout=TIMEOUT_S),
        ]
    ends = await asyncio.gather(*(do(clients[n % CLIENTS], write) for n, write in enumerate(writes)))
    # A patch or a deletion is not tried again on another version, and there may be nothing to patch or to delete.
    assert all(isinstance(end, Done | ConflictError | NotFoundError) for end in ends), failed(ends)
    assert not any(isinstance(end, Error) for end in ends[::4] + ends[3::4]), failed(ends[::4] + ends[3::4])
    done = [first, *(end for end in ends if isinstance(end, Done))]
    refused = sum(isinstance(end, ConflictError) for end in ends[2::4])
    last = check_linear(done, blind=(replicas, store) == (2, "vault"), refused=refused)
    await holds_what_it_names(scene, uri, last)


async def test_writers_who_name_the_version_that_they_replace_are_linearizable(
    scene: Scene, clients: list[Client]
) -> None:
    await scene.hostile.serve("vault", replicas=2, engine=KEPT["vault"], timings=PATIENT, limits=UNLIMITED)
    uri = scene.uri("vault")
    operations = await writers.write_at_once(clients, uri, writers=WRITERS, tries=1, timeout_s=TIMEOUT_S)
    operations += await writers.write_at_once(clients, uri, writers=8, tries=2, timeout_s=TIMEOUT_S)
    assert {one.end for one in operations} == {OK, "CONFLICT"}
    assert sum(one.verb == "compare" for one in operations) > 1
    history = await asyncio.to_thread(scene.hostile.history, uri)
    assert writers.check(operations, history) == []
    # A value that is there already makes no version: its writer is told the one that has it.
    told = {one.version for one in operations if one.verb == "put" and one.end == OK}
    assert {version.text for version in history} == told
