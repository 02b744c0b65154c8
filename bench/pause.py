"""How long a collection of garbage holds a reactor's event loop, beside 40,000 known receipts and keys that wait.

It is a reactor's dispatcher in a process of its own, under the allocator that reactors run with:
`python -m bench.pause FOLDER` prints the milliseconds.
"""

from __future__ import annotations

import asyncio
import gc
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

import msgspec

from bench.fairness import new_request
from bench.progress import say
from monoskope import start
from monoskope.api.secrets.v1 import upload_pb2
from monoskope.protocol.grant import PUBLIC_KEY_BYTES, REPLICA_BYTES, make_grant
from monoskope.protocol.payload import Payload
from monoskope.protocol.receipt import Receipt, make_receipt
from monoskope.reactor.identity.fingerprint import FingerprintKey
from tests.support.reactor_requests import ask
from tests.unit.reactor.bench import Bench

RECEIPTS, KEYS = 40_000, 100
_COLLECTIONS = 21


def pause_ms(folder: Path) -> float:
    """Return the median milliseconds of a forced collection beside `RECEIPTS` known receipts."""
    command = [sys.executable, "-m", "bench.pause", str(folder)]
    ran = subprocess.run(command, env=start.overwriting(dict(os.environ)), capture_output=True, text=True, check=True)
    say(f"a collection of garbage beside {RECEIPTS:,} receipts and {KEYS} keys: {ran.stdout.strip()} ms")
    return float(ran.stdout)


async def _measured(folder: Path) -> float:
    reactor = Bench(folder)
    start.spare_what_is_here()
    reactor.attach()
    first = _receipt()
    for number in range(RECEIPTS):
        uri = msgspec.structs.replace(first.uri, path=("bench", f"service-{number}"))
        reactor.dispatcher.known.remember(msgspec.structs.replace(first, uri=uri))
    for _ in range(KEYS):
        await reactor.grant(ask())
    pauses = [_collected() for _ in range(_COLLECTIONS)]
    reactor.audit.close()
    return statistics.median(pauses) * 1_000


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


if __name__ == "__main__":
    print(asyncio.run(_measured(Path(sys.argv[1]))))
