"""The frames that an error keeps, and the values in them.

m8's refusals as our errors: `google.rpc.ErrorInfo` of our domain, and when to come back.
"""

from __future__ import annotations

from typing import Any, TypeVar

from monoskope import errors
from monoskope.errors import AwayError, Code, Error, RateLimitedError, chain
from monoskope.text import escape

E = TypeVar("E", bound=Error)


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


SAYS, SUGGESTS = "m8 says: ", "m8 suggests: "
"""How an error's message and fix begin when the words are m8's."""

DOMAIN = "monoskope"
MAX_TEXT = 500
"""Characters of m8's words that are shown."""

ERRORS: dict[Code, type[Error]] = {
    Code.USAGE: errors.UsageError,
    Code.UNAUTHENTICATED: errors.UnauthenticatedError,
    Code.REFUSED: errors.RefusedError,
    Code.NOT_FOUND: errors.NotFoundError,
    Code.ALREADY_EXISTS: errors.AlreadyExistsError,
    Code.IDENTITY_CHANGED: errors.IdentityChangedError,
    Code.NOT_AGREED: errors.NotAgreedError,
    Code.CONFLICT: errors.ConflictError,
    Code.UNAVAILABLE: errors.UnavailableError,
    Code.TIMED_OUT: errors.TimedOutError,
    Code.OUTCOME_UNKNOWN: errors.OutcomeUnknownError,
    Code.PROTOCOL: errors.ProtocolError,
    Code.INTERNAL: errors.Error,
    Code.RATE_LIMITED: errors.RateLimitedError,
    Code.NOT_TRIED: errors.NotTriedError,
    Code.NOT_AUTHORIZED: errors.NotAuthorizedError,
    Code.LOG_MISMATCH: errors.LogMismatchError,
    Code.NOT_YET: errors.NotYetError,
}
"""The class of each code."""


def error_in(status: Any) -> Error | None:  # noqa: ANN401 - a google.rpc.Status, loaded on failure alone
    """Return m8's own error: google.rpc.ErrorInfo of our domain, cut at 500 characters; None if there is none.

    Raises:
        DecodeError: a detail is no message of its type.
    """
    from google.rpc import error_details_pb2  # type: ignore[import-untyped]  # noqa: PLC0415

    for detail in status.details:
        info = error_details_pb2.ErrorInfo()
        if detail.Unpack(info) and info.domain == DOMAIN:
            return _from_info(status, info)
    return None


def _from_info(status: Any, info: Any) -> Error:  # noqa: ANN401 - Google's messages, loaded on failure alone
    codes = {code.value: code for code in Code}
    code = codes.get(info.reason, Code.INTERNAL)
    said, suggested = escape(status.message[:MAX_TEXT]), escape(info.metadata.get("fix", "")[:MAX_TEXT])
    fix = f"{SUGGESTS}{suggested}" if suggested else ""
    after_s = _retry_after_s(status)
    # m8 names a time where the same call can succeed soon; not where no reactor is attached, or where a disk is full.
    kind = AwayError if code is Code.UNAVAILABLE and after_s else ERRORS[code]
    error = kind(f"{SAYS}{said}", fix=fix, code=code, by_m8=True, reason_name=_reason_name(info))
    if isinstance(error, RateLimitedError | AwayError):
        error.retry_after_s = after_s
    return error


def _reason_name(info: Any) -> str:  # noqa: ANN401 - as above
    """Return why m8 exchanges no token, "" if it is about something else."""
    from monoskope.protocol.login import read_exchange_refusal  # noqa: PLC0415

    refusal = read_exchange_refusal(info.metadata)
    return "" if refusal is None else refusal.value


def _retry_after_s(status: Any) -> float:  # noqa: ANN401 - as above
    """Return when to come back, as m8 says; 0 if it says nothing that is a time."""
    from google.rpc import error_details_pb2  # noqa: PLC0415

    retry = error_details_pb2.RetryInfo()
    if not any(detail.Unpack(retry) for detail in status.details):
        return 0.0
    return float(max(0.0, retry.retry_delay.seconds + retry.retry_delay.nanos / 1e9))
