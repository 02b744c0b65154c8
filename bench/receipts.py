"""What the receipts that a reactor knows cost it: how long a collection of garbage holds its event loop."""

from __future__ import annotations

import gc
import os
import statistics
import time

import msgspec

from bench.progress import say
from bench.waiting import new_request
from monoskope import start
from monoskope.api.secrets.v1 import upload_pb2
from monoskope.protocol.grant import PUBLIC_KEY_BYTES, REPLICA_BYTES, make_grant
from monoskope.protocol.payload import Payload
from monoskope.protocol.receipt import Receipt, make_receipt
from monoskope.reactor.identity.fingerprint import FingerprintKey
from monoskope.reactor.identity.store_identity import Identity
from monoskope.reactor.report.known_receipts import KnownReceipts

RECEIPTS = 40_000
_COLLECTIONS = 21


def gc_pause_ms() -> float:
    """Return the median milliseconds of a forced collection beside `RECEIPTS` known receipts."""
    start.spare_what_is_here()
    try:
        known = KnownReceipts(Identity(bytes(32), store="vault"))
        first = _receipt()
        for number in range(RECEIPTS):
            uri = msgspec.structs.replace(first.uri, path=("bench", f"service-{number}"))
            known.remember(msgspec.structs.replace(first, uri=uri))
        pauses = [_collected() for _ in range(_COLLECTIONS)]
    finally:
        gc.unfreeze()
    pause = statistics.median(pauses) * 1_000
    say(f"a collection of garbage beside {RECEIPTS:,} receipts: {pause:.3f} ms; they take {known.bytes_kept >> 20} MiB")
    return pause


def _collected() -> float:
    began = time.perf_counter()
    gc.collect()
    return time.perf_counter() - began


def _receipt() -> Receipt:
    key = FingerprintKey(os.urandom(32))
    found = key.fingerprints(Payload({"password": b"p", "user": b"u"}))
    grant = make_grant(
        request=new_request("bench/service"),
        subject="bench",
        public_key=bytes(PUBLIC_KEY_BYTES),
        replica=bytes(REPLICA_BYTES),
        lifetime_s=60,
        max_plaintext=131_072,
        fingerprint_key_id=key.key_id,
    )
    return make_receipt(
        grant=grant,
        sealed_sha256=bytes(32),
        outcome=upload_pb2.OUTCOME_UPLOADED,
        upstream_version="1@2026-01-01T00:00:00.000000000Z",
        fingerprint=found.whole,
        values=found.values,
    )
