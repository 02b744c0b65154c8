"""A reactor's login: what must hold before m8 sends it anything (docs/protocol.md, Identities)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from google.protobuf.message import Message

from monoskope.api.gateway.v1 import reactor_pb2, views_pb2
from monoskope.api.secrets.v1 import events_pb2, identity_pb2, upload_pb2
from monoskope.errors import NotFoundError, RefusedError, UsageError
from monoskope.m8.domain import fingerprint_key, reactors, stores
from monoskope.m8.domain.events import CATALOGUE_STREAM, FINGERPRINT_KEY_STREAM, reactor_stream
from monoskope.m8.domain.refused_login import LoginRefusedError
from monoskope.m8.domain.stores import Catalogue
from monoskope.m8.readmodels.stores import beat_key
from monoskope.m8.service import refused_logins
from monoskope.m8.service.app import App
from monoskope.protocol.hello import Hello, check_capabilities, open_hello
from monoskope.protocol.identity import ProofError, shown
from monoskope.protocol.wire import MalformedError

MAX_HELLO = 1_024
"""Bytes of a serialised hello at most: its longest fields take half of that."""


@dataclass(frozen=True, slots=True)
class Login:
    """A replica that proved to hold its store's identity."""

    store: str
    replica: bytes
    identity: str
    """The store's identity under which it proved itself, as shown."""
    fingerprint_key_id: str
    """That of its hello."""

    @property
    def actor(self) -> str:
        """Its name in the log: `reactor/<store>/<first 8 hex digits of the replica>`."""
        return f"reactor/{self.store}/{self.replica.hex()[:8]}"

    @property
    def key(self) -> str:
        """Its name among the heartbeats."""
        return beat_key(self.store, self.replica)


async def log_in(app: App, attach: reactor_pb2.AttachReactor, challenge: bytes) -> Login:
    """Verify a login and record what it brings: identity rotations, the fingerprint key id, the attachment.

    A stranger costs one signature check: that of the hello comes first. Of the rotations only those are verified that
    follow the identity which m8 knows; none if that identity signed the hello.

    Nothing is recorded before the hello is verified, and nobody learns which stores there are without the identity of
    one: a store that does not exist and one of another identity have the same answer.

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
    catalogue = await app.aggregates.catalogue()
    known = catalogue.stores.get(name)
    current = known is not None and known.identity == identity
    if not current and identity != _identity(catalogue, name, attach.rotations):
        raise RefusedError(
            f"there is no store {name} with the identity {identity} here.",
            fix="Let an administrator create it, or compare its identity: monoctl describe secret-store.",
        )
    login = Login(name, hello.replica, identity, hello.fingerprint_key_id)
    try:
        await _admit(app, attach, hello, login, kind=catalogue.store(name).type, rotates=not current)
    except LoginRefusedError as error:
        await refused_logins.remember(app, login.store, login.replica, login.fingerprint_key_id, error.refusal)
        raise
    await refused_logins.forget(app, login.store)
    return login


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
    aggregates = app.aggregates
    await aggregates.change(
        FINGERPRINT_KEY_STREAM,
        aggregates.fingerprint_key,
        lambda known: fingerprint_key.adopt(known, hello.fingerprint_key_id),
        actor=login.actor,
    )
    if rotates:
        await aggregates.change(
            CATALOGUE_STREAM,
            aggregates.catalogue,
            lambda known: stores.rotate_identity(known, login.store, attach.rotations),
            actor=login.actor,
        )
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
        catalogue = stores.evolve(catalogue, step)
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

    await app.aggregates.change(
        reactor_stream(login.store), lambda: app.aggregates.attachments(login.store), decide, actor=login.actor
    )
