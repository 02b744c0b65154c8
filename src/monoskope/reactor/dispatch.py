"""What a reactor does about each event: grant, handle, give up, recover. Each request has a task of its own."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from google.protobuf.message import DecodeError

from monoskope import operating_log
from monoskope.api.eventsourcing.v1 import event_pb2
from monoskope.api.secrets.v1 import events_pb2, upload_pb2
from monoskope.protocol.events import ReactorEvent, request_id_of
from monoskope.protocol.outcomes import State
from monoskope.reactor.admission import SignatureGate
from monoskope.reactor.grant import Granter
from monoskope.reactor.keys import GrantedKey, OneTimeKeys
from monoskope.reactor.link.appends import Appends
from monoskope.reactor.link.open_requests import OpenRequest, OpenRequests
from monoskope.reactor.memory import Garbage, forget
from monoskope.reactor.reasons import Failure
from monoskope.reactor.report.known_receipts import KnownReceipts, newest_receipt
from monoskope.reactor.report.reporter import Reporter
from monoskope.reactor.work.delivery import DeliveredRequest
from monoskope.reactor.work.handle import Handler
from monoskope.reactor.work.lookup import failed
from monoskope.reactor.work.recover import Recovery, own_grant

MOST_SEALED = 64 * 1_048_576
"""Sealed bytes that wait for their turn, or have it, at most. Further requests end as RATE_LIMITED."""


@dataclass(slots=True)
class Dispatcher:
    """Turns what m8 delivers into work. Everything runs on one event loop."""

    requests: OpenRequests
    known: KnownReceipts
    keys: OneTimeKeys
    appends: Appends
    granter: Granter
    handler: Handler
    recovery: Recovery
    reporter: Reporter
    gate: SignatureGate = field(default_factory=SignatureGate)
    garbage: Garbage = field(default_factory=Garbage)
    now: Callable[[], float] = time.monotonic
    _tasks: dict[bytes, asyncio.Task[bool]] = field(default_factory=dict)
    _waiting: dict[bytes, int] = field(default_factory=dict)
    """How many sealed bytes are kept for each request that waits for its turn, or has it."""
    _delivered: set[bytes] | None = None
    """The requests delivered since the session began, while m8 still delivers the unfinished ones."""
    _stopping: bool = False
    """No new key is given."""
    _drained: bool = False
    """Nothing is begun any more."""
    _moved: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when a request moves on."""
    _orphans: dict[bytes, float] = field(default_factory=dict)
    """When each key of this process was first found to belong to no unfinished request, by request id."""

    def attached(self, replicas: list[bytes], *, approvals: bool = False) -> None:
        """A session begins: m8 will deliver every unfinished request anew; and approvals, if it says so."""
        self.granter.admission.approvals_come = approvals
        self.recovery.presence.attached(replicas)
        self._delivered = set()

    def event(self, event: event_pb2.Event, sealed: bytes) -> None:
        """Take in one delivery."""
        self.appends.delivered(event)
        self._note_presence(event)
        kept = sealed if self._has_room(event.stream, len(sealed)) else b""
        request = self.requests.apply(event, kept, now=self.now())
        self._moved.set()
        if request is None:
            return
        if sealed and not kept:
            request.is_crowded = hashlib.sha256(sealed).digest() == request.sealed_sha256
        self.known.learn(request.news())
        if self._delivered is not None:
            if request.state is not State.ENDED:
                self._delivered.add(request.request_id)
        else:
            self._act(request)

    def _has_room(self, stream: str, size: int) -> bool:
        """Whether sealed bytes for the request of `stream` are kept: if this process has its key, and room for them."""
        request_id = request_id_of(stream)
        if not size or request_id is None or self.keys.granted(request_id) is None:
            return False
        self._waiting = {
            one: held
            for one, held in self._waiting.items()
            if one in self._tasks or ((request := self.requests.get(one)) is not None and request.sealed)
        }
        if sum(self._waiting.values()) - self._waiting.get(request_id, 0) + size > MOST_SEALED:
            return False
        self._waiting[request_id] = size
        return True

    def recorded(self, request_id: bytes, version: int, event: ReactorEvent) -> None:
        """Take in an event of ours that m8 recorded: it delivers it to the other replicas alone."""
        self.requests.appended(request_id, version, event, now=self.now())

    def caught_up(self) -> None:
        """m8 has delivered every unfinished request: the others have ended while we were away."""
        if self._delivered is None:
            return
        self.requests.keep_only(self._delivered)
        self._delivered = None
        for request in self.requests:
            self._act(request)

    def tick(self) -> None:
        """Look for keys whose lifetime is over and requests whose issuer is gone."""
        self.keys.sweep()
        if self._delivered is not None or self._stopping:
            return
        self._forget_orphans()
        needed: set[bytes] = set()
        for request in self.requests:
            if request.request_id in self._tasks:
                continue
            grant = self.recovery.abandoned(request, keeps_key=self.keys.granted(request.request_id) is not None)
            if grant is not None:
                self._begin(request, self.recovery.end(request, grant))
            elif (known := own_grant(request, self.recovery.identity)) is not None:
                needed.add(known.replica)
        self.recovery.presence.prune(needed)

    @property
    def is_stopping(self) -> bool:
        """Whether no new key is given, because the process stops."""
        return self._stopping

    async def drain(self, seconds: float) -> None:
        """Stop within `seconds`: make no new key, and finish the requests that have one.

        A client with a key has sealed a secret for it, or is about to. If the key disappeared without a receipt, the
        client could not know whether its secret was written.
        """
        self._stopping = True
        loop = asyncio.get_running_loop()
        ends_at = loop.time() + seconds
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(min(seconds, self.recovery.timings.linger)):
                while self._awaited() or self._tasks:
                    self._moved.clear()
                    await self._moved.wait()
        self._drained = True
        for request, key in self._awaited():
            self.keys.forget(request.request_id)
            lost = failed(key.grant, b"", Failure(upload_pb2.REASON_KEY_LOST), replica=key.grant.replica)
            self._begin(request, self.reporter.end(key.grant, lost, request.version))
        if self._tasks:
            await asyncio.wait(list(self._tasks.values()), timeout=max(0.0, ends_at - loop.time()))
        self.keys.clear()
        for task in self._tasks.values():
            task.cancel()

    def _awaited(self) -> list[tuple[OpenRequest, GrantedKey]]:
        """Return the requests that have a key of ours and for which nothing was sealed yet."""
        return [
            (request, key)
            for request in self.requests
            if request.state is State.GRANTED
            and request.request_id not in self._tasks
            and (key := self.keys.granted(request.request_id)) is not None
        ]

    def _act(self, request: OpenRequest) -> None:
        if self._drained or request.request_id in self._tasks:
            return
        match request.state:
            case State.REQUESTED if not self._stopping:
                self._begin(request, self.granter.grant(request))
            case State.GRANTED:
                self._yield_to_winner(request)
            case State.UPLOADING:
                self._handle(request)
            case State.ENDED:
                self.keys.forget(request.request_id)
            case _:
                pass

    def _yield_to_winner(self, request: OpenRequest) -> None:
        """Erase our key if another replica's grant counts; a grant that proves nothing changes nothing."""
        key = self.keys.granted(request.request_id)
        if key is None or request.grant is None or request.grant.content == key.grant.content:
            return
        if own_grant(request, self.recovery.identity) is not None:
            self.keys.forget(request.request_id)

    def _handle(self, request: OpenRequest) -> None:
        self._yield_to_winner(request)
        key, sealed = self.keys.granted(request.request_id), request.take_sealed()
        if key is not None and request.is_crowded:
            self.keys.forget(request.request_id)
            limited = Failure(upload_pb2.REASON_RATE_LIMITED, retry_after_s=1)
            crowded = failed(key.grant, request.sealed_sha256, limited, replica=key.grant.replica)
            self._begin(request, self.reporter.end(key.grant, crowded, request.version))
        elif key is not None:
            shown = () if request.receipt is None else (request.receipt,)
            newest = newest_receipt(shown, self.recovery.identity, key.grant.request.uri)
            delivered = DeliveredRequest.from_bytes(
                key,
                sealed,
                request.sealed_sha256,
                request.version,
                signature=request.signature,
                presented=request.presented,
                newest=newest,
                traceparent=request.traceparent,
            )
            self._begin(request, self.handler.handle(delivered))

    def _forget_orphans(self) -> None:
        """Erase the keys of requests that ended while we were away, after some seconds: m8 may deliver them late."""
        now, spare = self.now(), self.recovery.timings.issuer_gone
        busy = self._tasks.keys()
        orphans = [one for one in self.keys.request_ids() if self.requests.get(one) is None and one not in busy]
        self._orphans = {one: self._orphans.get(one, now) for one in orphans}
        for one, since in self._orphans.items():
            if now - since >= spare:
                self.keys.forget(one)

    def _note_presence(self, event: event_pb2.Event) -> None:
        presence = self.recovery.presence
        try:
            match event.type:
                case "ReactorAttached":
                    presence.came(events_pb2.ReactorAttached.FromString(event.data).replica)
                case "ReactorDetached":
                    presence.went(events_pb2.ReactorDetached.FromString(event.data).replica)
                case _:
                    pass
        except DecodeError:
            operating_log.get().warning("event does not parse", type=event.type)

    def _begin(self, request: OpenRequest, work: Coroutine[Any, Any, bool]) -> None:
        task = asyncio.create_task(work)
        self._tasks[request.request_id] = task
        task.add_done_callback(lambda ended: self._ended(request.request_id, ended))

    def _ended(self, request_id: bytes, task: asyncio.Task[bool]) -> None:
        del self._tasks[request_id]
        self._moved.set()
        if not task.cancelled() and (error := task.exception()) is not None:
            operating_log.error("request stopped", error, request_id=request_id.hex())
            forget(error)
        self.garbage.collect_soon()
        request = self.requests.get(request_id)
        if request is None:
            self.keys.forget(request_id)
        elif self._delivered is None and request.state in {State.GRANTED, State.UPLOADING}:
            self._act(request)  # What arrived while the task ran.
