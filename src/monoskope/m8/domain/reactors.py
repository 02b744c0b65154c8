"""Which reactors may log in: the attached processes of a store, and the fingerprint key ids that are allowed.

m8 adopts the key id of the first reactor. An administrator can rotate it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from google.protobuf.message import Message

from monoskope.api.gateway.v1 import views_pb2
from monoskope.api.secrets.v1 import events_pb2
from monoskope.errors import ConflictError, RefusedError, UsageError
from monoskope.protocol.grant import is_key_id
from monoskope.protocol.hello import MAX_REPLICAS
from monoskope.text import some


def beat_key(store: str, replica: bytes) -> str:
    """Return the key of a process's heartbeats in the log: `<store>/<32 hex>`."""
    return f"{store}/{replica.hex()}"


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


class LoginRefusedError(RefusedError):
    """A reactor may not log in.

    Args:
        message: As for every error.
        refusal: Why.
        allowed: The fingerprint key ids that are allowed, if that is the reason.
        fix: As for every error.
    """

    def __init__(
        self, message: str, *, refusal: views_pb2.LoginRefusal, fix: str, allowed: Collection[str] = ()
    ) -> None:
        super().__init__(message, fix=fix)
        self.refusal = refusal
        self.allowed = tuple(sorted(allowed))


@dataclass(frozen=True, slots=True)
class Attachments:
    """The attached processes of one store, by replica, those attached first at the front."""

    version: int = 0
    attached: Mapping[bytes, events_pb2.ReactorAttached] = field(default_factory=dict)

    def after(self, message: Message | None) -> Attachments:
        """Return them after a recorded event, None for one of an unknown type."""
        attached = dict(self.attached)
        match message:
            case events_pb2.ReactorAttached():
                attached[message.replica] = message
            case events_pb2.ReactorDetached():
                attached.pop(message.replica, None)
            case _:
                pass
        return replace(self, version=self.version + 1, attached=attached)


def attach(attachments: Attachments, event: events_pb2.ReactorAttached) -> list[Message]:
    """Decide on a process that logged in: [] if it is attached with the same capabilities and key id already.

    Raises:
        LoginRefusedError: as many others are attached as one store may have.
    """
    known = attachments.attached.get(event.replica)
    if (
        known is not None
        and known.capabilities == event.capabilities
        and known.fingerprint_key_id == event.fingerprint_key_id
    ):
        return []
    if known is None and len(attachments.attached) >= MAX_REPLICAS:
        raise LoginRefusedError(
            f"the store {event.store} has {len(attachments.attached)} attached reactors; it may have {MAX_REPLICAS}.",
            refusal=views_pb2.LOGIN_REFUSAL_TOO_MANY_REACTORS,
            fix="Stop one of them. One that is gone is forgotten after 10 s without a heartbeat.",
        )
    return [event]


def detach(attachments: Attachments, *, store: str, replica: bytes) -> list[Message]:
    """Decide on a process that is gone: [] if it is not attached."""
    if replica not in attachments.attached:
        return []
    return [events_pb2.ReactorDetached(store=store, replica=replica)]


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
