"""The events of the log as messages, by name. Types that this version does not know are ignored."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from types import MappingProxyType

from google.protobuf.message import Message

from monoskope.api.secrets.v1 import events_pb2
from monoskope.m8.domain.summary import detail
from monoskope.m8.log.event_log import NewEvent, RecordedEvent
from monoskope.protocol.events import EVENTS, Step
from monoskope.protocol.outcomes import State
from monoskope.protocol.request import parse_request
from monoskope.protocol.wire import serialise
from monoskope.uri import SecretUri

CATALOGUE_STREAM = "secret-stores"
"""The one stream about stores: their names are unique, and one of them is the default."""

FINGERPRINT_KEY_STREAM = "fingerprint-key"
"""The one stream about the fingerprint key id that counts."""

M8 = "m8"
"""The actor of what m8 does of its own accord, or for whoever can open the log itself."""

KINDS: Mapping[str, type[Message]] = MappingProxyType(
    {
        **EVENTS,
        **{
            kind.DESCRIPTOR.name: kind
            for kind in (
                events_pb2.SecretStoreCreated,
                events_pb2.SecretStoreActivated,
                events_pb2.SecretStoreDeactivated,
                events_pb2.DefaultSecretStoreSet,
                events_pb2.SecretStoreIdentityRotated,
                events_pb2.SecretStoreIdentityReplaced,
                events_pb2.ReactorAttached,
                events_pb2.ReactorDetached,
                events_pb2.FingerprintKeyAdopted,
                events_pb2.FingerprintKeyRotationStarted,
                events_pb2.FingerprintKeyRotationFinished,
                events_pb2.TokenIssued,
                events_pb2.TokenRevoked,
                events_pb2.SecretNotesUpdated,
                events_pb2.RoleBindingCreated,
                events_pb2.RoleBindingDeleted,
                events_pb2.IssuerRegistered,
                events_pb2.MemberRegistered,
            )
        },
    }
)
"""Every event: the name of its type, which is its message's name, and its message."""

_ON_THE_WAY = frozenset(step.event for step in Step if step.leads_to is not State.ENDED)


def write(message: Message, *, uri: SecretUri | None = None) -> NewEvent:
    """Return `message` as an event to append. Fields that this version does not know are dropped.

    Args:
        message: The event.
        uri: The secret that it is about, where it does not say that itself.
    """
    message.DiscardUnknownFields()
    about = str(uri or "")
    match message:
        case events_pb2.SecretUploadKeyRequested():
            about = str(parse_request(message.request).uri)
        case events_pb2.SecretNotesUpdated():
            about = message.uri
        case _:
            pass
    return NewEvent(message.DESCRIPTOR.name, serialise(message), about, detail(message))


def read(event: RecordedEvent) -> Message | None:
    """Return what `event` says, None if its type is unknown here."""
    kind = KINDS.get(event.type)
    return None if kind is None else kind.FromString(event.data)


def may_end(event: RecordedEvent) -> bool:
    """Whether a request may be over after `event`: everything but the steps on the way, unknown types included."""
    return event.type not in _ON_THE_WAY


def reactor_stream(store: str) -> str:
    """Return the stream of a store's reactors: `reactor/<store>`."""
    return f"reactor/{store}"


def notes_stream(uri: SecretUri) -> str:
    """Return the stream of the edits of a secret's notes: `notes/<64 hex>`, for a URI can be as long as a name."""
    return f"notes/{hashlib.sha256(str(uri).encode()).hexdigest()}"


def issuer_stream(name: str) -> str:
    """Return the stream of an issuer's short name: `issuer/<short name>`."""
    return f"issuer/{name}"


def token_stream(token_id: str) -> str:
    """Return the stream of a credential: `token/<32 hex>`."""
    return f"token/{token_id}"
