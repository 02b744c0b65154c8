"""Which processes of a store's reactor are attached."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from google.protobuf.message import Message

from monoskope.api.gateway.v1 import views_pb2
from monoskope.api.secrets.v1 import events_pb2
from monoskope.m8.domain.refused_login import LoginRefusedError
from monoskope.protocol.hello import MAX_REPLICAS


@dataclass(frozen=True, slots=True)
class Attachments:
    """The attached processes of one store, by replica, those attached first at the front."""

    version: int = 0
    attached: Mapping[bytes, events_pb2.ReactorAttached] = field(default_factory=dict)


def evolve(attachments: Attachments, message: Message | None) -> Attachments:
    """Return `attachments` after a recorded event, None for one of an unknown type."""
    attached = dict(attachments.attached)
    match message:
        case events_pb2.ReactorAttached():
            attached[message.replica] = message
        case events_pb2.ReactorDetached():
            attached.pop(message.replica, None)
        case _:
            pass
    return replace(attachments, version=attachments.version + 1, attached=attached)


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
