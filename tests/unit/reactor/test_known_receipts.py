"""Which receipts count as ours."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from monoskope.api.secrets.v1 import upload_pb2
from monoskope.protocol.grant import Grant
from monoskope.protocol.identity import RECEIPT, UPLOAD_GRANT
from monoskope.protocol.receipt import Receipt, make_receipt
from monoskope.reactor.identity import store_identity
from monoskope.reactor.identity.store_identity import Identity
from monoskope.reactor.report import known_receipts
from monoskope.reactor.report.known_receipts import KnownReceipts
from monoskope.uri import SecretUri
from tests.support.memory_store import URI
from tests.support.reactor_requests import SECRET, ask
from tests.support.reactor_world import SEED, Clock, World

OURS = Identity(SEED, store="memory")
WORLD = World()
MIB = 1024 * 1024


def grant(uri: SecretUri = URI) -> Grant:
    return WORLD.keys.grant(ask(uri=uri), "alice").grant


def uploaded(version: str = "v1", *, uri: SecretUri = URI, fingerprints: bool = True) -> Receipt:
    found = WORLD.key.fingerprints(SECRET)
    return make_receipt(
        grant=grant(uri),
        sealed_sha256=bytes(32),
        outcome=upload_pb2.OUTCOME_UPLOADED,
        upstream_version=version,
        fingerprint=found.whole if fingerprints else "",
        values=found.values if fingerprints else (),
    )


def of_others(number: int) -> list[Receipt]:
    """Return receipts of so many other secrets, as if this process had made them."""
    one, uris = uploaded(), (SecretUri.parse(f"memory://team-a/service-{index}") for index in range(number))
    return [msgspec.structs.replace(one, uri=uri, content=bytes([*one.content])) for uri in uris]


def signed(receipt: Receipt, identity: Identity = OURS, label: bytes = RECEIPT) -> upload_pb2.Signed:
    return identity.sign(label, receipt.content)


def test_our_own_receipt_names_its_version_alone() -> None:
    known, receipt = KnownReceipts(OURS), uploaded("v1")
    known.learn([signed(receipt)])
    assert known.naming(URI, "v1") == receipt
    assert known.naming(URI, "v2") is None
    assert known.naming(SecretUri.parse("memory://team-a/other"), "v1") is None


def altered(message: upload_pb2.Signed) -> upload_pb2.Signed:
    return upload_pb2.Signed(
        content=message.content.replace(b"v1", b"v2"), signature=message.signature, identity_key=message.identity_key
    )


@pytest.mark.parametrize(
    "forge",
    [
        lambda: signed(uploaded(), Identity(bytes(32), store="memory")),
        lambda: signed(uploaded(), label=UPLOAD_GRANT),
        lambda: altered(signed(uploaded())),
        lambda: OURS.sign(RECEIPT, b"\xff"),
        lambda: OURS.sign(RECEIPT, b""),
        upload_pb2.Signed,
        lambda: upload_pb2.Signed(content=uploaded().content, signature=bytes(64), identity_key=OURS.public_key),
    ],
)
def test_a_receipt_that_is_not_ours_does_not_count(forge: Callable[[], upload_pb2.Signed]) -> None:
    known = KnownReceipts(OURS)
    known.learn([forge()])
    assert [known.naming(URI, version) for version in ("v1", "v2")] == [None, None]


def test_receipts_of_other_outcomes_name_nothing() -> None:
    known = KnownReceipts(OURS)
    given: dict[str, Any] = {"grant": grant(), "sealed_sha256": bytes(32), "upstream_version": "v1"}
    started = make_receipt(**given, outcome=upload_pb2.OUTCOME_STARTED, prior_version="v1", intent=bytes(32))
    failed = make_receipt(**given, outcome=upload_pb2.OUTCOME_FAILED, reason=upload_pb2.REASON_CONFLICT)
    known.learn([signed(started), signed(failed)])
    assert known.naming(URI, "v1") is None


def test_a_former_identity_counts_through_our_own_rotations_alone(tmp_path: Path) -> None:
    former = store_identity.make(tmp_path, store="memory")
    now = store_identity.rotate(tmp_path, store="memory")
    receipt = uploaded()
    rotated, stranger = KnownReceipts(now), KnownReceipts(OURS)
    for known in (rotated, stranger):
        known.learn([signed(receipt, former)])
    assert rotated.naming(URI, "v1") == receipt
    assert stranger.naming(URI, "v1") is None


def test_a_receipt_without_fingerprints_hides_none() -> None:
    known, full = KnownReceipts(OURS), uploaded()
    known.learn([signed(full), signed(uploaded(fingerprints=False))])
    assert known.naming(URI, "v1") == full


def test_a_secret_keeps_its_newest_receipts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("monoskope.reactor.report.known_receipts._VERSIONS", 4)
    known = KnownReceipts(OURS)
    known.learn(signed(uploaded(f"v{number}")) for number in range(10))
    assert [known.naming(URI, f"v{number}") is not None for number in range(10)] == [False] * 6 + [True] * 4


def test_old_receipts_that_are_shown_again_do_not_push_out_newer_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("monoskope.reactor.report.known_receipts._VERSIONS", 4)
    known = KnownReceipts(OURS)
    receipts = [signed(uploaded(f"v{number}")) for number in range(5)]
    known.learn(receipts[:4])
    known.learn(receipts[:3])
    known.learn(receipts[4:])
    assert [known.naming(URI, f"v{number}") is not None for number in range(5)] == [False] + [True] * 4
    newest = known.newest(URI)
    assert newest is not None
    assert newest.upstream_version == "v4"


def test_all_secrets_together_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("monoskope.reactor.report.known_receipts.BYTES", 4_300)
    known = KnownReceipts(OURS)
    uris = [SecretUri.parse(f"memory://team-a/{number}") for number in range(5)]
    for uri in uris:
        known.learn([signed(uploaded("v1", uri=uri)), signed(uploaded("v2", uri=uri))])
    assert [known.naming(uri, "v2") is not None for uri in uris] == [False] * 2 + [True] * 3


def test_the_garbage_collector_looks_at_no_receipt() -> None:
    """It runs after each request, and holds the event loop as long as it takes to look at what there is."""
    known = KnownReceipts(OURS)
    receipts = of_others(600)
    gc.collect()
    before = len(gc.get_objects())
    for receipt in receipts:
        known.remember(receipt)
    gc.collect()
    assert len(gc.get_objects()) - before < 20


def test_40_000_secrets_have_room_in_32_mib_and_no_more_is_ever_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shown by an eighth of them in an eighth of the room: what is kept of each is the same."""
    assert known_receipts.BYTES == 32 * MIB
    monkeypatch.setattr(known_receipts, "BYTES", 4 * MIB)
    known, receipts = KnownReceipts(OURS), of_others(10_000)
    tracemalloc.start()
    try:
        for receipt in receipts[:5_000]:
            known.remember(receipt)
        assert known.naming(receipts[0].uri, "v1") is not None
        for receipt in receipts[5_000:]:
            known.remember(receipt)
        grown, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert grown <= 4 * MIB
    assert known.bytes_kept <= 4 * MIB
    assert known.naming(receipts[0].uri, "v1") is None


def test_what_is_forgotten_is_not_taken_for_what_did_not_happen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("monoskope.reactor.report.known_receipts.BYTES", 3_000)
    clock = Clock()
    known = KnownReceipts(OURS, lifetime_s=60, now=clock)
    born, other = clock.time, SecretUri.parse("memory://team-a/other")
    assert not known.learnt_after(URI, born)
    clock.time += 1
    known.remember(uploaded())
    for receipt in of_others(20):
        known.remember(receipt)
    assert known.naming(URI, "v1") is None
    assert known.learnt_after(URI, born)
    assert known.undeleted_after(URI, born)
    assert known.full_for == 60
    clock.time += 60
    assert known.full_for == 0
    assert not known.learnt_after(other, clock.time)
