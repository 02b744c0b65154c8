"""A reactor that speaks the protocol by script: it says what a test wants it to say."""

from __future__ import annotations

import asyncio
import hashlib
import os
import ssl
from dataclasses import dataclass
from typing import Any, Protocol

from google.protobuf.message import Message

from monoskope.api.eventsourcing.v1 import event_pb2
from monoskope.api.gateway.v1 import reactor_pb2
from monoskope.api.secrets.v1 import events_pb2, upload_pb2
from monoskope.host_port import HostPort
from monoskope.protocol.grant import Grant, make_grant
from monoskope.protocol.hello import Hello
from monoskope.protocol.identity import REACTOR_HELLO, RECEIPT, UPLOAD_GRANT
from monoskope.protocol.receipt import make_receipt
from monoskope.protocol.request import Request, parse_request
from tests.support.http_calls import CallError
from tests.support.m8_user import PATIENCE_S
from tests.support.vectors import KEY_ID
from tests.support.websocket_call import WebSocketCall

SERVER = "m8.test:7443"
Appends = (
    events_pb2.SecretUploadKeyProvided
    | events_pb2.SecretUploadStarted
    | events_pb2.SecretUploaded
    | events_pb2.SecretCompared
    | events_pb2.SecretDeleted
    | events_pb2.SecretVerified
    | events_pb2.SecretDriftDetected
    | events_pb2.SecretImported
    | events_pb2.SecretCopied
    | events_pb2.SecretsListed
    | events_pb2.SecretUploadFailed
)
FIELDS = {
    "SecretUploadKeyProvided": "key_provided",
    "SecretUploadStarted": "started",
    "SecretUploaded": "uploaded",
    "SecretCompared": "compared",
    "SecretDeleted": "deleted",
    "SecretVerified": "verified",
    "SecretDriftDetected": "drift_detected",
    "SecretImported": "imported",
    "SecretCopied": "copied",
    "SecretsListed": "listed",
    "SecretUploadFailed": "failed",
}


def fingerprint(digit: str = "a", key_id: str = KEY_ID) -> str:
    return f"fp1:{key_id}:{digit * 64}"


@dataclass
class Delivered:
    """What m8 delivered to a reactor."""

    event: event_pb2.Event
    sealed: bytes


class Signs(Protocol):
    """Whoever signs as a store's identity: a `Signer`, or a reactor's own."""

    def sign(self, label: bytes, content: bytes, /) -> upload_pb2.Signed: ...


class FakeReactor:
    """One replica: says what the test wants it to say."""

    def __init__(
        self,
        address: str,
        signer: Signs,
        *,
        store: str = "vault",
        replica: bytes | None = None,
        server: str = SERVER,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.signer = signer
        self.store = store
        self.replica = replica or os.urandom(16)
        self.server = server
        self.key_id = KEY_ID
        self.call = WebSocketCall(HostPort.parse(address), tls=tls)
        self.delivered: asyncio.Queue[Delivered] = asyncio.Queue()
        self.answers: dict[int, asyncio.Future[Any]] = {}
        self.calls = 0
        self._reader: asyncio.Task[None] | None = None
        self.challenge = b""

    async def open(self) -> None:
        self.challenge = (await self._read()).challenge

    async def _read(self) -> reactor_pb2.AttachResponse:
        message = await self.call.read()
        if not isinstance(message, reactor_pb2.AttachResponse):
            raise await self.failure()
        return message

    async def failure(self) -> CallError:
        """The error with which m8 ended the session."""
        end = await self.call.end()
        assert end is not None, "m8 gave no error"
        return end

    def hello(self, **changes: Any) -> Hello:
        fields = {
            "server": self.server,
            "store": self.store,
            "replica": self.replica,
            "challenge": self.challenge,
            "fingerprint_key_id": self.key_id,
        }
        return Hello(**{**fields, **changes})

    def login(self, hello: Hello | None = None, *, kind: str = "vault") -> reactor_pb2.AttachReactor:
        return reactor_pb2.AttachReactor(
            hello=self.signer.sign(REACTOR_HELLO, (hello or self.hello()).serialise()),
            type=kind,
            capabilities=events_pb2.StoreCapabilities(max_plaintext=131_072, check_and_set=True, readable=True),
        )

    async def attach(self, login: reactor_pb2.AttachReactor | None = None) -> reactor_pb2.Attached:
        """Log in. Raises `CallError`."""
        if not self.challenge:
            await self.open()
        await self.call.write(reactor_pb2.AttachRequest(attach=login or self.login()))
        attached = (await self._read()).attached
        self._reader = asyncio.create_task(self._sort())
        return attached

    async def look(self, hello: upload_pb2.Signed | None = None, *, size: int = 0) -> reactor_pb2.StoreLook:
        """Look how the store stands. Raises `CallError`."""
        if not self.challenge:
            await self.open()
        asked = reactor_pb2.LookAtStore(hello=hello or self.login().hello, size=size)
        await self.call.write(reactor_pb2.AttachRequest(look=asked))
        return (await self._read()).look

    async def _sort(self) -> None:
        while True:
            message = await self.call.read()
            if not isinstance(message, reactor_pb2.AttachResponse):
                return
            if message.HasField("delivery"):
                event = event_pb2.Event.FromString(message.delivery.record)
                self.delivered.put_nowait(Delivered(event, message.delivery.sealed))
            elif not message.HasField("caught_up"):
                kind = message.WhichOneof("message")
                answer = message.copy_authorized if kind == "copy_authorized" else message.appended
                self.answers[answer.call].set_result(answer)

    async def next(self, kind: str) -> Delivered:
        """The next delivery of that type; others before it are passed over."""
        async with asyncio.timeout(PATIENCE_S):
            while (delivered := await self.delivered.get()).event.type != kind:
                pass
            return delivered

    async def append(self, request_id: bytes, version: int, event: Appends) -> reactor_pb2.Appended:
        self.calls += 1
        answer: asyncio.Future[reactor_pb2.Appended] = asyncio.get_running_loop().create_future()
        self.answers[self.calls] = answer
        append = reactor_pb2.AppendEvent(call=self.calls, request_id=request_id, expected_version=version)
        getattr(append, FIELDS[event.DESCRIPTOR.name]).CopyFrom(event)
        await self.call.write(reactor_pb2.AttachRequest(append=append))
        async with asyncio.timeout(PATIENCE_S):
            return await answer

    async def beat(self, heartbeat: reactor_pb2.Heartbeat | None = None) -> None:
        await self.call.write(reactor_pb2.AttachRequest(heartbeat=heartbeat or reactor_pb2.Heartbeat()))

    async def half_close(self) -> None:
        await self.call.done_writing()
        assert await self.call.end() is None

    async def leave(self) -> None:
        self.call.cancel()
        if self._reader is not None:
            self._reader.cancel()
            await asyncio.gather(self._reader, return_exceptions=True)

    def grant_for(self, request: Request, subject: str, **changes: Any) -> Grant:
        fields = {
            "request": request,
            "subject": subject,
            "public_key": os.urandom(1216),
            "replica": self.replica,
            "lifetime_s": 300,
            "max_plaintext": 131_072,
            "fingerprint_key_id": self.key_id,
        }
        return make_grant(**{**fields, **changes})

    def provided(self, grant: Grant) -> events_pb2.SecretUploadKeyProvided:
        return events_pb2.SecretUploadKeyProvided(grant=self.signer.sign(UPLOAD_GRANT, grant.content))

    def receipt(self, grant: Grant, sealed: bytes, outcome: upload_pb2.Outcome, **fields: Any) -> upload_pb2.Signed:
        content = make_receipt(grant=grant, sealed_sha256=sealed, outcome=outcome, **fields).content
        return self.signer.sign(RECEIPT, content)

    def started(self, grant: Grant, sealed: bytes, prior: str = "") -> events_pb2.SecretUploadStarted:
        receipt = self.receipt(
            grant, sealed, upload_pb2.OUTCOME_STARTED, upstream_version=prior, prior_version=prior, intent=b"i" * 32
        )
        return events_pb2.SecretUploadStarted(receipt=receipt)

    def uploaded(
        self, grant: Grant, sealed: bytes, version: str = "1", *, prior: str = "", key_id: str = KEY_ID
    ) -> events_pb2.SecretUploaded:
        receipt = self.receipt(
            grant,
            sealed,
            upload_pb2.OUTCOME_UPLOADED,
            upstream_version=version,
            prior_version=prior,
            fingerprint=fingerprint("a", key_id),
            values=[("password", fingerprint("b", key_id))],
        )
        return events_pb2.SecretUploaded(receipt=receipt)

    def failed(self, grant: Grant, sealed: bytes, reason: upload_pb2.Reason) -> events_pb2.SecretUploadFailed:
        receipt = self.receipt(grant, sealed, upload_pb2.OUTCOME_FAILED, reason=reason)
        return events_pb2.SecretUploadFailed(reason=reason, receipt=receipt)

    async def give_key(self, **changes: Any) -> tuple[bytes, Grant]:
        """Answer the next request with a grant, in which `changes` are other than usual."""
        delivered = await self.next("SecretUploadKeyRequested")
        asked = events_pb2.SecretUploadKeyRequested.FromString(delivered.event.data)
        request = parse_request(asked.request)
        grant = self.grant_for(request, asked.subject, **changes)
        answer = await self.append(request.request_id, 1, self.provided(grant))
        assert answer.error == "", answer.message
        return request.request_id, grant

    async def write(self, grant: Grant, version: str = "1", *, prior: str = "") -> None:
        """Take the next sealed secret of `grant` and say that it is upstream as `version`."""
        delivered = await self.next("SecretUploadRequested")
        request_id, digest = grant.request.request_id, hashlib.sha256(delivered.sealed).digest()
        steps: tuple[Appends, ...] = (
            self.started(grant, digest, prior),
            self.uploaded(grant, digest, version, prior=prior),
        )
        for at, event in enumerate(steps, start=3):
            answer = await self.append(request_id, at, event)
            assert answer.error == "", answer.message


def content(delivered: Delivered, kind: type[Message]) -> Any:
    """What a delivered event says."""
    return kind.FromString(delivered.event.data)
