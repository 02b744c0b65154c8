"""The administrators' commands for stores and the fingerprint key. Each returns once its event is recorded."""

from __future__ import annotations

from monoskope.api.gateway.v1 import commands_pb2, views_pb2
from monoskope.client import methods
from monoskope.client.connection import CALL_TIMEOUT_S, Connection
from monoskope.errors import UsageError
from monoskope.protocol.grant import is_key_id
from monoskope.protocol.identity import check_shown
from monoskope.uri import check_store_name


class Stores:
    """The administrators' commands of one connection. Each raises what m8 answers."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def create(self, name: str, *, kind: str, identity: str) -> views_pb2.SecretStore:
        """Add a store, inactive; `kind` is its engine's, `identity` what `m8 reactor init` printed."""
        request = commands_pb2.CreateSecretStoreRequest(
            name=check_store_name(name), type=kind, identity=check_shown(identity)
        )
        return (await self._connection.call(methods.CREATE_SECRET_STORE, request, CALL_TIMEOUT_S)).store

    async def activate(self, name: str) -> views_pb2.SecretStore:
        """Let a store take uploads."""
        request = commands_pb2.ActivateSecretStoreRequest(name=check_store_name(name))
        return (await self._connection.call(methods.ACTIVATE_SECRET_STORE, request, CALL_TIMEOUT_S)).store

    async def deactivate(self, name: str) -> views_pb2.SecretStore:
        """Let a store take no uploads."""
        request = commands_pb2.DeactivateSecretStoreRequest(name=check_store_name(name))
        return (await self._connection.call(methods.DEACTIVATE_SECRET_STORE, request, CALL_TIMEOUT_S)).store

    async def set_default(self, name: str) -> views_pb2.SecretStore:
        """Make a store the default; every user is asked to agree to it."""
        request = commands_pb2.SetDefaultSecretStoreRequest(name=check_store_name(name))
        return (await self._connection.call(methods.SET_DEFAULT_SECRET_STORE, request, CALL_TIMEOUT_S)).store

    async def replace_identity(self, name: str, *, identity: str) -> views_pb2.SecretStore:
        """Give a store a new identity without proof, as after a theft; every user must pin it again."""
        request = commands_pb2.ReplaceSecretStoreIdentityRequest(
            name=check_store_name(name), identity=check_shown(identity)
        )
        return (await self._connection.call(methods.REPLACE_SECRET_STORE_IDENTITY, request, CALL_TIMEOUT_S)).store

    async def start_fingerprint_key_rotation(self, key_id: str) -> None:
        """Allow a second fingerprint key id, 16 hex digits."""
        request = commands_pb2.StartFingerprintKeyRotationRequest(key_id=_check_key_id(key_id))
        await self._connection.call(methods.START_FINGERPRINT_KEY_ROTATION, request, CALL_TIMEOUT_S)

    async def finish_fingerprint_key_rotation(self, key_id: str, *, force: bool = False) -> None:
        """Allow the new fingerprint key id alone.

        Args:
            key_id: The new one, 16 hex digits.
            force: Also while attached reactors have another key: they are shut out until they have the new one. Without
                it m8 raises `ConflictError` and names them.
        """
        request = commands_pb2.FinishFingerprintKeyRotationRequest(key_id=_check_key_id(key_id), force=force)
        await self._connection.call(methods.FINISH_FINGERPRINT_KEY_ROTATION, request, CALL_TIMEOUT_S)


def _check_key_id(key_id: str) -> str:
    if not is_key_id(key_id):
        raise UsageError(
            f"fingerprint key id {key_id!r} is not valid: 16 lower-case hex digits.",
            fix="Copy it from what `m8 reactor fingerprint-key` printed.",
        )
    return key_id
