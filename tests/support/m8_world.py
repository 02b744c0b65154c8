"""A real m8 on a real log and a real port, its users, and a reactor that speaks the protocol by script."""

from __future__ import annotations

import asyncio
import hashlib
import os
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol, Self

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from google.protobuf.message import Message

from monoskope.api.eventsourcing.v1 import event_pb2
from monoskope.api.gateway.v1 import access_pb2, commands_pb2, queries_pb2, reactor_pb2, views_pb2
from monoskope.api.secrets.v1 import events_pb2, options_pb2, upload_pb2
from monoskope.errors import UnauthenticatedError
from monoskope.host_port import HostPort
from monoskope.m8.credentials.tokens import Tokens
from monoskope.m8.domain.aggregates import ROLE_BINDINGS
from monoskope.m8.domain.principal import Principal
from monoskope.m8.http.server import build_http, running
from monoskope.m8.limits.settings import ServerLimits
from monoskope.m8.log.event_log import EventLog
from monoskope.m8.log.sqlite import SqliteLog
from monoskope.m8.operations import Endpoints
from monoskope.m8.readmodels.documents import project
from monoskope.m8.service.app import App
from monoskope.protocol.grant import Grant, make_grant
from monoskope.protocol.hello import Hello
from monoskope.protocol.identity import REACTOR_HELLO, RECEIPT, UPLOAD_GRANT
from monoskope.protocol.login import Member
from monoskope.protocol.receipt import make_receipt
from monoskope.protocol.request import Request, parse_request
from monoskope.uri import UriPrefix
from tests.support.http_calls import Call, CallError, Headers, Stream, hang_up
from tests.support.vectors import KEY_ID, Signer, a_request
from tests.support.websocket_call import WebSocketCall

SERVER = "m8.test:7443"
PAGE = "https://app.example.com"
"""The origin of the pages that may call over HTTP."""
RIGHTS = frozenset({events_pb2.RIGHT_PUT, events_pb2.RIGHT_COMPARE, events_pb2.RIGHT_SEE_HASH})
PATIENCE_S = 60.0

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


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.now_ms = 1_700_000_000_000

    def __call__(self) -> int:
        return self.now_ms

    def pass_s(self, seconds: float) -> None:
        self.now_ms += int(seconds * 1000)


def fingerprint(digit: str = "a", key_id: str = KEY_ID) -> str:
    return f"fp1:{key_id}:{digit * 64}"


@dataclass
class Sealed:
    """Bytes that m8 cannot tell from a sealed secret."""

    encapsulated_key: bytes = field(default_factory=lambda: os.urandom(1120))
    ciphertext: bytes = field(default_factory=lambda: os.urandom(512 + 16))

    @property
    def sha256(self) -> bytes:
        return hashlib.sha256(self.encapsulated_key + self.ciphertext).digest()


class HasSealed(Protocol):
    """Sealed bytes, of a client or of a test."""

    @property
    def encapsulated_key(self) -> bytes: ...

    @property
    def ciphertext(self) -> bytes: ...


class User:
    """One caller, who shows `token`; a stranger without one."""

    def __init__(self, address: str, token: str = "", *, tls: ssl.SSLContext | None = None) -> None:
        self.address = address
        self.tls = tls
        self.headers: Headers = (("authorization", f"Bearer {token}"),) if token else ()

    @property
    def token(self) -> str:
        return self.headers[0][1].removeprefix("Bearer ")

    async def call(self, message: Message, *, timeout_s: float | None = None) -> Any:
        """Call the method of a request. Raises `CallError`."""
        return await Call(self.address, message, self.headers, timeout_s, tls=self.tls).answer()

    def stream(self, message: Message) -> Stream:
        """Call a method that answers with a stream."""
        return Call(self.address, message, self.headers, tls=self.tls).stream()

    def watch(self, **fields: Any) -> Stream:
        return self.stream(queries_pb2.WatchEventsRequest(**fields))

    async def bind(self, name: str, *members: str, **what: Any) -> None:
        """Create a role binding."""
        binding = access_pb2.RoleBinding(name=name, members=members, **what)
        await self.call(access_pb2.CreateRoleBindingRequest(role_binding=binding))

    async def unbind(self, name: str) -> None:
        """Delete a role binding."""
        await self.call(access_pb2.DeleteRoleBindingRequest(name=name))

    async def ask(self, request: Request) -> bytes:
        message = commands_pb2.RequestSecretUploadKeyRequest(request=request.content)
        return bytes((await self.call(message)).request_id)

    async def ask_and_wait(
        self, request: Request, *, timeout_s: float = PATIENCE_S
    ) -> commands_pb2.RequestSecretUploadKeyResponse:
        message = commands_pb2.RequestSecretUploadKeyRequest(request=request.content, wait=True)
        answer: commands_pb2.RequestSecretUploadKeyResponse = await self.call(message, timeout_s=timeout_s)
        return answer

    async def key(self, request_id: bytes, *, timeout_s: float = PATIENCE_S) -> queries_pb2.GetSecretUploadKeyResponse:
        message = queries_pb2.GetSecretUploadKeyRequest(request_id=request_id)
        answer: queries_pb2.GetSecretUploadKeyResponse = await self.call(message, timeout_s=timeout_s)
        return answer

    async def send(self, request_id: bytes, sealed: HasSealed, timeout_s: float = PATIENCE_S) -> views_pb2.SecretUpload:
        message = commands_pb2.RequestUploadSecretRequest(
            request_id=request_id, encapsulated_key=sealed.encapsulated_key, ciphertext=sealed.ciphertext
        )
        found: views_pb2.SecretUpload = (await self.call(message, timeout_s=timeout_s)).upload
        return found

    async def upload(self, request_id: bytes) -> views_pb2.SecretUpload:
        message = queries_pb2.GetSecretUploadRequest(request_id=request_id)
        found: views_pb2.SecretUpload = (await self.call(message)).upload
        return found

    async def secret(self, uri: str) -> views_pb2.Secret:
        found: views_pb2.Secret = (await self.call(queries_pb2.GetSecretRequest(uri=uri))).secret
        return found

    async def secrets(self, **fields: Any) -> queries_pb2.ListSecretsResponse:
        answer: queries_pb2.ListSecretsResponse = await self.call(queries_pb2.ListSecretsRequest(**fields))
        return answer

    async def versions(self, uri: str, **fields: Any) -> queries_pb2.ListSecretVersionsResponse:
        message = queries_pb2.ListSecretVersionsRequest(uri=uri, **fields)
        answer: queries_pb2.ListSecretVersionsResponse = await self.call(message)
        return answer

    async def edit_notes(self, uri: str, **fields: Any) -> views_pb2.Secret:
        """Edit the notes of a secret; `set_labels` are pairs."""
        labels = [options_pb2.Label(name=name, value=value) for name, value in fields.pop("set_labels", ())]
        edit = events_pb2.NotesEdit(set_labels=labels, **fields)
        message = commands_pb2.UpdateSecretNotesRequest(uri=uri, edit=edit)
        found: views_pb2.Secret = (await self.call(message)).secret
        return found

    async def store(self, name: str) -> views_pb2.SecretStore:
        message = queries_pb2.GetSecretStoreRequest(name=name, count_pending=True)
        found: views_pb2.SecretStore = (await self.call(message)).store
        return found

    async def events(self, **fields: Any) -> queries_pb2.ListEventsResponse:
        answer: queries_pb2.ListEventsResponse = await self.call(queries_pb2.ListEventsRequest(**fields))
        return answer

    async def create(self, name: str, identity: str, *, kind: str = "vault", active: bool = True) -> None:
        await self.call(commands_pb2.CreateSecretStoreRequest(name=name, type=kind, identity=identity))
        if active:
            await self.call(commands_pb2.ActivateSecretStoreRequest(name=name))

    async def deactivate(self, name: str) -> None:
        await self.call(commands_pb2.DeactivateSecretStoreRequest(name=name))


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


class World:
    """One m8 and its callers."""

    def __init__(
        self,
        app: App,
        address: str,
        clock: Clock,
        principals: dict[str, Principal],
        *,
        server: str,
        signing_key: Ed25519PrivateKey,
    ) -> None:
        self.app = app
        self.server = server
        """The name by which reactors dial it."""
        self.address = address
        """Where it listens."""
        self.clock = clock
        self.signer = Signer()
        self.signing_key = signing_key
        """Of its tokens."""
        self.principals = principals
        """Whom tokens stand for that are not in the log."""
        self._reactors: list[FakeReactor] = []

    def user(
        self,
        name: str,
        *prefixes: str,
        rights: frozenset[events_pb2.Right] = RIGHTS,
        role: events_pb2.Role = events_pb2.ROLE_USER,
        expires_at_ms: int = 2_000_000_000_000,
        token: str = "",
    ) -> User:
        token = token or f"{name}-{len(self.principals)}"
        parsed = tuple(UriPrefix.parse(prefix) for prefix in prefixes)
        self.principals[token] = Principal.of_token(
            token, name, role, prefixes=parsed, rights=rights, expires_at_ms=expires_at_ms
        )
        return User(self.address, token)

    def member(self, name: str, *groups: str, expires_at_ms: int = 2_000_000_000_000) -> User:
        """A member, with what role bindings give."""
        token = f"{name}-{len(self.principals)}"
        self.principals[token] = Principal(
            token,
            name,
            frozenset(),
            (),
            expires_at_ms,
            member=Member.parse(name),
            groups=tuple(map(Member.parse, groups)),
        )
        return User(self.address, token)

    def administrator(self) -> User:
        return self.user("root", rights=frozenset(), role=events_pb2.ROLE_ADMINISTRATOR)

    def reactor(self, signer: Signs | None = None, store: str = "vault", replica: bytes | None = None) -> FakeReactor:
        signer = signer or self.signer
        reactor = FakeReactor(self.address, signer, store=store, replica=replica, server=self.server)
        self._reactors.append(reactor)
        return reactor

    async def attached(self) -> FakeReactor:
        reactor = self.reactor()
        await reactor.attach()
        return reactor

    async def close(self) -> None:
        for reactor in self._reactors:
            await reactor.leave()
        await hang_up()


@asynccontextmanager
async def a_world(folder: Path, *, limits: ServerLimits | None = None) -> AsyncIterator[World]:
    """A world with the store `vault`, active, whose identity is `signer`."""
    async with an_m8(folder, limits=patient(limits or ServerLimits())) as world:
        await world.administrator().create("vault", world.signer.shown)
        yield world


def patient(limits: ServerLimits) -> ServerLimits:
    """Those limits without the times after which m8 cuts a reactor off and looks at all requests, unless a test sets
    them.

    A scripted reactor sends no heartbeat of its own accord, on a busy machine those times pass, and the clock jumps.
    """
    usual, hours = ServerLimits(), 3_600.0
    return replace(
        limits,
        hello_s=hours if limits.hello_s == usual.hello_s else limits.hello_s,
        silence_s=hours if limits.silence_s == usual.silence_s else limits.silence_s,
        tick_s=hours if limits.tick_s == usual.tick_s else limits.tick_s,
    )


async def open_log(folder: Path, clock: Clock) -> EventLog:
    """Open the log of a world. Tests of another engine put theirs in its place."""
    return await SqliteLog.open(folder / "log.db", clock=clock, projector=project)


def authenticating(tokens: Tokens, principals: Mapping[str, Principal]) -> Callable[[str], Awaitable[Principal]]:
    """How an m8 of a world knows its callers: those of the test, and the holders of real tokens."""

    async def authenticate(token: str) -> Principal:
        if token in principals:
            known = principals[token]
            return known if known.member is None else (await tokens.aggregates.get(ROLE_BINDINGS)).bound(known)
        if token.count(".") == 2:
            return await tokens.authenticate(token)
        raise UnauthenticatedError("the token does not count.")

    return authenticate


@asynccontextmanager
async def an_m8(folder: Path, *, limits: ServerLimits | None = None, server: str = SERVER) -> AsyncIterator[World]:
    """A world without a store."""
    clock, signing_key = Clock(), Ed25519PrivateKey.generate()
    log = await open_log(folder, clock)
    principals: dict[str, Principal] = {}
    tokens = Tokens(log, signing_key=signing_key, audience="m8", clock=clock)
    authenticate = authenticating(tokens, principals)
    app = App(log, authenticate, {server}, clock, "m8", "0.1.0", limits or ServerLimits(), ticks=clock, tokens=tokens)
    http = await build_http(app, Endpoints(app), None, listen=HostPort("127.0.0.1", 0), origins=[PAGE])
    async with running(app, http):
        world = World(app, f"127.0.0.1:{http.port}", clock, principals, server=server, signing_key=signing_key)
        yield world
        await world.close()
    await log.close()


@asynccontextmanager
async def a_second(world: World, folder: Path) -> AsyncIterator[str]:
    """Run a second m8 on the log of a world; yields its address."""
    of, log = world.app, await open_log(folder, world.clock)
    tokens = Tokens(log, signing_key=world.signing_key, audience="m8", clock=world.clock)
    authenticate = authenticating(tokens, world.principals)
    app = App(log, authenticate, of.names, world.clock, "m8", "0.1.0", of.limits, ticks=world.clock, tokens=tokens)
    http = await build_http(app, Endpoints(app), None, listen=HostPort("127.0.0.1", 0))
    async with running(app, http):
        yield f"127.0.0.1:{http.port}"
    await log.close()


async def until_granted(user: User, reactor: FakeReactor, **fields: Any) -> Grant:
    """Ask for a key and get it."""
    await user.ask(a_request(**fields))
    _, grant = await reactor.give_key()
    return grant


async def put(
    user: User,
    reactor: FakeReactor,
    version: str = "1",
    *,
    prior: str = "",
    sealed: Sealed | None = None,
    **fields: Any,
) -> bytes:
    """Put a secret, and return the id of the request."""
    grant = await until_granted(user, reactor, **fields)
    request_id = grant.request.request_id
    await asyncio.gather(user.send(request_id, sealed or Sealed()), reactor.write(grant, version, prior=prior))
    return request_id


async def sent(user: User, reactor: FakeReactor) -> tuple[Grant, Sealed, asyncio.Task[views_pb2.SecretUpload]]:
    """Get a key, and send a sealed secret, which the reactor has then; the task waits for its end."""
    grant, sealed = await until_granted(user, reactor), Sealed()
    sending = asyncio.create_task(user.send(grant.request.request_id, sealed))
    await reactor.next("SecretUploadRequested")
    return grant, sealed, sending


async def pages(ask: Callable[[str], Awaitable[Any]]) -> AsyncIterator[Any]:
    """Ask for one page after the other, each with the token for it."""
    token = ""
    while True:
        page = await ask(token)
        yield page
        token = page.next_page_token
        if not token:
            return


class refused:  # noqa: N801  reads like pytest.raises
    """Expects the block to end with an error of that stable code; `message`, `fix` and `retry_after_s` are its own."""

    def __init__(self, code: str) -> None:
        self._code = code
        self.message = self.fix = ""
        self.retry_after_s = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _trace: object) -> bool:
        if error is None:
            pytest.fail(f"nothing was refused; {self._code} was expected")
        if not isinstance(error, CallError):
            return False
        assert error.reason == self._code, error.message
        self.message, self.fix, self.retry_after_s = error.message, error.info["fix"], error.retry_after_s
        return True


async def refusal(code: str, call: Awaitable[object], *words: str) -> refused:
    """Await a call that is refused with that code, in a message with these words."""
    with refused(code) as found:
        await call
    for word in words:
        assert word in found.message
    return found


async def stop(*tasks: asyncio.Task[None]) -> None:
    """Cancel tasks, and wait for their end."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def until(is_so: Callable[[], object]) -> None:
    """Wait until that is so."""
    async with asyncio.timeout(PATIENCE_S):
        while not is_so():
            await asyncio.sleep(0.001)


def content(delivered: Delivered, kind: type[Message]) -> Any:
    """What a delivered event says."""
    return kind.FromString(delivered.event.data)
