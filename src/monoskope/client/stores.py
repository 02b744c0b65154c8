"""Stores: which there are, whose identity is agreed to, and what administrators do to them."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING

from monoskope.api.gateway.v1 import commands_pb2, views_pb2
from monoskope.client import results
from monoskope.client.connection import CALL_TIMEOUT_S
from monoskope.client.http import methods
from monoskope.client.session import Session
from monoskope.errors import IdentityChangedError, UsageError
from monoskope.protocol.grant import is_key_id
from monoskope.protocol.identity import check_shown
from monoskope.uri import check_store_name
from monoskope.value import Value

if TYPE_CHECKING:
    from monoskope.client.results.stores import Store


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
        return results.stores.Store.of(await self._session.queries.store(name))

    async def list(self) -> AsyncGenerator[Store]:
        """Yield the stores in name order."""
        async for view in self._session.queries.stores():
            yield results.stores.Store.of(view)

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

    async def create(self, name: str, *, kind: str, identity: str) -> views_pb2.SecretStore:
        """Add a store, inactive; `kind` is its engine's, `identity` what `m8 reactor init` printed."""
        request = commands_pb2.CreateSecretStoreRequest(
            name=check_store_name(name), type=kind, identity=check_shown(identity)
        )
        return (await self._session.connection.call(methods.CREATE_SECRET_STORE, request, CALL_TIMEOUT_S)).store

    async def activate(self, name: str) -> views_pb2.SecretStore:
        """Let a store take uploads."""
        request = commands_pb2.ActivateSecretStoreRequest(name=check_store_name(name))
        return (await self._session.connection.call(methods.ACTIVATE_SECRET_STORE, request, CALL_TIMEOUT_S)).store

    async def deactivate(self, name: str) -> views_pb2.SecretStore:
        """Let a store take no uploads."""
        request = commands_pb2.DeactivateSecretStoreRequest(name=check_store_name(name))
        return (await self._session.connection.call(methods.DEACTIVATE_SECRET_STORE, request, CALL_TIMEOUT_S)).store

    async def set_default(self, name: str) -> views_pb2.SecretStore:
        """Make a store the default; every user is asked to agree to it."""
        request = commands_pb2.SetDefaultSecretStoreRequest(name=check_store_name(name))
        return (await self._session.connection.call(methods.SET_DEFAULT_SECRET_STORE, request, CALL_TIMEOUT_S)).store

    async def replace_identity(self, name: str, *, identity: str) -> views_pb2.SecretStore:
        """Give a store a new identity without proof, as after a theft; every user must pin it again."""
        request = commands_pb2.ReplaceSecretStoreIdentityRequest(
            name=check_store_name(name), identity=check_shown(identity)
        )
        return (
            await self._session.connection.call(methods.REPLACE_SECRET_STORE_IDENTITY, request, CALL_TIMEOUT_S)
        ).store

    async def start_fingerprint_key_rotation(self, key_id: str) -> None:
        """Allow a second fingerprint key id, 16 hex digits."""
        request = commands_pb2.StartFingerprintKeyRotationRequest(key_id=_check_key_id(key_id))
        await self._session.connection.call(methods.START_FINGERPRINT_KEY_ROTATION, request, CALL_TIMEOUT_S)

    async def finish_fingerprint_key_rotation(self, key_id: str, *, force: bool = False) -> None:
        """Allow the new fingerprint key id alone.

        Args:
            key_id: The new one, 16 hex digits.
            force: Also while attached reactors have another key: they are shut out until they have the new one. Without
                it m8 raises `ConflictError` and names them.
        """
        request = commands_pb2.FinishFingerprintKeyRotationRequest(key_id=_check_key_id(key_id), force=force)
        await self._session.connection.call(methods.FINISH_FINGERPRINT_KEY_ROTATION, request, CALL_TIMEOUT_S)


def _check_key_id(key_id: str) -> str:
    if not is_key_id(key_id):
        raise UsageError(
            f"fingerprint key id {key_id!r} is not valid: 16 lower-case hex digits.",
            fix="Copy it from what `m8 reactor fingerprint-key` printed.",
        )
    return key_id
