"""Values that lie as base64 among text: read back as what was put, by our own receipt and by nothing else."""

from __future__ import annotations

import base64

import pytest

from monoskope.api.secrets.v1 import upload_pb2
from monoskope.protocol.payload import Payload
from monoskope.protocol.receipt import Receipt
from monoskope.reactor.identity.fingerprint import FingerprintKey
from monoskope.stores.driver import CannotReadError, Snapshot, UnknownOutcomeError, certain
from monoskope.stores.shared.checks import could_be_base64, is_text
from tests.support.memory_store import URI, MemoryStore
from tests.support.reactor_requests import ask
from tests.support.reactor_world import World

VERIFY, IMPORT = upload_pb2.PURPOSE_VERIFY, upload_pb2.PURPOSE_IMPORT
COMPARE, DELETE = upload_pb2.PURPOSE_COMPARE, upload_pb2.PURPOSE_DELETE
OVERWRITE = upload_pb2.EXPECT_OVERWRITE
RAW = b"\x80\x81\xff"
TEXT = base64.b64encode(RAW)
SECRET = {"raw": RAW, "user": b"app"}


class TextStore(MemoryStore):
    """Holds text alone, as a KV engine whose paths are all flagged as holding base64."""

    def put(self, secret: dict[str, bytes] | Payload, path: tuple[str, ...] = URI.path, tag: str = "") -> str:  # type: ignore[override]
        stored = {key: value if is_text(value) else base64.b64encode(value) for key, value in secret.items()}
        return super().put(stored, path, tag)

    async def read(self, path: tuple[str, ...]) -> Snapshot | None:
        return certain(await self.read_either(path))

    async def read_either(self, path: tuple[str, ...]) -> Snapshot | None:
        found = await super().read(path)
        if found is None:
            return None
        either = frozenset(key for key, value in found.payload.items() if could_be_base64(value.decode()))
        return Snapshot(found.version, found.payload, either)


async def verified(world: World, newest: Receipt) -> str:
    await world.walk(ask(VERIFY), newest=newest)
    return world.outcomes()[-1]


@pytest.fixture
def world() -> World:
    return World(TextStore(write_tag=False))


async def test_bytes_that_were_put_are_in_sync(world: World) -> None:
    put = await world.walk(secret=SECRET)
    assert world.memory.content[URI.path][-1][1]["raw"] == TEXT
    assert await verified(world, put) == "IN_SYNC"


async def test_text_that_looks_like_base64_is_in_sync_too(world: World) -> None:
    put = await world.walk(secret={"raw": TEXT, "user": b"app"})
    assert await verified(world, put) == "IN_SYNC"


@pytest.mark.parametrize("other", [{"raw": b"\x82", "user": b"app"}, {"raw": RAW, "user": b"x"}, {"raw": b"text"}, {}])
async def test_something_else_is_never_in_sync(world: World, other: dict[str, bytes]) -> None:
    """Also under the version that the receipt names, as after somebody changed the engine's own files."""
    put = await world.walk(secret=SECRET)
    world.memory.put(other or {"user": b"app"})
    assert await verified(world, put) == "DRIFTED"
    (version, _, tag), (_, changed, _) = world.memory.content[URI.path][-2:]
    world.memory.content[URI.path] = [(version, changed, tag)]
    assert await verified(world, put) == "DRIFTED"


async def test_under_another_fingerprint_key_the_version_tells(world: World) -> None:
    put = await world.walk(secret=SECRET)
    assert await verified(World(world.memory, key=FingerprintKey(b"k" * 32)), put) == "IN_SYNC"


async def test_a_comparison_is_with_what_was_put(world: World) -> None:
    await world.walk(secret=SECRET)
    for secret, outcome in (
        (SECRET, "EQUAL"),
        ({"raw": TEXT, "user": b"app"}, "DIFFERENT"),
        ({"raw": b"x"}, "DIFFERENT"),
    ):
        await world.walk(ask(COMPARE), secret)
        assert world.outcomes()[-1] == outcome


async def test_the_same_again_is_unchanged_and_the_other_reading_is_written(world: World) -> None:
    await world.walk(secret=SECRET)
    await world.walk(secret=SECRET)
    assert world.outcomes()[-1] == "UNCHANGED"
    await world.walk(secret={"raw": TEXT, "user": b"app"})
    assert world.outcomes()[-1] == "UPLOADED"


async def test_what_others_put_there_is_not_guessed(world: World) -> None:
    """Nobody signed which of the two it is: an import would give a hash to what may never have been put."""
    world.memory.put(SECRET)
    await world.walk(ask(IMPORT))
    await world.walk(ask(COMPARE), SECRET)
    assert world.outcomes() == ["FAILED CANNOT_READ"] * 2


async def test_what_we_put_can_be_imported_again_with_its_hash(world: World) -> None:
    put = await world.walk(secret=SECRET)
    imported = await world.walk(ask(IMPORT))
    assert (imported.fingerprint, imported.values) == (put.fingerprint, put.values)


async def test_a_copy_is_made_of_the_bytes(world: World) -> None:
    await world.walk(secret=SECRET)
    snapshot = await world.upstream.snapshot(URI)
    assert snapshot is not None
    assert dict(snapshot.payload) == SECRET


async def test_a_write_whose_answer_was_lost_is_recognised(world: World) -> None:
    world.memory.failures["written"].append(UnknownOutcomeError("broke."))
    put = await world.walk(secret=SECRET)
    assert world.outcomes() == ["STARTED", "UPLOADED"]
    assert put.fingerprint == world.key.fingerprints(SECRET).whole


async def test_whoever_reads_without_a_receipt_reads_nothing(world: World) -> None:
    world.memory.put(SECRET)
    with pytest.raises(CannotReadError):
        await world.memory.read(URI.path)
