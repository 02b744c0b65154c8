"""The events of the log as messages, by name; their streams; and what each says in a few words, for people.

Types that this version does not know are ignored. What an event says in a few words (`detail`) becomes part of the
record and of its outline, which every caller who may see the event is shown: never a fingerprint, a signature, a sealed
byte or its digest.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from monoskope.api.secrets.v1 import events_pb2, upload_pb2
from monoskope.m8.domain.principal import RIGHT_NAMES, ROLE_NAMES
from monoskope.m8.log.event_log import NewEvent, RecordedEvent
from monoskope.protocol import sshsig
from monoskope.protocol.change import parse_change
from monoskope.protocol.events import Step, receipt_of
from monoskope.protocol.grant import parse_grant
from monoskope.protocol.identity import Namespace, open_rotation
from monoskope.protocol.notes import edit_of
from monoskope.protocol.outcomes import State, spelled
from monoskope.protocol.receipt import Receipt, parse_receipt
from monoskope.protocol.request import Request, parse_request
from monoskope.protocol.wire import serialise
from monoskope.text import counted, some
from monoskope.uri import SecretUri

SHOWN = 10
"""How many prefixes of a token, or members of a role binding, an event's detail names at most."""


def _of_token(token: events_pb2.TokenIssued) -> str:
    if not token.member:
        return _allowed(token.role, token.rights, token.prefixes)
    said = "with the rights of its role bindings"
    if token.issuer:
        said += f", by {token.issuer}"
    return said + (f", in {some(token.groups, SHOWN)}" if token.groups else "")


def _allowed(role: events_pb2.Role, rights: Iterable[events_pb2.Right], prefixes: Sequence[str]) -> str:
    """Return what a role, rights and prefixes allow."""
    # A right or a role of a newer m8 has no name here.
    said = ROLE_NAMES.get(role, f"role {role}")
    names = [RIGHT_NAMES.get(right, f"right {right}") for right in rights]
    if names:
        said += f": {', '.join(names)}"
    return said + (f" below {some(prefixes, SHOWN)}" if prefixes else "")


MOST = 512
"""Bytes of a detail at most: it stays in the log for ever, beside what it says again."""


def detail(message: Message) -> str:
    """Return what an event says in a few words: a purpose, an outcome, a reason, a name. A long one is cut."""
    said = _DETAILS.get(type(message), _of_receipt)(message)
    whole = said.encode()
    return said if len(whole) <= MOST else f"{whole[: MOST - 3].decode(errors='ignore')}…"


def _of_binding(message: events_pb2.RoleBindingCreated) -> str:
    said = _allowed(message.role, message.rights, [message.prefix] if message.prefix else [])
    return f"{message.name}: {said}, for {some(message.members, SHOWN)}"


def _of_changed_binding(message: events_pb2.RoleBindingChanged) -> str:
    """Return what is no more, then what is new."""
    was, now = message.before, message.after
    roles = [_allowed(one.role, one.rights, [one.prefix] if one.prefix else []) for one in (was, now)]
    said = [f"{roles[0]} becomes {roles[1]}"] if roles[0] != roles[1] else []
    for word, these, those in (("without", was.members, now.members), ("with", now.members, was.members)):
        if only := sorted(set(these) - set(those)):
            said.append(f"{word} {some(only, SHOWN)}")
    return f"{now.name} of version {message.version}: {', '.join(said)}"


def _of_request(message: events_pb2.SecretUploadKeyRequested) -> str:
    request = parse_request(message.request)
    to = _copied_to(request)
    after = f" after {request.list_after}" if request.list_after else ""
    by = f" by the change {request.change_sha256.hex()[:8]}" if request.change_sha256 else ""
    alone = f" without approvals: {request.break_glass}" if request.break_glass else ""
    return f"{spelled(upload_pb2.Purpose, request.purpose)} of {request.uri}{to}{after}{by}{alone}"


def _of_change(message: events_pb2.SecretChangeProposed) -> str:
    change = parse_change(message.change)
    to = _copied_to(change.request)
    purpose = spelled(upload_pb2.Purpose, change.request.purpose)
    on = f"on version {change.request.expect_version}" if change.request.expect_version else "where nothing is"
    why = f": {change.reason}" if change.reason else ""
    return f"{purpose} of {change.request.uri}{to} {on}, by {change.requester}{why}"


def _copied_to(request: Request) -> str:
    """Return where a COPY goes, and of which keys it is; "" for others."""
    keys = f", keys {some(request.keys, SHOWN)}" if request.keys else ""
    return f" to {request.destination}{keys}" if request.destination else ""


def _of_approval(message: events_pb2.SecretChangeApproved) -> str:
    try:
        found = sshsig.parse(message.approval, Namespace.APPROVAL)
    except sshsig.FaultError:
        return ""
    whose = f", certified for {found.certificate.principal}" if found.certificate is not None else ""
    return f"by the key {found.key.fingerprint}{whose}"


def _of_grant(message: events_pb2.SecretUploadKeyProvided) -> str:
    grant = parse_grant(message.grant.content)
    return f"by replica {grant.replica.hex()[:8]}, for {grant.lifetime_s} s"


def _of_receipt(message: Message) -> str:
    signed = receipt_of(message)
    if isinstance(message, events_pb2.SecretUploadFailed):
        reason = spelled(upload_pb2.Reason, message.reason)
        return f"{reason}, without a receipt" if signed is None else reason
    if signed is None:
        return ""
    receipt = parse_receipt(signed.content)
    by = f", signed by {receipt.signer} with {receipt.signer_key}" if receipt.signer else ""
    return _of_outcome(receipt) + by


def _of_outcome(receipt: Receipt) -> str:
    prior, version = receipt.prior_version, receipt.upstream_version
    match receipt.outcome:
        case upload_pb2.OUTCOME_STARTED:
            by = f"approved by {some([name for name, _ in receipt.approvers], SHOWN)}, " if receipt.approvers else ""
            by += f"without approvals ({receipt.break_glass}), " if receipt.break_glass else ""
            to = f"bringing back version {receipt.restored_version}, " if receipt.restored_version else ""
            return by + to + (f"replacing version {prior}" if prior else "replacing nothing")
        case upload_pb2.OUTCOME_DELETED:
            return f"DELETED, version {prior}"
        case upload_pb2.OUTCOME_LISTED:
            assert receipt.listed is not None, "LISTED holds a page"
            return f"LISTED, {counted(len(receipt.listed.names), 'name')}"
        case outcome:
            was = f" with the content of {receipt.restored_version}" if receipt.restored_version else ""
            return spelled(upload_pb2.Outcome, outcome) + (f", version {version}{was}" if version else "")


_DETAILS: Mapping[type[Message], Callable[[Any], str]] = {
    events_pb2.SecretUploadKeyRequested: _of_request,
    events_pb2.SecretUploadKeyProvided: _of_grant,
    events_pb2.SecretUploadRequested: lambda sent: f"{sent.size} sealed bytes",
    events_pb2.SecretStoreCreated: lambda store: f"{store.name}, type {store.type}, identity {store.identity}",
    events_pb2.SecretStoreActivated: lambda store: store.name,
    events_pb2.SecretStoreDeactivated: lambda store: store.name,
    events_pb2.DefaultSecretStoreSet: lambda store: store.name,
    events_pb2.SecretStoreIdentityRotated: lambda rotated: (
        f"{rotated.name}, to {open_rotation(rotated.rotation, store=rotated.name).new}"
    ),
    events_pb2.SecretStoreIdentityReplaced: lambda replaced: f"{replaced.name}, to {replaced.identity}",
    events_pb2.ReactorAttached: lambda reactor: f"{reactor.store}, replica {reactor.replica.hex()[:8]}",
    events_pb2.ReactorDetached: lambda reactor: f"{reactor.store}, replica {reactor.replica.hex()[:8]}",
    events_pb2.FingerprintKeyAdopted: lambda key: f"key id {key.key_id}",
    events_pb2.FingerprintKeyRotationStarted: lambda key: f"key id {key.key_id}",
    events_pb2.FingerprintKeyRotationFinished: lambda key: f"key id {key.key_id}",
    # Its stream has a hash in its name, not the URI.
    events_pb2.SecretNotesUpdated: lambda updated: f"{updated.uri}: {edit_of(updated.edit)}",
    events_pb2.SecretChangeProposed: _of_change,
    events_pb2.SecretChangeApproved: _of_approval,
    events_pb2.SecretChangeDeclined: lambda declined: declined.reason,
    events_pb2.TokenIssued: lambda token: f"{token.id} for {token.subject}, {_of_token(token)}",
    events_pb2.TokenRevoked: lambda token: token.id,
    events_pb2.RoleBindingCreated: _of_binding,
    events_pb2.RoleBindingChanged: _of_changed_binding,
    events_pb2.RoleBindingDeleted: lambda binding: f"{binding.name} of version {binding.version}",
    events_pb2.IssuerRegistered: lambda issuer: f"{issuer.name} is {issuer.issuer}",
    events_pb2.MemberRegistered: lambda member: f"{member.member} is {member.issuer_subject}",
}
"""What each event says; all others end a request, and say what their receipt does."""


CATALOGUE_STREAM = "secret-stores"
"""The one stream about stores: their names are unique, and one of them is the default."""

FINGERPRINT_KEY_STREAM = "fingerprint-key"
"""The one stream about the fingerprint key id that counts."""

M8 = "m8"
"""The actor of what m8 does of its own accord, or for one who can open the log itself."""

_PARTS = {"StoreCapabilities", "NotesEdit"}
"""The messages beside the events that are parts of one."""

KINDS: Mapping[str, type[Message]] = MappingProxyType(
    {
        name: GetMessageClass(kind)
        for name, kind in events_pb2.DESCRIPTOR.message_types_by_name.items()
        if name not in _PARTS
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
        case events_pb2.SecretChangeProposed():
            about = str(parse_change(message.change).request.uri)
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
