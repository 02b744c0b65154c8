"""What m8 says of itself and of the caller, and of stores and their reactors.

Stores: which there are, whose identity is agreed to, and what administrators do to them. The file is long because each
field of what a user sees of a store is told here with its meaning.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncGenerator
from typing import Self, TypeVar

from google.protobuf.message import Message

from monoskope.api.gateway.v1 import commands_pb2, queries_pb2, views_pb2
from monoskope.api.secrets.v1 import events_pb2
from monoskope.client.connection import CALL_TIMEOUT_S
from monoskope.client.http import methods
from monoskope.client.http.methods import Method
from monoskope.client.results import moment
from monoskope.client.results.access import enum_word, rights_of
from monoskope.client.session import Session
from monoskope.client.walk import reasons
from monoskope.client.walk.checks import (
    announced_layout,
    announced_limit,
    announced_maturity,
    engine_health,
    health_name,
)
from monoskope.errors import IdentityChangedError, UsageError
from monoskope.protocol.grant import is_key_id
from monoskope.protocol.identity import check_shown
from monoskope.protocol.outcomes import spelled
from monoskope.uri import check_store_name
from monoskope.value import Value

R = TypeVar("R", bound=Message)


class Server(Value, frozen=True):
    """m8, and who the caller is to it."""

    version: str
    fingerprint_key_id: str
    """"" before the first reactor."""
    subject: str
    role: str
    """"user", "administrator" or "auditor"; of several the first of these. `Access.who_am_i` has all."""
    prefixes: tuple[str, ...]
    """Below which URIs the caller may work."""
    rights: tuple[str, ...]
    """E.g. ("put", "see-hash")."""
    expires_at: dt.datetime | None
    """When the credential expires."""
    certificate_expires_at: dt.datetime | None
    """When m8's own certificate expires; None if it does not tell the caller."""

    @classmethod
    def of(cls, answer: queries_pb2.GetServerResponse) -> Self:
        """Return what an answer says."""
        return cls(
            version=answer.version,
            fingerprint_key_id=answer.fingerprint_key_id,
            subject=answer.subject,
            role=enum_word(events_pb2.Role, answer.role),
            prefixes=tuple(answer.prefixes),
            rights=rights_of(answer.rights),
            expires_at=moment(answer.expires_at_ms),
            certificate_expires_at=moment(answer.certificate_expires_at_ms),
        )


class Reactor(Value, frozen=True):
    """One reactor process of a store."""

    replica: str
    """Its name, 32 hex digits."""
    attached: bool
    last_heard_at: dt.datetime | None
    engine: str
    """"ok", "refused", "unavailable" or "unknown", as it reports of its engine."""
    engine_since_at: dt.datetime | None
    last_failure: str
    """The reason with which its last failed request ended, "" for none."""
    last_failure_at: dt.datetime | None
    capabilities: frozenset[str]
    """What it can do, by the names of the API's `StoreCapabilities`, e.g. {"readable", "deletable"}."""
    copies_to: tuple[str, ...]
    """Stores that it may copy to."""
    max_plaintext: int
    """The largest padded plaintext in bytes."""
    key_rule: str
    """Pattern that keys must match, "" for any."""
    layout: str
    """How a secret lies in its engine."""
    fingerprint_key_id: str
    signers_trouble: bool
    """Whether one of its lists of signers cannot be used as it is now."""

    @classmethod
    def of(cls, view: views_pb2.Reactor) -> Self:
        """Return what a view says."""
        can = view.capabilities
        return cls(
            replica=view.replica.hex(),
            attached=view.attached,
            last_heard_at=moment(view.last_heard_ms),
            engine=health_name(view.engine),
            engine_since_at=moment(view.engine_since_ms),
            last_failure=reasons.name(view.last_failure) if view.last_failure else "",
            last_failure_at=moment(view.last_failure_at_ms),
            capabilities=frozenset(field.name for field, value in can.ListFields() if value is True),
            copies_to=tuple(can.copies_to),
            max_plaintext=can.max_plaintext,
            key_rule=can.key_rule,
            layout=can.layout,
            fingerprint_key_id=view.fingerprint_key_id,
            signers_trouble=view.signers_trouble,
        )


class RefusedLogin(Value, frozen=True):
    """The login of a reactor that m8 refused last, if none has succeeded since."""

    replica: str
    refusal: str
    """"FINGERPRINT_KEY", "STORE_TYPE" or "TOO_MANY_REACTORS"."""
    refused_at: dt.datetime | None
    fingerprint_key_id: str

    @classmethod
    def of(cls, view: views_pb2.RefusedLogin) -> Self:
        """Return what a view says."""
        refusal = spelled(views_pb2.LoginRefusal, view.refusal)
        return cls(view.replica.hex(), refusal, moment(view.refused_at_ms), view.fingerprint_key_id)


class Store(Value, frozen=True):
    """One store with its reactors."""

    name: str
    type: str
    """The kind of engine."""
    active: bool
    """Whether it takes requests."""
    is_default: bool
    identity: str
    """`SHA256:…`, as m8 shows it; the pin decides which counts."""
    identity_rotations: int
    """How often the store took a new identity that the one before signed."""
    fingerprint_key_id: str
    created_at: dt.datetime | None
    last_heard_at: dt.datetime | None
    """When m8 heard of any of its reactors last."""
    layout: str
    """How a secret lies in its engine, as a reactor announced; "" for nothing."""
    maturity: str
    """"stable" or "experimental"; "" if no reactor ever attached."""
    max_plaintext: int
    """The largest padded plaintext in bytes that an attached reactor takes, 0 if none is attached."""
    engine: str
    """The state of its engine, by the reactor that finds it best; "" if none is attached."""
    pending: int
    """How many requests that you may see have not ended."""
    refused_login: RefusedLogin | None
    reactors: tuple[Reactor, ...]

    @classmethod
    def of(cls, view: views_pb2.SecretStore) -> Self:
        """Return what a view says."""
        return cls(
            name=view.name,
            type=view.type,
            active=view.active,
            is_default=view.is_default,
            identity=view.identity,
            identity_rotations=len(view.rotations),
            fingerprint_key_id=view.fingerprint_key_id,
            created_at=moment(view.created_at_ms),
            last_heard_at=moment(max((reactor.last_heard_ms for reactor in view.reactors), default=0)),
            layout=announced_layout(view),
            maturity=announced_maturity(view),
            max_plaintext=announced_limit(view) or 0,
            engine=engine_health(view),
            pending=view.pending,
            refused_login=RefusedLogin.of(view.refused_login) if view.HasField("refused_login") else None,
            reactors=tuple(map(Reactor.of, view.reactors)),
        )


class StoreIdentity(Value, frozen=True):
    """How the identity that m8 shows for a store stands to the one that the user agreed to."""

    pinned: str = ""
    """The identity that the user agreed to, "" for none."""
    changed: IdentityChangedError | None = None
    """Why nothing may be put there, None if m8 shows the agreed identity, or one that follows it by signed steps."""

    @property
    def state(self) -> str:
        """Return "pinned", "new" (the user has not agreed to it), or "changed"."""
        if self.changed is not None:
            return "changed"
        return "pinned" if self.pinned else "new"


class Stores:
    """The stores of one m8. The administrators' commands return once their event is recorded.

    Each method raises what m8 answers.
    """

    def __init__(self, session: Session) -> None:
        self._session = session

    async def get(self, name: str = "") -> Store:
        """Return one store, the default one for "". Raises `NotFoundError` if there is none."""
        return Store.of(await self._session.queries.store(name))

    async def list(self) -> AsyncGenerator[Store]:
        """Yield the stores in name order."""
        async for view in self._session.queries.stores():
            yield Store.of(view)

    async def trust(self, name: str, identity: str) -> str:
        """Agree to the identity of a store, so that later calls find it pinned; return the pinned identity.

        Compare it first with what the store's operator says by another way than m8. Nothing is put, and no pin is ever
        replaced: the same identity again changes nothing.

        Args:
            name: The store's name.
            identity: What the operator says, `SHA256:…`. If signed steps lead on from it, their last is pinned.

        Raises:
            UsageError: `identity` is not one, or `name` is no name of a store.
            IdentityChangedError: m8 shows another identity, or another one is pinned.
            NotFoundError: there is no such store.
            NotWritableError: `known_stores` cannot be written.
        """
        check_store_name(name)
        return await self._session.agreeing({name: check_shown(identity)}).agree(name)

    def look_at_identity(self, store: views_pb2.SecretStore) -> StoreIdentity:
        """Return how the identity that m8 shows for a store stands to the pins. Changes nothing, asks no user.

        Raises:
            Error: `known_stores` cannot be read.
        """
        pinned, changed = self._session.agreeing(self._session.settings.store_identities).look(store)
        return StoreIdentity(pinned, changed)

    def follow(self, store: views_pb2.SecretStore) -> None:
        """Pin where signed steps lead from the pin of a store that m8 shows, as each request does; else change nothing.

        Raises:
            Error: `known_stores` cannot be read or written.
        """
        self._session.agreeing(self._session.settings.store_identities).follow(store)

    async def create(self, name: str, *, kind: str, identity: str) -> views_pb2.SecretStore:
        """Add a store, inactive; `kind` is its engine's, `identity` what `m8 reactor init` printed."""
        shown = check_shown(identity)
        request = commands_pb2.CreateSecretStoreRequest(name=check_store_name(name), type=kind, identity=shown)
        return (await self._call(methods.CREATE_SECRET_STORE, request)).store

    async def activate(self, name: str) -> views_pb2.SecretStore:
        """Let a store take uploads."""
        request = commands_pb2.ActivateSecretStoreRequest(name=check_store_name(name))
        return (await self._call(methods.ACTIVATE_SECRET_STORE, request)).store

    async def deactivate(self, name: str) -> views_pb2.SecretStore:
        """Let a store take no uploads."""
        request = commands_pb2.DeactivateSecretStoreRequest(name=check_store_name(name))
        return (await self._call(methods.DEACTIVATE_SECRET_STORE, request)).store

    async def set_default(self, name: str) -> views_pb2.SecretStore:
        """Make a store the default; every user is asked to agree to it."""
        request = commands_pb2.SetDefaultSecretStoreRequest(name=check_store_name(name))
        return (await self._call(methods.SET_DEFAULT_SECRET_STORE, request)).store

    async def replace_identity(self, name: str, *, identity: str) -> views_pb2.SecretStore:
        """Give a store a new identity without proof, as after a theft; every user must pin it again."""
        shown = check_shown(identity)
        request = commands_pb2.ReplaceSecretStoreIdentityRequest(name=check_store_name(name), identity=shown)
        return (await self._call(methods.REPLACE_SECRET_STORE_IDENTITY, request)).store

    async def start_fingerprint_key_rotation(self, key_id: str) -> None:
        """Allow a second fingerprint key id, 16 hex digits."""
        request = commands_pb2.StartFingerprintKeyRotationRequest(key_id=_check_key_id(key_id))
        await self._call(methods.START_FINGERPRINT_KEY_ROTATION, request)

    async def finish_fingerprint_key_rotation(self, key_id: str, *, force: bool = False) -> None:
        """Allow the new fingerprint key id alone.

        Args:
            key_id: The new one, 16 hex digits.
            force: Also while attached reactors have another key: they are shut out until they have the new one. Without
                it m8 raises `ConflictError` and names them.
        """
        request = commands_pb2.FinishFingerprintKeyRotationRequest(key_id=_check_key_id(key_id), force=force)
        await self._call(methods.FINISH_FINGERPRINT_KEY_ROTATION, request)

    async def _call(self, method: Method[R], request: Message) -> R:
        return await self._session.connection.call(method, request, CALL_TIMEOUT_S)


def _check_key_id(key_id: str) -> str:
    if not is_key_id(key_id):
        raise UsageError(
            f"fingerprint key id {key_id!r} is not valid: 16 lower-case hex digits.",
            fix="Copy it from what `m8 reactor fingerprint-key` printed.",
        )
    return key_id
