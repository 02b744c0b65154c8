"""A whole reactor in this process, walked by a user through a real m8."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from msgspec.structs import replace

from monoskope.api.gateway.v1 import views_pb2
from monoskope.protocol.grant import Grant
from monoskope.protocol.payload import Payload, encode
from monoskope.protocol.request import Request
from monoskope.reactor.identity.fingerprint import FingerprintKey
from monoskope.reactor.identity.store_identity import Identity
from monoskope.reactor.report.audit_log import AuditFile
from monoskope.reactor.run import Reactor
from monoskope.reactor.settings import ReactorLimits
from monoskope.reactor.timings import Timings
from monoskope.stores.driver import StoreDriver
from monoskope.uri import SecretUri
from tests.support.memory_store import MemoryStore
from tests.support.reactor_requests import SECRET, ask, seal
from tests.support.reactor_world import FAST, PATIENCE_S, SEED, K, settings
from tests.support.real_m8 import RealM8

IDENTITY = Identity(SEED, store="memory")
OTHER = SecretUri.parse("memory://team-a/other")
PATIENT = replace(FAST, write_window=PATIENCE_S, connect=PATIENCE_S, drain=PATIENCE_S)
"""Nothing here waits until one of these is over, and a busy machine must not run into them."""


@asynccontextmanager
async def running(
    m8: RealM8,
    folder: Path,
    store: StoreDriver,
    *,
    identity: Identity = IDENTITY,
    limits: ReactorLimits | None = None,
    timings: Timings = PATIENT,
) -> AsyncIterator[tuple[Reactor, asyncio.Event]]:
    of = settings(folder, server=m8.server, limits=limits)
    audit = AuditFile(folder / "audit.jsonl")
    reactor = Reactor(of, store, identity, FingerprintKey(K), audit, timings=timings)
    stop = asyncio.Event()
    task = asyncio.create_task(reactor.run(stop))
    try:
        yield reactor, stop
    finally:
        stop.set()
        await task
        audit.close()


def sealed(grant: Grant) -> bytes:
    return seal(grant, encode(Payload(SECRET)))


async def upload(m8: RealM8, request: Request | None = None) -> views_pb2.SecretUpload:
    """Walk one request as a client would, and return its end."""
    request = request or ask()
    await m8.attached()
    await m8.ask(request)
    grant = await m8.granted(request.request_id)
    m8.send(request.request_id, b"" if not request.rules.seals else sealed(grant))
    return await m8.ended(request.request_id)


class SlowStore(MemoryStore):
    gate: asyncio.Event

    async def write(
        self,
        path: tuple[str, ...],
        payload: Payload,
        *,
        replacing: str | None,
        write_tag: str,
        options: object | None = None,
    ) -> str:
        await self.gate.wait()
        return await super().write(path, payload, replacing=replacing, write_tag=write_tag, options=options)
