"""`ReactorService.Attach` without a transport: a reactor's login, session and end (docs/protocol.md, Identities).

The last login of each store that m8 refused to a reactor with the store's identity, and why, stands beside the
heartbeats, outside the event log: the holder of an identity could otherwise fill the log.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

from google.protobuf.message import Message

from monoskope import operating_log
from monoskope.api.gateway.v1 import reactor_pb2, views_pb2
from monoskope.api.secrets.v1 import events_pb2, identity_pb2, upload_pb2
from monoskope.errors import IdentityChangedError, NotFoundError, RefusedError, UnauthenticatedError, UsageError
from monoskope.m8.domain import fingerprint_key, reactors, stores
from monoskope.m8.domain.aggregates import CATALOGUE, FINGERPRINT_KEY, attachments_of, upload_of
from monoskope.m8.domain.reactors import Login, LoginRefusedError
from monoskope.m8.domain.stores import Catalogue
from monoskope.m8.limits.connections import origin
from monoskope.m8.readmodels.stores import refused_key
from monoskope.m8.service.app import App
from monoskope.m8.service.call_notes import validate
from monoskope.m8.service.session import Send, ServerSession, detach
from monoskope.protocol.hello import Hello, check_capabilities, claimed_store, open_hello
from monoskope.protocol.identity import ProofError, shown
from monoskope.protocol.outcomes import State
from monoskope.protocol.wire import MalformedError


async def remember_refusal(app: App, store: str, replica: bytes, key_id: str, refusal: views_pb2.LoginRefusal) -> None:
    """Remember that a login of `replica` was refused just now."""
    now_ms = app.clock()
    said = views_pb2.RefusedLogin(replica=replica, refusal=refusal, refused_at_ms=now_ms, fingerprint_key_id=key_id)
    await app.log.beat(refused_key(store), now_ms, said.SerializeToString())


async def forget_refusal(app: App, store: str) -> None:
    """A reactor of `store` logged in. Another one that still is refused tries again within seconds."""
    if refused_key(store) in await app.log.beats():
        await app.log.forget_beat(refused_key(store))


MAX_HELLO = 1_024
"""Bytes of a serialised hello at most: its longest fields take half of that."""


async def log_in(app: App, attach: reactor_pb2.AttachReactor, challenge: bytes) -> Login:
    """Verify a login and record what it brings: identity rotations, the fingerprint key id, the attachment.

    A stranger costs one signature check: that of the hello comes first. Of the rotations only those are verified that
    follow the identity which m8 knows; none if that identity signed the hello.

    Nothing is recorded before the hello is verified, and no caller learns which stores there are without the identity
    of one: a store that does not exist and one of another identity have the same answer.

    Raises:
        RefusedError: there is no such store of that identity, it is of another type, another fingerprint key id
            counts, or as many processes are attached as one store may have.
        ProofError: the hello is not signed by the identity that it names, or answers another challenge or server.
        MalformedError: the hello is signed, but not well formed.
        UsageError: the capabilities are larger than allowed, or their schema is not of the allowed form.
    """
    _check_size(attach.hello)
    identity = shown(attach.hello.identity_key)
    hello = open_hello(attach.hello, identity=identity, challenge=challenge, servers=app.names)
    name = hello.store
    catalogue = await app.aggregates.get(CATALOGUE)
    known = catalogue.stores.get(name)
    current = known is not None and known.identity == identity
    if not current and identity != _identity(catalogue, name, attach.rotations):
        raise _no_such_store(name, identity)
    login = Login(name, hello.replica, identity, hello.fingerprint_key_id)
    try:
        await _admit(app, attach, hello, login, kind=catalogue.store(name).type, rotates=not current)
    except LoginRefusedError as error:
        await remember_refusal(app, login.store, login.replica, login.fingerprint_key_id, error.refusal)
        raise
    await forget_refusal(app, login.store)
    return login


async def look(app: App, asked: reactor_pb2.LookAtStore, challenge: bytes) -> reactor_pb2.StoreLook:
    """Return how a store stands, to the holder of its identity. Raises as `log_in`."""
    _check_size(asked.hello)
    identity = shown(asked.hello.identity_key)
    store = open_hello(asked.hello, identity=identity, challenge=challenge, servers=app.names).store
    known = (await app.aggregates.get(CATALOGUE)).stores.get(store)
    if known is None or known.identity != identity:
        raise _no_such_store(store, identity)
    attachments = await app.aggregates.get(attachments_of(store))
    states = [(await app.aggregates.get(upload_of(each))).state async for each in app.documents.open_of(store)]
    log = app.witnessed
    seen = await log.seen(at_least=asked.size)
    later = seen.named is not None and (seen.newest is None or seen.size < asked.size)
    if later:
        await log.want()
    return reactor_pb2.StoreLook(
        replicas=list(attachments.attached),
        writing=states.count(State.WRITING),
        position=await app.log.head(),
        note=b"" if later or seen.newest is None else seen.newest.note,
        later=later,
    )


def _no_such_store(store: str, identity: str) -> RefusedError:
    return RefusedError(
        f"there is no store {store} with the identity {identity} here.",
        fix="Let an administrator create it, or compare its identity: monoctl describe secret-store.",
    )


async def _admit(
    app: App, attach: reactor_pb2.AttachReactor, hello: Hello, login: Login, *, kind: str, rotates: bool
) -> None:
    """Record what the login of a reactor brings that proved its identity. Raises as `log_in`."""
    if attach.type != kind:
        raise LoginRefusedError(
            f"the store {login.store} is of type {kind}; this reactor serves {attach.type}.",
            refusal=views_pb2.LOGIN_REFUSAL_STORE_TYPE,
            fix="Correct the reactor's settings, or create a store of that type.",
        )
    check_capabilities(attach.capabilities)
    change, actor = app.aggregates.change, login.actor
    await change(FINGERPRINT_KEY, lambda known: fingerprint_key.adopt(known, hello.fingerprint_key_id), actor=actor)
    if rotates:
        await change(CATALOGUE, lambda known: stores.rotate_identity(known, login.store, attach.rotations), actor=actor)
    await _record_attachment(app, attach, hello, login)


def _check_size(hello: upload_pb2.Signed) -> None:
    """Raise `MalformedError` for what is too large to be a hello, before anything is computed over it."""
    if len(hello.content) > MAX_HELLO:
        raise MalformedError("ReactorHello", "content", f"must have at most {MAX_HELLO} bytes")


def _identity(catalogue: Catalogue, name: str, rotations: Sequence[identity_pb2.SignedRotation]) -> str:
    """The store's identity after `rotations`; "" if there is no such store, or they do not lead on from it."""
    try:
        steps = stores.rotate_identity(catalogue, name, rotations)
    except (NotFoundError, ProofError, UsageError):
        return ""
    for step in steps:
        catalogue = catalogue.after(step)
    return catalogue.store(name).identity


async def _record_attachment(app: App, attach: reactor_pb2.AttachReactor, hello: Hello, login: Login) -> None:
    event = events_pb2.ReactorAttached(
        store=login.store,
        replica=login.replica,
        type=attach.type,
        capabilities=attach.capabilities,
        fingerprint_key_id=hello.fingerprint_key_id,
        hello=attach.hello,
    )
    await app.log.beat(login.key, app.clock())

    def decide(known: reactors.Attachments) -> list[Message]:
        events = reactors.attach(known, event)
        if events:
            app.logins.attaches(login.store)
        return events

    await app.aggregates.change(attachments_of(login.store), decide, actor=login.actor)


class Reactors:
    """Lets reactors in and keeps track of those that this process serves."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def attach(self, incoming: AsyncIterator[reactor_pb2.AttachRequest], send: Send, peer: str) -> None:
        """Challenge a reactor, log it in and serve it until it half-closes; then record for its peers that it is gone.

        A broken connection does not mean that the process ended: the timekeeper declares it gone if it stays away.

        Args:
            incoming: What it says.
            send: How to answer.
            peer: Where it is, as `host_port.peer_name` calls it.

        Raises:
            UnauthenticatedError: it does not log in in time, or says something else first.
            UnavailableError: too many logins of its address failed just now.
            Error: as `login.log_in` and `session.ServerSession.serve`.
        """
        login = await self._let_in(incoming, send, peer)
        if login is None:
            return
        operating_log.bind_contextvars(store=login.store, replica=login.replica.hex()[:8])
        operating_log.get().info("reactor attached")
        session = ServerSession(self._app, login, incoming, send)
        sessions = self._app.sessions
        before = sessions.get(login.key)
        if before is not None:
            before.replaced.set()
        sessions[login.key] = session
        try:
            await session.serve()
            if sessions.get(login.key) is session:
                await detach(self._app, login.store, login.replica)
        except LoginRefusedError as error:
            # It stays away until it has another key: no user shall wait for it meanwhile.
            await remember_refusal(self._app, login.store, login.replica, login.fingerprint_key_id, error.refusal)
            await detach(self._app, login.store, login.replica)
            raise
        finally:
            if sessions.get(login.key) is session:
                del sessions[login.key]

    async def _let_in(self, incoming: AsyncIterator[reactor_pb2.AttachRequest], send: Send, peer: str) -> Login | None:
        """Return the login, None of one that has looked and wants no more."""
        address, logins = origin(peer), self._app.logins
        challenge = self._app.challenge()
        message = await self._first(incoming, send, challenge, address)
        logins.admit(address)
        try:
            if message.WhichOneof("message") == "look":
                validate(message)
                seen = await look(self._app, message.look, challenge)
                logins.succeeded(address)
                await send(reactor_pb2.AttachResponse(look=seen))
                return None
            attach = self._formed(message)
            if asked_for := claimed_store(attach.hello.content):
                # Not proven yet: it is for the log line that says why the login was refused.
                operating_log.bind_contextvars(store=asked_for)
            login = await log_in(self._app, attach, challenge)
        except (IdentityChangedError, RefusedError, UsageError, UnauthenticatedError):
            logins.failed(address)
            self._app.connections.disturbed()
            raise
        logins.succeeded(address)
        self._app.prove(peer)
        return login

    async def _first(
        self, incoming: AsyncIterator[reactor_pb2.AttachRequest], send: Send, challenge: bytes, address: str
    ) -> reactor_pb2.AttachRequest:
        try:
            async with asyncio.timeout(self._app.limits.hello_s) as deadline:
                with self._app.logins.under_way(address, deadline):
                    await send(reactor_pb2.AttachResponse(challenge=challenge))
                    return await anext(incoming)
        except (StopAsyncIteration, TimeoutError):
            raise UnauthenticatedError("no login came.", fix="Answer the challenge with AttachReactor.") from None

    def _formed(self, message: reactor_pb2.AttachRequest) -> reactor_pb2.AttachReactor:
        validate(message)
        if message.WhichOneof("message") != "attach":
            raise UnauthenticatedError("another message came before the login.", fix="Send AttachReactor first.")
        return message.attach
