"""Reactors that follow the protocol and write nowhere, one for each store."""

from __future__ import annotations

import asyncio
import hashlib
import ssl
from typing import Any

from monoskope.api.secrets.v1 import events_pb2
from monoskope.protocol.events import request_id_of
from monoskope.protocol.grant import Grant
from monoskope.protocol.request import parse_request
from tests.load.plan import Plan
from tests.support.fake_reactor import Delivered, FakeReactor
from tests.support.vectors import Signer

BEAT_S = 3.0


class LoadReactor(FakeReactor):
    """Grants every key and says of everything that it was written."""

    def __init__(self, plan: Plan, signer: Signer, store: str) -> None:
        server = plan.server
        tls = ssl.create_default_context(cafile=plan.ca_file)
        super().__init__(server, signer, store=store, server=server, tls=tls)
        self.troubles: list[str] = []
        self._grants: dict[bytes, Grant] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def is_attached(self) -> bool:
        return self._reader is not None and not self._reader.done()

    async def serve(self) -> None:
        self._spawn(self._beat())
        while True:
            self._spawn(self._take(await self.delivered.get()))

    def _spawn(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.troubles.append(f"{type(error).__name__}: {error}"[:200])

    async def _beat(self) -> None:
        while True:
            await self.beat()
            await asyncio.sleep(BEAT_S)

    async def _take(self, delivered: Delivered) -> None:
        if delivered.event.type == "SecretUploadKeyRequested":
            asked = events_pb2.SecretUploadKeyRequested.FromString(delivered.event.data)
            request = parse_request(asked.request)
            grant = self._grants[request.request_id] = self.grant_for(request, asked.subject)
            await self._append(request.request_id, 1, self.provided(grant))
        elif delivered.event.type == "SecretUploadRequested":
            request_id = request_id_of(delivered.event.stream) or b""
            grant, digest = self._grants.pop(request_id), hashlib.sha256(delivered.sealed).digest()
            await self._append(request_id, 3, self.started(grant, digest))
            await self._append(request_id, 4, self.uploaded(grant, digest))

    async def _append(self, request_id: bytes, version: int, event: Any) -> None:
        answer = await self.append(request_id, version, event)
        if answer.error:
            self.troubles.append(f"{answer.error}: {answer.message}"[:200])


async def attach(plan: Plan, signers: dict[str, Signer]) -> list[LoadReactor]:
    reactors = []
    for store, signer in signers.items():
        # One after another: m8 waits 5 s for a login, and each begins when its object is made.
        reactor = LoadReactor(plan, signer, store)
        await reactor.attach()
        reactors.append(reactor)
    return reactors
