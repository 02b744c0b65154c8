"""When a change may be approved or executed, and what is told of one that may not be, or whose wait ends."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from monoskope.client.purposes import encoded
from monoskope.errors import (
    AlreadyExistsError,
    ConflictError,
    IdentityChangedError,
    RefusedError,
    TimedOutError,
    UnauthenticatedError,
    UnavailableError,
    UsageError,
    docs_page,
)
from monoskope.protocol.request import MAX_REASON_LENGTH, is_reason
from monoskope.text import says_something

if TYPE_CHECKING:
    from monoskope.client.results.changes import ProposedChange
    from monoskope.client.walk.target import Target


def check_open(change: ProposedChange) -> None:
    """Raise what ended a change, if something did, as m8 says or by this machine's clock.

    Raises:
        RefusedError: it was declined or withdrawn.
        ConflictError: it was overtaken.
        TimedOutError: its time is over.
        AlreadyExistsError: it was done.
    """
    said, which = f"{change.uri}: m8 says that", f"change {change.change_id}"
    why = f": {change.decline_reason.removesuffix('.')}" if change.decline_reason else ""
    if change.state == "DECLINED":
        raise RefusedError(f"{said} {change.ended_by} declined {which}{why}.", fix="Talk to them, and propose another.")
    if change.state == "WITHDRAWN":
        raise RefusedError(f"{said} {change.ended_by} withdrew {which}.", fix="Propose another one.")
    if change.state == "OVERTAKEN":
        raise ConflictError(
            f"{said} {which} was overtaken: another version is there than it expects; nothing was written.",
            fix="Look at it with `monoctl get secret`, and propose another change.",
        )
    if change.state == "DONE":
        raise AlreadyExistsError(
            f"{said} {which} was done already.", fix=f"See `monoctl get upload {change.request_id}`."
        )
    if change.state == "ENDED" or change.change.not_after < time.time():
        raise TimedOutError(
            f"{change.uri}: the time of {which} is over; nothing was written.", fix="Propose another one."
        )


def check_reason(reason: str) -> None:
    """Raise `UsageError` unless `reason` can say why something is done, to people."""
    if not (is_reason(reason) and says_something(reason)):
        raise UsageError(
            f"a reason has 1 to {MAX_REASON_LENGTH} printable characters, not blanks alone, and none that turns the"
            " direction of text.",
            fix="Say why, shorten it, or write it in one line.",
        )


def sealed_for(change: ProposedChange, values: Mapping[str, bytes] | None) -> bytes:
    """Return the padded plaintext for a change. Raises `UsageError` unless the values are those of its keys."""
    keys = tuple(sorted(values or {}))
    if keys != change.keys:
        takes = f"takes the values of {', '.join(change.keys)}" if change.keys else "takes no values"
        raise UsageError(
            f"{change.uri}: change {change.change_id} {takes}, and no others; nothing was sent.",
            fix="Give exactly those, or propose another change.",
        )
    return encoded(values) if values else b""


def check_identity(change: ProposedChange, target: Target) -> None:
    """Raise `IdentityChangedError` if a change is for another identity than the one that is pinned now."""
    if target.trust.pin != change.identity:
        raise IdentityChangedError(
            f"{change.uri}: change {change.change_id} is for the identity {change.identity}, and {target.trust.pin} is"
            " pinned here; nothing was signed.",
            fix=f"If the store took a new identity since, propose it again ({docs_page('approvals.md')}).",
        )


def check_same(change: ProposedChange, sha256: str, *, otherwise: str) -> None:
    """Raise `IdentityChangedError` unless a change has the SHA-256 that somebody looked at: m8 may show another one."""
    if sha256.lower() != change.sha256:
        raise IdentityChangedError(
            f"change {change.change_id} has the SHA-256 {change.sha256}, and you looked at another one; {otherwise}.",
            fix=f"Look at it with `monoctl describe change {change.change_id}`. If it was altered, tell its requester.",
        )


@contextmanager
def stays(change: ProposedChange) -> Iterator[None]:
    """Say of what ends a wait that the change stays proposed, so that it can be gone on with."""
    try:
        yield
    except (UnavailableError, UnauthenticatedError) as error:
        error.message = f"{error.message} Nothing was written; change {change.change_id} stays proposed."
        error.fix = f"{error.fix} Then go on with `monoctl run change {change.change_id}`.".lstrip()
        raise
