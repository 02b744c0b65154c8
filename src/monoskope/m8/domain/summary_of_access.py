"""What an event about rights says in a few words: a token, a role binding, an issuer, a member. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from google.protobuf.message import Message

from monoskope.api.secrets.v1 import events_pb2
from monoskope.m8.domain.principal import RIGHT_NAMES, ROLE_NAMES

SHOWN = 10
"""How many prefixes of a token, or members of a role binding, an event's detail names at most."""


def of_access(message: Message) -> str:
    """Return what an event says, "" for events that are not about rights."""
    match message:
        case events_pb2.TokenIssued():
            return f"{message.id} for {message.subject}, {_of_token(message)}"
        case events_pb2.RoleBindingCreated():
            said = _allowed(message.role, message.rights, [message.prefix] if message.prefix else [])
            return f"{message.name}: {said}, for {_some(message.members)}"
        case events_pb2.TokenRevoked() | events_pb2.RoleBindingDeleted():
            return message.id if isinstance(message, events_pb2.TokenRevoked) else message.name
        case events_pb2.IssuerRegistered():
            return f"{message.name} is {message.issuer}"
        case events_pb2.MemberRegistered():
            return f"{message.member} is {message.issuer_subject}"
        case _:
            return ""


def _of_token(token: events_pb2.TokenIssued) -> str:
    if not token.member:
        return _allowed(token.role, token.rights, token.prefixes)
    said = "with the rights of its role bindings"
    if token.issuer:
        said += f", by {token.issuer}"
    return said + (f", in {_some(token.groups)}" if token.groups else "")


def _allowed(role: events_pb2.Role, rights: Iterable[events_pb2.Right], prefixes: Sequence[str]) -> str:
    """Return what a role, rights and prefixes allow."""
    # A right or a role of a newer m8 has no name here.
    said = ROLE_NAMES.get(role, f"role {role}")
    names = [RIGHT_NAMES.get(right, f"right {right}") for right in rights]
    if names:
        said += f": {', '.join(names)}"
    return said + (f" below {_some(prefixes)}" if prefixes else "")


def _some(names: Sequence[str]) -> str:
    more = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {more} more" if more > 0 else "")
