"""Which reactors may log in: the attached processes of a store."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

from google.protobuf.message import Message

from monoskope.api.gateway.v1 import views_pb2
from monoskope.api.secrets.v1 import events_pb2
from monoskope.errors import RefusedError
from monoskope.protocol.hello import MAX_REPLICAS


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
