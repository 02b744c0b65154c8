"""Which fingerprint key id is valid: m8 adopts the first reactor's; an administrator can change to another."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from google.protobuf.message import Message

from monoskope.api.secrets.v1 import events_pb2
from monoskope.errors import ConflictError, RefusedError, UsageError
from monoskope.protocol.grant import is_key_id


@dataclass(frozen=True, slots=True)
class FingerprintKeyIds:
    """The valid key ids. m8 never holds the key itself."""

    version: int = 0
    current: str = ""
    """"" before the first reactor."""
    next: str = ""
    """Allowed beside `current` while reactors move to it."""

    @property
    def allowed(self) -> frozenset[str]:
        """The key ids that reactors may have now."""
        return frozenset({self.current, self.next} - {""})


def evolve(key: FingerprintKeyIds, message: Message | None) -> FingerprintKeyIds:
    """Return `key` after a recorded event, None for one of an unknown type."""
    key = replace(key, version=key.version + 1)
    match message:
        case events_pb2.FingerprintKeyAdopted():
            return replace(key, current=message.key_id)
        case events_pb2.FingerprintKeyRotationStarted():
            return replace(key, next=message.key_id)
        case events_pb2.FingerprintKeyRotationFinished():
            return replace(key, current=message.key_id, next="")
        case _:
            return key


def adopt(key: FingerprintKeyIds, key_id: str) -> list[Message]:
    """Decide on the key id of a reactor that logs in: the first one ever becomes m8's.

    Raises:
        RefusedError: another one is valid.
    """
    if not key.current:
        return [events_pb2.FingerprintKeyAdopted(key_id=_check(key_id))]
    if key_id not in key.allowed:
        raise RefusedError(
            f"the reactor's fingerprint key has the id {key_id}; here {_listed(key.allowed)} counts.",
            fix="Import the others' key with `m8 reactor fingerprint-key import`, or let an administrator rotate it.",
        )
    return []


def start_rotation(key: FingerprintKeyIds, key_id: str) -> list[Message]:
    """Decide to allow `key_id` beside the current one; [] if it is allowed already as the next.

    Raises:
        ConflictError: there is none yet, it is the current one, or another rotation is under way.
    """
    if not key.current:
        raise ConflictError("no fingerprint key id counts yet.", fix="Attach the first reactor: its key id is adopted.")
    if key_id == key.current:
        raise ConflictError(f"the fingerprint key id {key_id} counts already.", fix="Name the new key's id.")
    if key.next == key_id:
        return []
    if key.next:
        raise ConflictError(f"a rotation to {key.next} is under way.", fix="Finish it first.")
    return [events_pb2.FingerprintKeyRotationStarted(key_id=_check(key_id))]


def finish_rotation(key: FingerprintKeyIds, key_id: str) -> list[Message]:
    """Decide that only `key_id` is valid; [] if that is so already.

    Raises:
        ConflictError: no rotation to it is under way.
    """
    if key_id == key.current and not key.next:
        return []
    if not key.next or key_id != key.next:
        raise ConflictError(f"no rotation to {key_id} is under way.", fix="Start it first.")
    return [events_pb2.FingerprintKeyRotationFinished(key_id=key_id)]


def _check(key_id: str) -> str:
    if not is_key_id(key_id):
        raise UsageError("key_id: must be 16 hex digits.", fix="Copy it from `m8 reactor fingerprint-key new`.")
    return key_id


def _listed(key_ids: Iterable[str]) -> str:
    return " or ".join(sorted(key_ids))
