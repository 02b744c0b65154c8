"""A reactor's dispatcher, fed by hand."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from google.protobuf.message import Message

from monoskope.api.eventsourcing.v1 import event_pb2
from monoskope.api.gateway.v1 import reactor_pb2
from monoskope.api.secrets.v1 import events_pb2
from monoskope.protocol.request import Request
from monoskope.reactor.dispatch import Dispatcher
from monoskope.reactor.identity.fingerprint import FingerprintKey
from monoskope.reactor.identity.store_identity import Identity
from monoskope.reactor.report.audit_log import AuditFile
from monoskope.reactor.run import Reactor
from monoskope.reactor.signers.settings import SignersFile
from monoskope.reactor.timings import Timings
from tests.support.memory_store import MemoryStore
from tests.support.reactor_world import FAST, PATIENCE_S, SEED, Clock, K, settings


class Bench:
    """A reactor's dispatcher, fed by hand."""

    def __init__(self, folder: Path, timings: Timings = FAST, *, file: SignersFile | None = None) -> None:
        self.audit = AuditFile(folder / "audit.jsonl")
        identity = Identity(SEED, store="memory")
        self.reactor = Reactor(
            replace(settings(folder), signers=file),
            MemoryStore(),
            identity,
            FingerprintKey(K),
            self.audit,
            timings=timings,
        )
        self.dispatcher: Dispatcher = self.reactor.dispatcher
        self.clock = self.dispatcher.now = Clock()
        self.sent: list[reactor_pb2.AttachRequest] = []
        self.position = 0

    def attach(
        self, *unfinished: tuple[Request, list[Message]], others: Sequence[bytes] = (), approvals: bool = True
    ) -> None:
        """Begin a session in which these requests are told as unfinished, and these other replicas as attached."""
        self.dispatcher.attached([self.reactor.replica, *others], approvals=approvals)
        for request, messages in unfinished:
            for version, message in enumerate(messages, start=1):
                self.tell(request, version, message)
        self.dispatcher.caught_up()
        self.reactor.appends.connected(self.sent.append)

    def tell(self, request: Request, version: int, message: Message, *, sealed: bytes = b"") -> None:
        self.position += 1
        event = event_pb2.Event(
            position=self.position,
            stream=f"upload/{request.request_id.hex()}",
            version=version,
            type=type(message).__name__,
            data=message.SerializeToString(),
        )
        self.dispatcher.event(event, sealed)

    async def grant(self, request: Request) -> events_pb2.SecretUploadKeyProvided:
        """Let `request` be granted, and the grant be recorded."""
        self.tell(request, 1, asked(request))
        append = await self.next()
        self.tell(request, 2, append.key_provided)
        await self.settled()
        return append.key_provided

    async def next(self) -> reactor_pb2.AppendEvent:
        """Return the next append that the reactor sends."""
        async with asyncio.timeout(PATIENCE_S):
            while not self.sent:
                await asyncio.sleep(0)
        return self.sent.pop(0).append

    async def settled(self) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while self.dispatcher._tasks:
                await asyncio.sleep(0)


def asked(request: Request) -> events_pb2.SecretUploadKeyRequested:
    return events_pb2.SecretUploadKeyRequested(request=request.content, subject="alice")
