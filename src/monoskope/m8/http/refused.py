"""How an error leaves: the JSON that Connect has for it, with `ErrorInfo` and `RetryInfo` as details."""

from __future__ import annotations

import json
import math
from base64 import b64encode
from collections.abc import Iterator, Mapping
from types import MappingProxyType

from google.protobuf import json_format
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc import error_details_pb2  # type: ignore[import-untyped]

from monoskope.errors import AwayError, Code, Error, RateLimitedError, TimedOutError
from monoskope.http.messages import Response
from monoskope.m8.domain.principal import ExchangeRefusedError
from monoskope.m8.domain.reactors import LoginRefusedError
from monoskope.protocol.login import exchange_refusal_words, login_refusal_words

Headers = tuple[tuple[str, str], ...]

DOMAIN = "monoskope"
"""Of `google.rpc.ErrorInfo`, which carries our own code."""

CONNECT_CODE: Mapping[Code, str] = MappingProxyType(
    {
        Code.USAGE: "invalid_argument",
        Code.UNAUTHENTICATED: "unauthenticated",
        Code.REFUSED: "permission_denied",
        Code.NOT_FOUND: "not_found",
        Code.ALREADY_EXISTS: "already_exists",
        Code.IDENTITY_CHANGED: "failed_precondition",
        Code.NOT_AGREED: "failed_precondition",
        Code.CONFLICT: "aborted",
        Code.UNAVAILABLE: "unavailable",
        Code.TIMED_OUT: "deadline_exceeded",
        Code.OUTCOME_UNKNOWN: "unknown",
        Code.PROTOCOL: "data_loss",
        Code.INTERNAL: "internal",
        Code.RATE_LIMITED: "resource_exhausted",
        Code.NOT_TRIED: "canceled",
        Code.NOT_AUTHORIZED: "permission_denied",
        Code.LOG_MISMATCH: "failed_precondition",
        Code.NOT_YET: "unavailable",
    }
)
"""Connect's code of every code of ours."""

HTTP_STATUS: Mapping[str, int] = MappingProxyType(
    {
        "canceled": 499,
        "unknown": 500,
        "invalid_argument": 400,
        "deadline_exceeded": 504,
        "not_found": 404,
        "already_exists": 409,
        "permission_denied": 403,
        "resource_exhausted": 429,
        "failed_precondition": 400,
        "aborted": 409,
        "out_of_range": 400,
        "unimplemented": 501,
        "internal": 500,
        "unavailable": 503,
        "data_loss": 500,
        "unauthenticated": 401,
    }
)
"""The HTTP status of each of Connect's codes, by its protocol."""

JSON = ("Content-Type", "application/json")


class OverdueError(TimedOutError):
    """The caller's deadline passed while the call ran.

    Other than with `TimedOutError`, what was asked for may have been done. So it says none of our stable codes: a
    client decides, as it does when it meets its deadline by itself.
    """

    def __init__(self) -> None:
        super().__init__("the time of the call ran out; what it asked for may have been done.")


def to_json(error: Error) -> dict[str, object]:
    """Return `error` as Connect has it in JSON: its code, our sentence, and the details with their readable form."""
    found: dict[str, object] = {"code": CONNECT_CODE[error.code], "message": error.message}
    if not isinstance(error, OverdueError):
        found["details"] = [_detail(detail) for detail in _details(error)]
    return found


def _details(error: Error) -> Iterator[Message]:
    """Yield the messages from which clients restore an error: its code and fix, and when to come back if it is known.

    For a reactor they also say why it may not log in, and for others why a token is not exchanged.
    """
    metadata = {"fix": error.fix}
    if isinstance(error, LoginRefusedError):
        metadata |= login_refusal_words(error.refusal, error.allowed)
    if isinstance(error, ExchangeRefusedError):
        metadata |= exchange_refusal_words(error.refusal)
    yield error_details_pb2.ErrorInfo(reason=error.code.value, domain=DOMAIN, metadata=metadata)
    if seconds := _retry_after_s(error):
        delay = Duration()
        delay.FromNanoseconds(int(seconds * 1e9))
        yield error_details_pb2.RetryInfo(retry_delay=delay)


def response(error: Error, headers: Headers = ()) -> Response:
    """Return the answer to a unary call that ended with `error`."""
    found = to_json(error)
    status = HTTP_STATUS[CONNECT_CODE[error.code]]
    more = [JSON]
    if status == 401:
        more.append(("WWW-Authenticate", "Bearer"))
    return Response(status, (*more, *retry_after(error), *headers), encoded(found))


def retry_after(error: Error) -> Headers:
    """Return the header that says when to come back; () if it is not known."""
    seconds = _retry_after_s(error)
    return (("Retry-After", str(math.ceil(seconds))),) if seconds else ()


def _retry_after_s(error: Error) -> float:
    return error.retry_after_s if isinstance(error, RateLimitedError | AwayError) else 0.0


def plain(status: int, code: str, message: str, headers: Headers = ()) -> Response:
    """Return the refusal of a request that is no call of a method: Connect's JSON without details.

    Args:
        status: Of HTTP.
        code: One of Connect's codes.
        message: A sentence, with nothing of the request in it.
        headers: Besides its content type.
    """
    return Response(status, (JSON, *headers), encoded({"code": code, "message": message}))


def encoded(value: object) -> bytes:
    """Return `value` as JSON."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def _detail(detail: Message) -> dict[str, object]:
    return {
        "type": detail.DESCRIPTOR.full_name,
        "value": b64encode(detail.SerializeToString()).decode("ascii").rstrip("="),
        "debug": json_format.MessageToDict(detail),
    }
