"""A stand-in for m8 that speaks the real protocol to reactors, checks what it can, and misbehaves when told to."""

from __future__ import annotations

import asyncio
import datetime as dt
import hashlib
import ipaddress
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import grpc
import grpc.aio
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from google.protobuf.message import Message

from monoskope.api.eventsourcing.v1 import event_pb2
from monoskope.api.gateway.v1 import reactor_pb2, reactor_pb2_grpc
from monoskope.api.secrets.v1 import events_pb2, upload_pb2
from monoskope.protocol.grant import Grant, parse_grant
from monoskope.protocol.hello import Hello, open_hello
from monoskope.protocol.receipt import Receipt, parse_receipt
from monoskope.protocol.request import Request

CHALLENGE = bytes(range(32))
REFUSED = "not now, says m8"
Ending = (
    events_pb2.SecretUploaded
    | events_pb2.SecretCompared
    | events_pb2.SecretDeleted
    | events_pb2.SecretVerified
    | events_pb2.SecretDriftDetected
    | events_pb2.SecretImported
    | events_pb2.SecretUploadFailed
)

Context = grpc.aio.ServicerContext[reactor_pb2.AttachRequest, reactor_pb2.AttachResponse]


@dataclass
class Stream:
    """One request's events."""

    events: list[tuple[str, Message]] = field(default_factory=list)
    records: list[bytes] = field(default_factory=list)
    sealed: bytes = b""

    @property
    def ended(self) -> bool:
        return bool(self.events) and isinstance(self.events[-1][1], Ending)


@dataclass
class Misbehaviour:
    """What goes wrong next."""

    errors: deque[str] = field(default_factory=deque)
    """Codes with which the next appends are answered, without recording them."""
    break_after_append: int = 0
    """How many of the next appends are recorded and then never answered: the connection breaks."""
    break_before_append: int = 0
    """How many of the next appends are lost with the connection."""
    refuse_attach: int = 0
    """How many of the next logins are refused."""
    refusal: grpc.StatusCode = grpc.StatusCode.UNAVAILABLE
    """How they are refused."""
    silent: bool = False
    """Whether no challenge is sent."""


class StubM8(reactor_pb2_grpc.ReactorServiceServicer):
    """The reactors' door of a tiny m8 for one store."""

    def __init__(self, identity: str) -> None:
        self.identity = identity
        self.server = ""
        self.position = 0
        self.streams: dict[bytes, Stream] = {}
        self.attached: list[reactor_pb2.AttachReactor] = []
        self.hellos: list[Hello] = []
        self.replicas: list[bytes] = []
        self.extra_replicas: list[bytes] = []
        self.heartbeats = 0
        self.clean_ends = 0
        self.refused: list[tuple[str, str]] = []
        self.goes_wrong = Misbehaviour()
        self._outboxes: dict[bytes, asyncio.Queue[reactor_pb2.AttachResponse | None]] = {}
        self._changed = asyncio.Condition()

    async def Attach(  # noqa: N802 - the service's name
        self, request_iterator: AsyncIterator[reactor_pb2.AttachRequest], context: Context
    ) -> AsyncIterator[reactor_pb2.AttachResponse]:
        if self.goes_wrong.silent:
            await asyncio.sleep(3_600)
        yield reactor_pb2.AttachResponse(challenge=CHALLENGE)
        attach = (await anext(request_iterator)).attach
        hello = open_hello(attach.hello, identity=self.identity, challenge=CHALLENGE, servers=[self.server])
        if self.goes_wrong.refuse_attach:
            self.goes_wrong.refuse_attach -= 1
            await context.abort(self.goes_wrong.refusal, REFUSED)
        outbox: asyncio.Queue[reactor_pb2.AttachResponse | None] = asyncio.Queue()
        self.attached.append(attach)
        self.hellos.append(hello)
        self._outboxes[hello.replica] = outbox
        self.replicas = [*self._outboxes]
        self._attach(hello, outbox)
        reading = asyncio.create_task(self._read(request_iterator, outbox))
        await self.notify()
        try:
            while (answer := await outbox.get()) is not None:
                yield answer
        finally:
            reading.cancel()
            self._outboxes.pop(hello.replica, None)
            await self.notify()

    def _attach(self, hello: Hello, outbox: asyncio.Queue[reactor_pb2.AttachResponse | None]) -> None:
        outbox.put_nowait(
            reactor_pb2.AttachResponse(
                attached=reactor_pb2.Attached(
                    position=self.position,
                    replicas=[*self.replicas, *self.extra_replicas],
                    heartbeat_s=1,
                    caught_up_follows=True,
                )
            )
        )
        for stream in self.streams.values():
            if not stream.ended:
                for record in stream.records:
                    outbox.put_nowait(self._delivery(stream, record, hello.replica))
        outbox.put_nowait(reactor_pb2.AttachResponse(caught_up=reactor_pb2.CaughtUp()))

    def _delivery(self, stream: Stream, record: bytes, replica: bytes) -> reactor_pb2.AttachResponse:
        event = event_pb2.Event.FromString(record)
        grants = [message for _, message in stream.events if isinstance(message, events_pb2.SecretUploadKeyProvided)]
        issuer = parse_grant(grants[0].grant.content).replica if grants else b""
        sealed = stream.sealed if event.type == "SecretUploadRequested" and issuer == replica else b""
        return reactor_pb2.AttachResponse(delivery=reactor_pb2.Delivery(record=record, sealed=sealed))

    async def _read(
        self,
        requests: AsyncIterator[reactor_pb2.AttachRequest],
        outbox: asyncio.Queue[reactor_pb2.AttachResponse | None],
    ) -> None:
        async for request in requests:
            match request.WhichOneof("message"):
                case "append":
                    await self._append(request.append, outbox)
                case "heartbeat":
                    self.heartbeats += 1
                    await self.notify()
        self.clean_ends += 1
        outbox.put_nowait(None)

    async def _append(
        self, append: reactor_pb2.AppendEvent, outbox: asyncio.Queue[reactor_pb2.AttachResponse | None]
    ) -> None:
        name = append.WhichOneof("event")
        assert name is not None
        message: Message = getattr(append, name)
        stream = self.streams.get(append.request_id, Stream())
        if self.goes_wrong.break_before_append:
            self.goes_wrong.break_before_append -= 1
            outbox.put_nowait(None)
            return
        error = self.goes_wrong.errors.popleft() if self.goes_wrong.errors else ""
        if not error and (stream.ended or len(stream.events) != append.expected_version):
            error = "CONFLICT"
        if error:
            self.refused.append((type(message).__name__, error))
        else:
            self.record(append.request_id, message)
        if not error and self.goes_wrong.break_after_append:
            self.goes_wrong.break_after_append -= 1
            outbox.put_nowait(None)
        else:
            version = 0 if error else len(stream.events)
            appended = reactor_pb2.Appended(call=append.call, version=version, error=error)
            outbox.put_nowait(reactor_pb2.AttachResponse(appended=appended))
        await self.notify()

    def record(self, request_id: bytes, message: Message, *, sealed: bytes = b"") -> None:
        """Append an event and deliver it to everybody."""
        stream = self.streams.setdefault(request_id, Stream())
        self.position += 1
        stream.events.append((type(message).__name__, message))
        stream.sealed = sealed or stream.sealed
        stream.records.append(
            self._event(f"upload/{request_id.hex()}", len(stream.events), message).SerializeToString()
        )
        for replica, outbox in self._outboxes.items():
            outbox.put_nowait(self._delivery(stream, stream.records[-1], replica))

    def tell(self, message: Message) -> None:
        """Deliver an event of the stream of reactors."""
        self.position += 1
        record = self._event("reactor/memory", 1, message).SerializeToString()
        for outbox in self._outboxes.values():
            outbox.put_nowait(reactor_pb2.AttachResponse(delivery=reactor_pb2.Delivery(record=record)))

    def send(self, answer: reactor_pb2.AttachResponse) -> None:
        """Send anything at all to everybody."""
        for outbox in self._outboxes.values():
            outbox.put_nowait(answer)

    def _event(self, stream: str, version: int, message: Message) -> event_pb2.Event:
        return event_pb2.Event(
            position=self.position,
            stream=stream,
            version=version,
            type=type(message).__name__,
            recorded_at_ms=1,
            actor="m8",
            data=message.SerializeToString(deterministic=True),
            previous_hash=bytes(32),
        )

    def hang_up(self) -> None:
        """Break every connection."""
        for outbox in self._outboxes.values():
            outbox.put_nowait(None)

    def ask(self, request: Request, *, subject: str = "alice", last: upload_pb2.Signed | None = None) -> None:
        """Record a user's request for a key."""
        self.record(
            request.request_id,
            events_pb2.SecretUploadKeyRequested(request=request.content, subject=subject, last_receipt=last),
        )

    def upload(self, request_id: bytes, sealed: bytes, *, last: upload_pb2.Signed | None = None) -> None:
        """Record a user's sealed secret."""
        event = events_pb2.SecretUploadRequested(
            sealed_sha256=hashlib.sha256(sealed).digest(), size=len(sealed), last_receipt=last
        )
        self.record(request_id, event, sealed=sealed)

    async def notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    async def granted(self, request_id: bytes) -> Grant:
        """Wait for the grant of a request."""
        await self.until(lambda: len(self.streams[request_id].events) >= 2)
        kind, message = self.streams[request_id].events[1]
        assert isinstance(message, events_pb2.SecretUploadKeyProvided), kind
        return parse_grant(message.grant.content)

    async def ended(self, request_id: bytes) -> Receipt:
        """Wait for the end of a request and return its receipt."""
        await self.until(lambda: self.streams[request_id].ended)
        _, message = self.streams[request_id].events[-1]
        assert isinstance(message, Ending)
        return parse_receipt(message.receipt.content)

    def kinds(self, request_id: bytes) -> list[str]:
        """Return the names of a request's events."""
        return [kind for kind, _ in self.streams[request_id].events]

    async def until(self, holds: object) -> None:
        """Wait until `holds()`; fails the test after ten seconds."""
        assert callable(holds)
        async with asyncio.timeout(10), self._changed:
            await self._changed.wait_for(holds)


@asynccontextmanager
async def serving(identity: str, folder: Path) -> AsyncIterator[StubM8]:
    """Serve a stub over TLS; its certificate is `folder`/ca.crt, its address `stub.server`."""
    stub = StubM8(identity)
    key, certificate = _certificate()
    (folder / "ca.crt").write_bytes(certificate)
    server = grpc.aio.server()
    reactor_pb2_grpc.add_ReactorServiceServicer_to_server(stub, server)
    port = server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials([(key, certificate)]))
    stub.server = f"localhost:{port}"
    await server.start()
    try:
        yield stub
    finally:
        await server.stop(0)


def _certificate() -> tuple[bytes, bytes]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    names = x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(minutes=1))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(names, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return private, certificate.public_bytes(serialization.Encoding.PEM)
