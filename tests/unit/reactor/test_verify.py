"""Verifying and importing, branch by branch, on an engine in memory."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from monoskope.api.secrets.v1 import events_pb2, upload_pb2
from monoskope.protocol.identity import RECEIPT
from monoskope.protocol.payload import Payload
from monoskope.protocol.receipt import Receipt
from monoskope.reactor.admission import Admission
from monoskope.reactor.identity.fingerprint import FingerprintKey
from monoskope.reactor.identity.store_identity import Identity
from monoskope.reactor.limits import Rates
from monoskope.reactor.report.known_receipts import newest_receipt
from monoskope.reactor.settings import ReactorLimits
from monoskope.stores.driver import CannotReadError, StoreUnavailableError
from tests.support.memory_store import URI, MemoryStore
from tests.support.reactor_requests import EMPTY, SECRET, ask
from tests.support.reactor_world import SEED, World, admission, refusal, settings

VERIFY, IMPORT = upload_pb2.PURPOSE_VERIFY, upload_pb2.PURPOSE_IMPORT
DELETE, COMPARE = upload_pb2.PURPOSE_DELETE, upload_pb2.PURPOSE_COMPARE


async def verified(world: World, newest: Receipt | None) -> str:
    """Verify against `newest` and return what came of it."""
    await world.walk(ask(VERIFY), newest=newest)
    return world.outcomes()[-1]


async def test_what_was_put_is_in_sync_and_nothing_is_written(world: World) -> None:
    put = await world.walk()
    before = list(world.memory.content[URI.path])
    receipt = await world.walk(ask(VERIFY), newest=put)
    assert (receipt.outcome, receipt.upstream_version) == (upload_pb2.OUTCOME_IN_SYNC, put.upstream_version)
    assert receipt.verified_sha256 == hashlib.sha256(put.content).digest()
    assert receipt.sealed_sha256 == EMPTY
    assert isinstance(world.log.events[-1], events_pb2.SecretVerified)
    assert (world.memory.content[URI.path], len(world.keys)) == (before, 0)


async def test_another_version_is_drift_even_with_the_same_values(world: World) -> None:
    put = await world.walk()
    version, reads = world.memory.put(SECRET), world.memory.calls.count("read")
    receipt = await world.walk(ask(VERIFY), newest=put)
    assert (receipt.outcome, receipt.upstream_version) == (upload_pb2.OUTCOME_DRIFTED, version)
    assert world.memory.calls.count("read") == reads
    assert isinstance(world.log.events[-1], events_pb2.SecretDriftDetected)


async def test_other_values_under_the_same_version_are_drift(world: World) -> None:
    put = await world.walk()
    world.memory.content[URI.path][-1] = (put.upstream_version, Payload({"a": b"other"}), "")
    assert await verified(world, put) == "DRIFTED"


async def test_nothing_upstream_is_gone(world: World) -> None:
    put = await world.walk()
    world.memory.content[URI.path] = []
    receipt = await world.walk(ask(VERIFY), newest=put)
    assert (receipt.outcome, receipt.upstream_version) == (upload_pb2.OUTCOME_GONE, "")
    assert isinstance(world.log.events[-1], events_pb2.SecretDriftDetected)


async def test_what_goes_while_it_is_looked_at_is_gone_and_what_changes_drifted() -> None:
    for secret, outcome in ((None, "GONE"), ({"a": b""}, "DRIFTED")):
        world = World()
        put = await world.walk()

        def change(world: World = world, secret: dict[str, bytes] | None = secret) -> None:
            world.memory.content[URI.path] = []
            if secret is not None:
                world.memory.put(secret)

        world.memory.failures["read"].append(change)
        assert await verified(world, put) == outcome


async def test_a_deleted_secret_is_in_sync_while_nothing_is_there(world: World) -> None:
    await world.walk()
    deleted = await world.walk(ask(DELETE))
    assert await verified(world, deleted) == "IN_SYNC"
    world.memory.put(SECRET)
    assert await verified(world, deleted) == "DRIFTED"


async def test_where_nothing_can_be_read_the_version_tells() -> None:
    world = World(MemoryStore(readable=False))
    put = await world.walk()
    assert await verified(world, put) == "IN_SYNC"
    world.memory.put(SECRET)
    assert await verified(world, put) == "DRIFTED"
    assert "read" not in world.memory.calls


async def test_fingerprints_under_another_key_are_not_compared(world: World) -> None:
    put = await world.walk()
    other = World(world.memory, key=FingerprintKey(b"k" * 32))
    assert await verified(other, put) == "IN_SYNC"


@pytest.mark.parametrize(
    ("failure", "outcome"),
    [(CannotReadError("x"), "FAILED CANNOT_READ"), (StoreUnavailableError("x"), "FAILED UPSTREAM_UNAVAILABLE")],
)
async def test_what_cannot_be_looked_at_is_not_called_in_sync(world: World, failure: Exception, outcome: str) -> None:
    put = await world.walk()
    world.memory.failures["read"].append(failure)
    assert await verified(world, put) == outcome


async def test_without_a_receipt_of_ours_there_is_nothing_to_verify(world: World) -> None:
    world.memory.put(SECRET)
    assert await verified(world, None) == "FAILED CONFLICT"


async def test_only_the_newest_receipt_of_ours_for_this_secret_that_tells_what_is_there_counts(world: World) -> None:
    put, identity = await world.walk(), world.identity
    signed = identity.sign(RECEIPT, put.content)
    assert newest_receipt([signed], identity, URI) == put
    assert newest_receipt([], identity, URI) is None
    foreign = Identity(b"f" * 32, store=URI.store).sign(RECEIPT, put.content)
    assert newest_receipt([signed, foreign], identity, URI) is None
    elsewhere = type(URI).parse("memory://team-a/other")
    assert newest_receipt([signed], identity, elsewhere) is None
    compared = identity.sign(RECEIPT, (await world.walk(ask(COMPARE))).content)
    assert newest_receipt([compared], identity, URI) is None
    assert newest_receipt([signed], Identity(SEED, store="other"), URI) is None


async def test_what_others_put_is_imported_as_it_is_and_can_be_replaced_then(world: World) -> None:
    version = world.memory.put(SECRET)
    assert (await world.walk(ask(), {"a": b"new"})).reason == upload_pb2.REASON_UPSTREAM_CHANGED
    receipt = await world.walk(ask(IMPORT))
    assert (receipt.outcome, receipt.upstream_version) == (upload_pb2.OUTCOME_IMPORTED, version)
    assert receipt.fingerprint == world.key.fingerprints(SECRET).whole
    assert receipt.values == world.key.fingerprints(SECRET).values
    assert isinstance(world.log.events[-1], events_pb2.SecretImported)
    assert "write" not in world.memory.calls
    assert await verified(world, receipt) == "IN_SYNC"
    assert (await world.walk(ask(), {"a": b"new"})).prior_version == version


async def test_an_import_without_a_secret_upstream_fails(world: World) -> None:
    assert (await world.walk(ask(IMPORT))).reason == upload_pb2.REASON_NOT_FOUND


async def test_what_cannot_be_read_cannot_be_imported(world: World) -> None:
    world.memory.put(SECRET)
    world.memory.failures["read"].append(CannotReadError("x"))
    assert (await world.walk(ask(IMPORT))).reason == upload_pb2.REASON_CANNOT_READ
    by = admission(MemoryStore(readable=False))
    assert refusal(by, ask(IMPORT)) == "CANNOT_READ"
    assert refusal(by, ask(VERIFY)) == ""


def test_looks_count_like_uploads_and_not_like_comparisons(tmp_path: Path) -> None:
    rates = Rates(
        ReactorLimits(uploads_per_second=40, compares_per_hour_per_uri=1, compares_per_hour=1), now=lambda: 0.0
    )
    by = Admission(settings(tmp_path), MemoryStore(), rates)
    with rates.guess(URI, "alice") as guess:
        guess.announced = True
    assert {refusal(by, ask(purpose)) for purpose in (VERIFY, IMPORT) for _ in range(10)} == {""}
    assert refusal(by, ask(VERIFY)) == "RATE_LIMITED"
