"""Changes as people and programs see them: what is asked, what of it is proven, and who has approved it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Literal

from monoskope.client.people import People
from monoskope.client.results.changes import Approval, ProposedChange
from monoskope.client.walk.receipts import NO_RECEIPT
from monoskope.client.walk.results import Proven
from monoskope.monoctl.output import terminal
from monoskope.monoctl.output.formats import Document, fields_of, pairs
from monoskope.monoctl.output.views import NEEDS_RIGHT, of_people, tell_approved
from monoskope.protocol.purposes import PURPOSES
from monoskope.text import counted, json_text
from monoskope.times import instant
from monoskope.value import Value

COLUMNS = {
    "CHANGE": "change_id",
    "WHAT": "purpose",
    "URI": "place",
    "REQUESTER": "requester",
    "APPROVALS": "approved",
    "STATE": "state",
    "PROVEN": "proven",
    "PROPOSED": "proposed_at",
}
"""Of a list."""
_SHOWN = frozenset({"purpose", "uri", "destination", "keys", "expect", "expect_version"})
"""Fields of the request that have a line of their own."""
ONLY_THE_REACTOR = (
    "whose keys they are, and whether they are enough, only the store's reactor decides. Who proposed it and its state"
    " are m8's word."
)


def document(change: ProposedChange) -> Document:
    """Everything that is known of a change."""
    return fields_of(change) | {"approved": sum(not one.why_not for one in change.approvals)}


SaidBy = Literal["change", "receipt", "here", "not", "m8"]
"""Who says a line: the change itself, which is signed; a receipt of the pinned identity; this program, which has looked
at it and finds that it holds, or that it does not; or m8 alone."""


class Line(Value, frozen=True):
    """One line about a change."""

    name: str
    text: str
    said_by: SaidBy = "change"


def described(change: ProposedChange, people: People) -> list[Line]:
    """Return a change in lines, all that is asked and nothing shortened: what is not here is not signed."""
    shown = people.with_id
    lines = [
        Line("Change", change.change_id),
        Line("SHA-256", change.sha256),
        Line("What", what(change)),
        Line("Keys", ", ".join(change.keys)),
        Line(
            "Expects",
            _expects(change) + ("" if change.state == "DONE" else f": {_proven(change)}"),
            "receipt" if change.proven and change.state != "DONE" else "change",
        ),
        *(Line(name, _text(value)) for name, value in change.asked.items() if name not in _SHOWN),
        Line("Fingerprint", change.fingerprint),
        Line("Requester", f"{change.requester} (m8 says that {shown(change.subject)} proposed it)"),
        Line("Reason", change.reason),
        Line("Until", instant(1000 * change.change.not_after)),
        Line(
            "Identity",
            f"{change.identity}, which is {'' if change.pinned else 'NOT '}pinned here",
            "here" if change.pinned else "not",
        ),
        Line("State", f"m8 says {change.state}" + (f" by {shown(change.ended_by)}" if change.ended_by else ""), "m8"),
        Line("Why declined", change.decline_reason, "m8"),
        Line("Done", _done(change), "receipt" if change.done else "m8"),
        *(
            Line(f"Approval {number}", _approval(one, people), "not" if one.why_not else "here")
            for number, one in enumerate(change.approvals, start=1)
        ),
    ]
    return [one for one in lines if one.text]


def what(change: ProposedChange) -> str:
    """Return what is to be done, and where: said once more where people agree, below all words of others."""
    return f"{change.purpose} {change.uri}" + ("" if change.place == change.uri else f" to {change.place}")


def lines_of(change: ProposedChange, people: People) -> Iterator[str]:
    """Yield the lines for the terminal on stdout, none of which others begin, and last what is to be done."""
    for one in described(change, people):
        first, *rest = terminal.folded(one.text, len(one.name) + 2, sys.stdout)
        yield f"{one.name}: {first}"
        yield from rest
    yield f"All of this is: {what(change)}"


def describe(change: ProposedChange, people: People, *, err: bool = False) -> None:
    """Print a change, all that is asked and nothing shortened."""
    pairs({one.name: one.text for one in described(change, people)}, err=err, fold=True)


def _expects(change: ProposedChange) -> str:
    if not change.expected_version:
        return "that nothing is there"
    undeletes = PURPOSES[change.change.request.purpose].undeletes
    return f"version {change.expected_version}" + (" to have been deleted" if undeletes else "")


def _proven(change: ProposedChange) -> str:
    if change.proven:
        return "a receipt of the pinned identity proves it"
    needs = NEEDS_RIGHT if change.why_not_proven == NO_RECEIPT and change.expected_version else ""
    return f"not proven here, {change.why_not_proven}{needs}"


def tell_done(result: Proven) -> None:
    """Print who approved what was done."""
    tell_approved(((one.principal, one.key) for one in result.approvers), result.break_glass)


def _done(change: ProposedChange) -> str:
    if not change.done:
        # The newest receipt is another one: of what was written since.
        return f"see `monoctl get upload {change.request_id}`" if change.state == "DONE" else ""
    people = of_people((one.principal, one.key) for one in change.approvers) or "nobody"
    return f"a receipt of the pinned identity proves it; approved by {people}"


def _approval(one: Approval, people: People) -> str:
    given = f"{one.key or 'no key'}, which m8 got from {people.with_id(one.subject)}"
    if one.principal:
        given += f"; a certificate for {one.principal}"
    if one.certificate_ends_at is not None:
        given += f" until {instant(round(1000 * one.certificate_ends_at.timestamp()))}"
    return f"{given}; does not count: {one.why_not}" if one.why_not else given


def _text(value: object) -> str:
    return value if isinstance(value, str) else json_text(value)


def waits(change: ProposedChange, needed: int) -> None:
    """Say how far a change is that is waited for."""
    asked = f" of up to {needed}" if needed else ""
    terminal.note(
        f"change {change.change_id} has {counted(len(change.counting), 'approval')}{asked}; waiting for more."
    )
