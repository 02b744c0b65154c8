"""What the rig checks of the log itself bites, too: its chain, its read models and its tree."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from monoskope.m8.log.sqlite import SqliteLog
from monoskope.m8.log.sqlite.documents import DOCUMENTS
from monoskope.m8.log.tree_rows import Named
from monoskope.m8.readmodels import documents as chain
from monoskope.m8.tree.signing import LastSigned, Signed, Signer
from monoskope.m8.tree.tree import grow_tree
from monoskope.protocol.tlog.checkpoint import Checkpoint
from monoskope.protocol.tlog.log_key import LogKey
from monoskope.testing.logs import some_time
from tests.rig.facts import read, requests_of, verify_log, verify_tree
from tests.support.checkpoints import ORIGIN
from tests.support.m8_world import a_world
from tests.support.vectors import a_request


async def opened(folder: Path) -> SqliteLog:
    return await SqliteLog.open(folder / "log.db", clock=some_time, projector=chain.project)


@pytest_asyncio.fixture
async def folder(tmp_path: Path) -> AsyncIterator[Path]:
    """The log of an m8 that was asked for one key, with a tree and one checkpoint."""
    async with a_world(tmp_path) as world:
        await world.attached()
        await world.user("anna", "vault://app").ask(a_request())
    log, key = await opened(tmp_path), LogKey.make(ORIGIN)
    named = Named(1, ORIGIN, tuple(map(str, key.vkeys)), 1)
    await log.give_name(named)
    await grow_tree(log, upto=await log.head())
    await Signer(log, LastSigned(tmp_path), some_time).sign(key, named)
    await log.close()
    yield tmp_path


def change(folder: Path, *statements: str) -> None:
    """Change the database past m8."""
    with contextlib.closing(sqlite3.connect(folder / "log.db")) as database, database:
        for statement in statements:
            database.execute(statement)


async def found(folder: Path, *also: Signed) -> list[str]:
    log = await opened(folder)
    try:
        events, kept = await read(log)
        tree = await verify_tree(log, lambda: [*also, *filter(None, [LastSigned(folder).read()])])
        return await verify_log(log, events, kept) + tree
    finally:
        await log.close()


async def test_nothing_is_wrong_with_a_good_log(folder: Path) -> None:
    assert await found(folder) == []
    log = await opened(folder)
    events, _ = await read(log)
    await log.close()
    assert [(told.uri, told.ended) for told in requests_of(events).values()] == [(str(a_request().uri), False)]


async def test_a_read_model_that_is_not_what_the_events_say_is_found(folder: Path) -> None:
    change(folder, f"DELETE FROM {DOCUMENTS} WHERE collection = 'open-uploads'")
    [sentence] = await found(folder)
    assert sentence.startswith("the read model open-uploads is not what its events say: 0 documents, 1")


async def test_a_broken_chain_is_found(folder: Path) -> None:
    change(folder, "DROP TRIGGER events_stay", "UPDATE events SET hash = zeroblob(32) WHERE position = 2")
    assert any(sentence.startswith("the chain does not hold") for sentence in await found(folder))


@pytest.mark.parametrize("size", [2, 1_000])
async def test_a_checkpoint_of_another_log_is_found(folder: Path, size: int) -> None:
    signed = Signed(Checkpoint(ORIGIN, size, bytes(32)), b"")
    [sentence] = await found(folder, signed)
    assert sentence.startswith("the tree of the log does not hold")
