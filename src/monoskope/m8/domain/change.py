"""A change that is proposed and approved: what its stream tells, and what may be added to it.

m8 carries approvals, and decides nothing by them: it verifies no signature and counts none. Whether a change was
approved the store's reactor alone decides (docs/protocol.md, Approvals). Who may do what here is `service.policy`'s.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace

from monoskope.api.secrets.v1 import events_pb2
from monoskope.errors import (
    AlreadyExistsError,
    ConflictError,
    NotFoundError,
    RateLimitedError,
    RefusedError,
    UsageError,
)
from monoskope.m8.domain.events import read
from monoskope.m8.log.event_log import RecordedEvent
from monoskope.protocol.change import Change, parse_change
from monoskope.protocol.identity import Namespace
from monoskope.protocol.request import is_reason
from monoskope.protocol.sshsig import parse as parse_signature
from monoskope.protocol.wire import MalformedError
from monoskope.uri import SecretUri
from monoskope.value import Value

LONGEST_S = 168 * 3_600
"""Seconds: the most that any reactor can be told to allow until `not_after`."""

BETWEEN_CLOCKS_S = 300
"""Seconds by which the clocks of m8 and of a requester may differ."""

MOST_APPROVALS = 16
"""Approvals that m8 keeps of one change, twice as many as a request can carry: one may not count, or end."""

MOST_OF_SUBJECT = 2
"""Approvals of one change that one subject may hand in: a second one for a certificate that ends."""


class Approval(Value, frozen=True):
    """An approval as it was handed in."""

    hidden = frozenset({"signature"})

    signature: bytes
    """The SSHSIG, without armour."""
    subject: str
    """Who handed it in. Who signed, the signature says."""
    at_ms: int


class Proposal(Value, frozen=True):
    """What the stream of a change tells."""

    version: int = 0
    """Events in its stream."""
    change: Change | None = None
    """None while there is none, or if only a newer m8 can read it."""
    subject: str = ""
    """Who proposed it."""
    proposed_ms: int = 0
    changed_ms: int = 0
    approvals: tuple[Approval, ...] = ()
    declined_by: str = ""
    decline_reason: str = ""
    withdrawn_by: str = ""

    @property
    def uri(self) -> SecretUri | None:
        """The secret that its request is about, None while there is none."""
        return None if self.change is None else self.change.request.uri

    @property
    def is_over(self) -> bool:
        """Whether it was declined or withdrawn: m8 carries it no more."""
        return bool(self.declined_by or self.withdrawn_by)


NEW = Proposal()

_PREFIX = "change/"


def change_stream(change_id: bytes) -> str:
    """Return the stream of a change: `change/<32 hex>`."""
    return _PREFIX + change_id.hex()


def places(change: Change) -> tuple[SecretUri, ...]:
    """Return what a change is about: its secret, and the destination of a copy."""
    request = change.request
    return (request.uri,) if request.destination is None else (request.uri, request.destination)


def fold(events: Iterable[RecordedEvent], known: Proposal = NEW) -> Proposal:
    """Return `known` after recorded events of its stream. What cannot follow changes nothing but the version."""
    for event in events:
        known = _after(known, event)
    return known


def _after(known: Proposal, event: RecordedEvent) -> Proposal:
    message, version, at_ms = read(event), known.version + 1, event.recorded_at_ms
    if isinstance(message, events_pb2.SecretChangeProposed) and version == 1:
        try:
            change = parse_change(message.change)
        except MalformedError:
            change = None
        return Proposal(version, change, event.actor, at_ms, at_ms)
    known = replace(known, version=version)
    if known.is_over:
        return known
    match message:
        case events_pb2.SecretChangeApproved():
            approvals = (*known.approvals, Approval(message.approval, event.actor, at_ms))
            return replace(known, changed_ms=at_ms, approvals=approvals)
        case events_pb2.SecretChangeDeclined():
            return replace(known, changed_ms=at_ms, declined_by=event.actor, decline_reason=message.reason)
        case events_pb2.SecretChangeWithdrawn():
            return replace(known, changed_ms=at_ms, withdrawn_by=event.actor)
        case _:
            return known


def propose(known: Proposal, change: Change, subject: str) -> list[events_pb2.SecretChangeProposed]:
    """Decide to propose a change: [] if the same subject proposed the same bytes before.

    Raises:
        AlreadyExistsError: the id is taken by anything else; no detail.
    """
    if known.version:
        if known.change is not None and known.change.content == change.content and known.subject == subject:
            return []
        raise AlreadyExistsError("the id of the change is taken.", fix="Propose it again under a new id.")
    return [events_pb2.SecretChangeProposed(change=change.content)]


def check_time(change: Change, now_ms: int) -> None:
    """Raise `UsageError` if no reactor can execute a change until its `not_after`, or not as long as that."""
    left_s = change.not_after - now_ms / 1000
    if left_s < 0:
        raise UsageError("Change: not_after is over.", fix="Propose it again with a later time; compare the clocks.")
    if left_s > LONGEST_S + BETWEEN_CLOCKS_S:
        raise UsageError("Change: not_after is more than 168 hours ahead.", fix="Propose it for a shorter time.")


def approve(known: Proposal, approval: bytes, subject: str) -> list[events_pb2.SecretChangeApproved]:
    """Decide to take an approval: [] if its bytes are there.

    Raises:
        NotFoundError: there is no such change.
        RefusedError: the subject proposed it.
        ConflictError: it was declined or withdrawn.
        UsageError: it has not the form of an approval. Nothing is verified.
        RateLimitedError: it has as many approvals as it may, or as many of that subject.
    """
    _require_other(known, subject, "approve")
    if any(approval == one.signature for one in known.approvals):
        return []
    _require_there(known)
    parse_signature(approval, Namespace.APPROVAL)
    own = sum(one.subject == subject for one in known.approvals)
    if own >= MOST_OF_SUBJECT or len(known.approvals) >= MOST_APPROVALS:
        raise RateLimitedError(
            f"m8 keeps {MOST_APPROVALS} approvals of a change, {MOST_OF_SUBJECT} of one user, and they are there.",
            fix="Let the change be withdrawn, and proposed again.",
        )
    return [events_pb2.SecretChangeApproved(approval=approval)]


def decline(known: Proposal, reason: str, subject: str) -> list[events_pb2.SecretChangeDeclined]:
    """Decide to decline a change: [] if the same subject did so with the same words.

    Raises:
        NotFoundError, RefusedError, ConflictError: as `approve`.
        UsageError: the reason holds what cannot be printed.
    """
    _require_other(known, subject, "decline")
    if (known.declined_by, known.decline_reason) == (subject, reason):
        return []
    _require_there(known)
    if reason and not is_reason(reason):
        raise UsageError("reason: must be at most 500 printable characters.", fix="Say it in plain text.")
    return [events_pb2.SecretChangeDeclined(reason=reason)]


def withdraw(known: Proposal, subject: str) -> list[events_pb2.SecretChangeWithdrawn]:
    """Decide to withdraw a change: [] if that was done.

    Raises:
        NotFoundError: there is no such change.
        RefusedError: another subject proposed it.
        ConflictError: it was declined.
    """
    if not known.version:
        raise unknown_change()
    if known.subject != subject:
        raise RefusedError(f"{known.subject} proposed this change.", fix="Decline it, if you may approve it.")
    if known.withdrawn_by:
        return []
    _require_there(known)
    return [events_pb2.SecretChangeWithdrawn()]


def unknown_change() -> NotFoundError:
    """Return the one answer to a change that is missing or not for the caller to see."""
    return NotFoundError("there is no such change, or it is not yours to see.", fix="Look at: monoctl get changes.")


def _require_other(known: Proposal, subject: str, verb: str) -> None:
    if not known.version:
        raise unknown_change()
    if known.subject == subject:
        raise RefusedError(f"you proposed this change; others {verb} it.", fix="Withdraw it, or ask somebody else.")


def _require_there(known: Proposal) -> None:
    if known.is_over:
        how = f"{known.withdrawn_by} withdrew" if known.withdrawn_by else f"{known.declined_by} declined"
        raise ConflictError(f"{how} this change, and m8 carries it no more.", fix="Let it be proposed again.")
