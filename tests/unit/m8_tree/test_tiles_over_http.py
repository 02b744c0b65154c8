"""The witnessed log for the tools of others: a reader that knows RFC 6962 and tiles, and nothing of ours."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from monoskope.api.secrets.v1 import events_pb2
from monoskope.protocol.tlog.vkey import VerifierKey
from tests.support.checkpoints import LATER_S, grown, keys_in, root_of, signing
from tests.support.http_calls import Answered, ask, bearer
from tests.support.m8_world import User, World, a_world


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with a_world(tmp_path) as world:
        yield world


@pytest.fixture
def auditor(world: World) -> User:
    return world.user("eve", rights=frozenset(), role=events_pb2.ROLE_AUDITOR)


async def signed(world: World, folder: Path) -> None:
    world.clock.pass_s(LATER_S)
    await signing(world.app, folder).round()
    world.app.witnessed.forget()


async def get(world: World, user: User, path: str) -> Answered:
    return await ask(world.address, "GET", path, bearer(user))


async def body(world: World, user: User, path: str) -> bytes:
    answered = await get(world, user, path)
    assert answered.status == 200, (path, answered.body)
    return answered.body


def names(level: str, size: int) -> list[str]:
    """The paths of all tiles of a level that has so many hashes, by the text of tlog-tiles, below 1,000 of them."""
    full, rest = divmod(size, 256)
    partial = [f"/tile/{level}/{full:03}.p/{rest}"] if rest else []
    return [f"/tile/{level}/{index:03}" for index in range(full)] + partial


async def test_an_independent_reader_verifies_the_whole_log_from_its_tiles_and_records(
    world: World, auditor: User, tmp_path: Path
) -> None:
    """It reads the checkpoint, all entries and both levels of tiles, and compares the entries with the records."""
    keys_in(tmp_path)
    await grown(world.app.log, 600)
    await signed(world, tmp_path)
    note = (await body(world, auditor, "/checkpoint")).decode()
    _, size, root = note.split("\n\n")[0].split("\n")
    entries = []
    for path in names("entries", int(size)):
        bundle = await body(world, auditor, path)
        while bundle:
            length = int.from_bytes(bundle[:2], "big")
            entries.append(bundle[2 : 2 + length])
            bundle = bundle[2 + length :]
    assert len(entries) == int(size) > 600
    assert base64.b64encode(root_of(entries)).decode() == root
    leaves = [hashlib.sha256(b"\0" + entry).digest() for entry in entries]
    assert b"".join([await body(world, auditor, path) for path in names("0", int(size))]) == b"".join(leaves)
    above = b"".join(root_of(entries[at : at + 256]) for at in range(0, int(size) - 255, 256))
    assert await body(world, auditor, names("1", int(size) // 256)[0]) == above
    outlines = [event.outline for event in await world.app.log.read(after=0, limit=1_000)]
    assert [hashlib.sha256(outline).digest() for outline in outlines] == entries


async def test_only_auditors_and_administrators_read_it_and_no_cache_shares_it(
    world: World, auditor: User, tmp_path: Path
) -> None:
    keys_in(tmp_path)
    await grown(world.app.log, 300)
    await signed(world, tmp_path)
    anna = world.user("anna", "vault://app")
    size = await world.app.log.head()
    full, partial, entries = "/tile/0/000", f"/tile/0/001.p/{size - 256}", "/tile/entries/000"
    for path in ("/checkpoint", full, partial, entries):
        assert (await get(world, world.administrator(), path)).status == 200
        answered = await get(world, auditor, path)
        assert answered.headers["cache-control"].startswith("private")
        assert ("immutable" in answered.headers["cache-control"]) == (path in (full, entries)), path
        kind = "text/plain; charset=utf-8" if path == "/checkpoint" else "application/octet-stream"
        assert answered.headers["content-type"] == kind
        assert (await get(world, anna, path)).status == 403
        assert (await ask(world.address, "GET", path)).status == 401
        assert (await ask(world.address, "POST", path, bearer(auditor))).status == 405


async def test_a_tile_is_served_only_for_a_checkpoint_that_was_signed(
    world: World, auditor: User, tmp_path: Path
) -> None:
    """Another width, what is not signed yet, and every path that is no tile's, are not there."""
    keys_in(tmp_path)
    assert (await get(world, auditor, "/checkpoint")).status == 404
    assert (await get(world, auditor, "/tile/0/000")).status == 404
    await signed(world, tmp_path)
    size = await world.app.log.head()
    await grown(world.app.log, 400)
    await signing(world.app, tmp_path).round()  # the tree grows, and it is too early for a checkpoint
    assert await world.app.log.tree_size() == size + 400
    for path in (
        "/tile/0/000",
        f"/tile/0/000.p/{size + 1}",
        "/tile/0/000.p/1",
        "/tile/1/000.p/1",
        "/tile/0/000.p/256",
        "/tile/0/0",
        "/tile/00/000",
        "/tile/0/000.p/0",
        "/tile/0/x000/000",
        "/tile/63/000.p/255",
        "/tile/0/999",
        "/tile/entries/001",
        "/tile/",
        "/tile/0/../0/000",
    ):
        answered = await get(world, auditor, path)
        assert answered.status == 404, path
    assert len(await body(world, auditor, f"/tile/0/000.p/{size}")) == size * 32
    await signed(world, tmp_path)
    assert len(await body(world, auditor, f"/tile/0/000.p/{size}")) == size * 32, "of an earlier checkpoint"
    assert len(await body(world, auditor, "/tile/0/000")) == 256 * 32
    assert len(await body(world, auditor, "/tile/1/000.p/1")) == 32


async def test_the_note_at_the_door_has_both_signatures(world: World, auditor: User, tmp_path: Path) -> None:
    key = keys_in(tmp_path)
    await signed(world, tmp_path)
    lines = (await body(world, auditor, "/checkpoint")).decode().split("\n\n")[1].splitlines()
    assert [line.split(" ")[1] for line in lines] == [key.origin] * 2
    ids = [base64.b64decode(line.split(" ")[2])[:4] for line in lines]
    assert ids == [VerifierKey.parse(str(vkey)).key_id for vkey in key.vkeys]
