"""Which fingerprint key ids are allowed: m8 adopts that of the first reactor, and an administrator can rotate it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from google.protobuf.message import Message

from monoskope.api.gateway.v1 import views_pb2
from monoskope.api.secrets.v1 import events_pb2
from monoskope.errors import ConflictError, UsageError
from monoskope.m8.domain.reactors import LoginRefusedError
from monoskope.protocol.grant import is_key_id
from monoskope.text import some

NAMED = 8
"""How many reactors a sentence names at most."""


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

    def after(self, message: Message | None) -> FingerprintKeyIds:
        """Return them after a recorded event, None for one of an unknown type."""
        version = self.version + 1
        match message:
            case events_pb2.FingerprintKeyAdopted():
                return replace(self, version=version, current=message.key_id)
            case events_pb2.FingerprintKeyRotationStarted():
                return replace(self, version=version, next=message.key_id)
            case events_pb2.FingerprintKeyRotationFinished():
                return replace(self, version=version, current=message.key_id, next="")
            case _:
                return replace(self, version=version)


def adopt(key: FingerprintKeyIds, key_id: str) -> list[Message]:
    """Decide on the key id of a reactor that logs in: the first one ever becomes m8's.

    Raises:
        LoginRefusedError: another one is valid.
    """
    if not key.current:
        return [events_pb2.FingerprintKeyAdopted(key_id=_check(key_id))]
    require_allowed(key, key_id)
    return []


def require_allowed(key: FingerprintKeyIds, key_id: str) -> None:
    """Raise `LoginRefusedError` if a reactor with the key `key_id` may not be attached now."""
    if key_id not in key.allowed:
        raise LoginRefusedError(
            f"the reactor's fingerprint key has the id {key_id}; here {_listed(key.allowed)} counts.",
            refusal=views_pb2.LOGIN_REFUSAL_FINGERPRINT_KEY,
            allowed=key.allowed,
            fix="Import the others' key (m8 reactor fingerprint-key import), or let an administrator allow this one"
            " beside it (monoctl start fingerprint-key-rotation).",
        )


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
        raise ConflictError(
            f"a rotation to {key.next} is under way.",
            fix="Finish it when all reactors have that key. If it was a mistake, give it up: monoctl finish"
            f" fingerprint-key-rotation {key.current}",
        )
    return [events_pb2.FingerprintKeyRotationStarted(key_id=_check(key_id))]


def finish_rotation(
    key: FingerprintKeyIds, key_id: str, *, left: Sequence[str] = (), force: bool = False
) -> list[Message]:
    """Decide that only `key_id` is valid; [] if that is so already.

    Args:
        key: The valid key ids.
        key_id: The new one, or the former one to give the rotation up.
        left: The names of attached reactors that have another key.
        force: Whether to finish although there are such reactors. They are shut out.

    Raises:
        ConflictError: no rotation to it is under way, or reactors have another key.
    """
    if key_id == key.current and not key.next:
        return []
    if key_id not in key.allowed:
        under_way = f"; one to {key.next} is" if key.next else ""
        raise ConflictError(
            f"no rotation to {key_id} is under way{under_way}.", fix="Compare the id: m8 reactor fingerprint-key id DIR"
        )
    if left and not force:
        raise ConflictError(
            f"attached reactors still have another fingerprint key than {key_id}: {some(left, NAMED)}."
            " Nothing was changed.",
            fix="Import the new key on each (m8 reactor fingerprint-key import --replace), start it again, then finish."
            " A reactor that was stopped is forgotten after 10 s. With --force these reactors are shut out.",
        )
    return [events_pb2.FingerprintKeyRotationFinished(key_id=key_id)]


def _check(key_id: str) -> str:
    if not is_key_id(key_id):
        raise UsageError("key_id: must be 16 hex digits.", fix="Copy it from `m8 reactor fingerprint-key new`.")
    return key_id


def _listed(key_ids: Iterable[str]) -> str:
    return " or ".join(sorted(key_ids))
