"""The one root of every error that a user can meet, and the stable codes they carry.

A code never changes its meaning. Exit codes and Connect's codes follow from the code (`docs/reference/errors.md`), so
that a script can rely on any of the three. No message, fix or `repr` of an error ever holds a secret value, a token
or a key.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from typing import TypeVar

E = TypeVar("E", bound="Error")


class Code(Enum):
    """What kind of thing went wrong. The value is the stable text that goes over the wire."""

    USAGE = "USAGE"
    """The call itself is malformed: nothing was sent."""
    UNAUTHENTICATED = "UNAUTHENTICATED"
    """No credential, or one that is expired, revoked, tampered with or for someone else."""
    REFUSED = "REFUSED"
    """Denied: the right is missing, the engine refuses, or it cannot do it."""
    NOT_FOUND = "NOT_FOUND"
    """Does not exist, or lies outside what the caller may see."""
    ALREADY_EXISTS = "ALREADY_EXISTS"
    """The name or the request id is taken by something else."""
    IDENTITY_CHANGED = "IDENTITY_CHANGED"
    """A store answers under an identity that is not the pinned one, or a proof does not verify."""
    NOT_AGREED = "NOT_AGREED"
    """The user has not agreed yet to a store's identity, or to the default store; nothing was sent."""
    CONFLICT = "CONFLICT"
    """What is upstream is not what was expected; nothing was written."""
    UNAVAILABLE = "UNAVAILABLE"
    """Nothing was written; trying again later can succeed."""
    TIMED_OUT = "TIMED_OUT"
    """The time ran out before anything was sent to be written."""
    OUTCOME_UNKNOWN = "OUTCOME_UNKNOWN"
    """It may or may not have been written; ask or compare before trying again."""
    PROTOCOL = "PROTOCOL"
    """The other side sent an answer that is not a message of this protocol."""
    RATE_LIMITED = "RATE_LIMITED"
    """Too much at once, or too much in a time; nothing was written. The error says when to come back, if known."""
    NOT_TRIED = "NOT_TRIED"
    """Nothing was sent for this secret, because of what happened to another one of the same call."""
    NOT_AUTHORIZED = "NOT_AUTHORIZED"
    """A store's reactor did not act: its own list does not let this key or person do this; nothing was written."""
    LOG_MISMATCH = "LOG_MISMATCH"
    """What m8 shows of its log does not fit the log that is pinned, or it shows nothing of it any more."""
    NOT_YET = "NOT_YET"
    """It is recorded, and no checkpoint of the log covers it yet; asking again soon can succeed."""
    INTERNAL = "INTERNAL"
    """A defect in Monoskope."""


DOCS = "https://github.com/finleap-connect/monoskope/blob/main/docs"
"""Where the pages are for those who installed a package, which has none."""


def docs_page(path: str) -> str:
    """Return the address of a page of the docs, for notes and fixes; `path` is the one below docs/."""
    return f"{DOCS}/{path}"


class Error(Exception):
    """Root of all errors meant for people.

    Args:
        message: One sentence that says what happened and why. Never a secret.
        fix: One sentence that says what to do next, "" if there is nothing to do.
        code: The stable code; a subclass sets its own default.
        by_m8: Whether message and fix are m8's own words, which say so: they are not checked. A client sets it.
        reason_name: Why a request failed, or m8 exchanges no token, as the protocol names it, for example
            "UPSTREAM_CHANGED"; else "".
        retry_after_s: Seconds after which the same can succeed, if a refusal says so; 0 if that is not known.
    """

    code: Code = Code.INTERNAL
    retry_after_s: float = 0.0

    def __init__(
        self,
        message: str,
        *,
        fix: str = "",
        code: Code | None = None,
        by_m8: bool = False,
        reason_name: str = "",
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.fix = fix
        self.by_m8 = by_m8
        self.reason_name = reason_name
        self.uri = ""
        """The secret that it is about, in the results of a call about several."""
        self.place = ""
        """Where on a server it went wrong, such as a path or an address: no user of the server is told."""
        self.detail = ""
        """The sentence of a store's reactor beside the reason, as its signed receipt says; "" for none."""
        self.lifetime_s = 0
        """With a signed receipt: for how many seconds the store takes what is sent to it, as its grant says."""
        if code is not None:
            self.code = code
        if retry_after_s is not None:
            self.retry_after_s = retry_after_s

    def __str__(self) -> str:
        return f"{self.message} {self.fix}".rstrip()

    @property
    def for_operators(self) -> str:
        """The message as those who run the server read it: with the place, which is none of their users' business."""
        return f"{self.message.removesuffix('.')} ({self.place})." if self.place else self.message


class UsageError(Error):
    """Input is malformed; the message names the field and the rule."""

    code = Code.USAGE


class UnauthenticatedError(Error):
    """The caller could not be identified."""

    code = Code.UNAUTHENTICATED


class RefusedError(Error):
    """The request was understood and denied."""

    code = Code.REFUSED


class NotAuthorizedError(RefusedError):
    """A store's reactor did not act: its own list does not let this key or person do this; nothing was written."""

    code = Code.NOT_AUTHORIZED
    approvals: int = 0
    """How many approvals the store asks for here at most, if it was asked without a change; a client sets it."""


class NotFoundError(Error):
    """The thing does not exist, or is not for the caller to see."""

    code = Code.NOT_FOUND


class AlreadyExistsError(Error):
    """The name or id is taken."""

    code = Code.ALREADY_EXISTS


class IdentityChangedError(Error):
    """A signature, pin or proof does not hold: an attacker in the middle, or an identity that changed."""

    code = Code.IDENTITY_CHANGED


class NotAgreedError(Error):
    """The user has not agreed yet to what is shown for the first time: a store's identity, or the default store."""

    code = Code.NOT_AGREED


class ConflictError(Error):
    """The upstream content or the stream's version is not the expected one."""

    code = Code.CONFLICT


class UnavailableError(Error):
    """Something that is needed does not answer; nothing was written."""

    code = Code.UNAVAILABLE


class AwayError(UnavailableError):
    """Something that is needed is away for a moment, such as a database that fails over; nothing was written.

    A caller that may send the same again does so: it can succeed soon.
    """

    retry_after_s = 1.0


class NotReachedError(UnavailableError):
    """The connection to m8 failed or broke, and m8 did not answer."""


class RateLimitedError(Error):
    """Too much at once, or too much in a time; nothing was written."""

    code = Code.RATE_LIMITED


class LogMismatchError(Error):
    """What m8 shows of its log does not fit the log that is pinned, or it shows nothing of it any more.

    It is found by the checks of docs/witnessed-log.md. Found before anything was sealed, it means that nothing was
    sent.
    """

    code = Code.LOG_MISMATCH
    notes: tuple[str, ...] = ()
    """The signed notes that do not fit together, the earlier one first, whole: they are evidence. A client sets it."""


class NotYetError(Error):
    """What is asked for is recorded, and no checkpoint of the log covers it yet."""

    code = Code.NOT_YET


class NotTriedError(Error):
    """Nothing was sent for this secret, because of what happened to another one of the same call."""

    code = Code.NOT_TRIED


class TimedOutError(Error):
    """Time ran out before anything was sent to be written."""

    code = Code.TIMED_OUT


class OutcomeUnknownError(Error):
    """It may or may not have been written."""

    code = Code.OUTCOME_UNKNOWN
    request_id: str = ""
    """The request whose end is not known, 32 hex digits. A client sets it."""


class ProtocolError(Error):
    """The other side sent an answer that is not a message of this protocol."""

    code = Code.PROTOCOL


def chain(error: BaseException) -> Iterator[BaseException]:
    """Yield `error`, its causes and contexts, and the members of groups among them, each once."""
    left: list[BaseException | None] = [error]
    seen: set[int] = set()
    while left:
        one = left.pop()
        if one is not None and id(one) not in seen:
            seen.add(id(one))
            yield one
            left += [one.__context__, one.__cause__, *(one.exceptions if isinstance(one, BaseExceptionGroup) else ())]


def let_go(error: E) -> E:
    """Return `error` without its traceback, and without those of the errors that it came from.

    A traceback has the frames through which an error passed. If a variable of one of them has the error, the two keep
    each other, and with them all values in these frames, until garbage is collected.
    """
    for one in chain(error):
        one.__traceback__ = None
    return error


def again(error: E) -> E:
    """Return an error like `error` that has passed no frame yet, so that one that is remembered is never raised."""
    # Not `copy.copy`: it calls the class with the message alone, and some classes take more.
    made = type(error).__new__(type(error), *error.args)
    made.__dict__.update(error.__dict__)
    return made
