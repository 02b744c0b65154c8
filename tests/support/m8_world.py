"""A real m8 on a real log and a real port, with its users and its reactors."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from monoskope.api.gateway.v1 import views_pb2
from monoskope.api.secrets.v1 import events_pb2
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
from monoskope.protocol.grant import Grant
from monoskope.protocol.login import Member
from monoskope.uri import UriPrefix
from tests.support.fake_reactor import SERVER, FakeReactor, Signs
from tests.support.http_calls import hang_up
from tests.support.m8_user import PATIENCE_S, Sealed, User
from tests.support.vectors import Signer, a_request

PAGE = "https://app.example.com"
"""The origin of the pages that may call over HTTP."""
RIGHTS = frozenset({events_pb2.RIGHT_PUT, events_pb2.RIGHT_COMPARE, events_pb2.RIGHT_SEE_HASH})


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.now_ms = 1_700_000_000_000

    def __call__(self) -> int:
        return self.now_ms

    def pass_s(self, seconds: float) -> None:
        self.now_ms += int(seconds * 1000)


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
