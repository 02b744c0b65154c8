"""Whom a short name stands for: an issuer's, and that of a member whose name can change hands at its issuer.

Each has a stream with one event: the first use decides for ever. A token that does not fit is not exchanged.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from google.protobuf.message import Message

from monoskope.api.secrets.v1 import events_pb2
from monoskope.errors import Code, Error, docs_page
from monoskope.protocol.login import ExchangeRefusal, Member

_CODES: Mapping[ExchangeRefusal, Code] = MappingProxyType(
    {
        ExchangeRefusal.NO_ISSUERS: Code.REFUSED,
        ExchangeRefusal.TOKEN_TYPE: Code.USAGE,
        ExchangeRefusal.NO_RULE: Code.REFUSED,
        ExchangeRefusal.SEVERAL_RULES: Code.REFUSED,
        ExchangeRefusal.NAME: Code.REFUSED,
        ExchangeRefusal.EMAIL_UNVERIFIED: Code.REFUSED,
        ExchangeRefusal.GROUPS: Code.REFUSED,
        ExchangeRefusal.TOO_MANY_GROUPS: Code.REFUSED,
        ExchangeRefusal.ISSUER_CHANGED: Code.REFUSED,
        ExchangeRefusal.SUBJECT_CHANGED: Code.REFUSED,
        ExchangeRefusal.ISSUER_UNAVAILABLE: Code.UNAVAILABLE,
    }
)
"""The code of each refusal that is about more than the token itself, whose code is UNAUTHENTICATED."""

_ANOTHER = "Get a new token from the issuer, for this m8."


class ExchangeRefusedError(Error):
    """A token is not exchanged. Neither the token nor what it claims stands in the error.

    Args:
        refusal: Why.
        message: As for every error.
        fix: As for every error.
    """

    def __init__(self, refusal: ExchangeRefusal, message: str, *, fix: str = _ANOTHER) -> None:
        super().__init__(message, fix=fix, code=_CODES.get(refusal, Code.UNAUTHENTICATED))
        self.refusal = refusal
        self.issuer = ""
        """The issuer's short name, if its signature was valid."""


def member_stream(member: Member) -> str:
    """Return the stream of a member's name: `member/<64 hex>`."""
    return f"member/{hashlib.sha256(str(member).encode()).hexdigest()}"


@dataclass(frozen=True, slots=True)
class Registration:
    """Whom a name stands for.

    Attributes:
        version: The number of events of its stream.
        holder: The issuer's `iss`, or the member's `sub`; "" while the name was never used.
    """

    version: int = 0
    holder: str = ""


def fold(messages: Iterable[Message | None]) -> Registration:
    """Return what the events of a stream say; None stands for one of an unknown type. The first one counts."""
    version, holder = 0, ""
    for version, message in enumerate(messages, 1):  # noqa: B007 - the last number is the version
        match message:
            case events_pb2.IssuerRegistered():
                holder = holder or message.issuer
            case events_pb2.MemberRegistered():
                holder = holder or message.issuer_subject
            case _:
                pass
    return Registration(version, holder)


def register_issuer(known: Registration, name: str, issuer: str) -> list[Message]:
    """Return the events of a use of an issuer's short name.

    Raises:
        ExchangeRefusedError: ISSUER_CHANGED.
    """
    if not known.holder:
        return [events_pb2.IssuerRegistered(name=name, issuer=issuer)]
    if known.holder != issuer:
        raise ExchangeRefusedError(
            ExchangeRefusal.ISSUER_CHANGED,
            f"the short name {name} stood for another issuer before, and its members keep what they may do.",
            fix="Let an administrator of m8 give the new issuer another name in m8.toml.",
        )
    return []


def register_member(known: Registration, member: Member, subject: str) -> list[Message]:
    """Return the events of a use of a member's name that can change hands.

    Raises:
        ExchangeRefusedError: SUBJECT_CHANGED.
    """
    if not known.holder:
        return [events_pb2.MemberRegistered(member=str(member), issuer_subject=subject)]
    if known.holder != subject:
        raise ExchangeRefusedError(
            ExchangeRefusal.SUBJECT_CHANGED,
            f"the name of {member} belonged to somebody else at its issuer before.",
            fix=f"Let an administrator of m8 name you by `sub`: {docs_page('operate/issuers.md')} says how.",
        )
    return []
