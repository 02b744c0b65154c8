"""How an error leaves over HTTP: the JSON that Connect has for it, made of the same status that gRPC carries."""

from __future__ import annotations

import json
import math
from base64 import b64encode
from collections.abc import Mapping
from types import MappingProxyType

from google.protobuf import json_format
from google.protobuf.any_pb2 import Any
from google.protobuf.message import Message
from google.rpc import error_details_pb2  # type: ignore[import-untyped]

from monoskope.errors import AwayError, Code, Error, RateLimitedError, TimedOutError
from monoskope.http.messages import Response
from monoskope.m8.methods.refusal import STATUS, to_status

Headers = tuple[tuple[str, str], ...]

_NAMES = {"CANCELLED": "canceled"}
"""Where Connect spells a code of `google.rpc.Code` in another way."""

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

_DETAILS: tuple[type[Message], ...] = (error_details_pb2.ErrorInfo, error_details_pb2.RetryInfo)

JSON = ("Content-Type", "application/json")


class OverdueError(TimedOutError):
    """The caller's deadline passed while the call ran.

    Other than with `TimedOutError`, what was asked for may have been done. So it says none of our stable codes: a
    client decides, as it does when it meets its deadline by itself.
    """

    def __init__(self) -> None:
        super().__init__("the time of the call ran out; what it asked for may have been done.")


def connect_code(code: Code) -> str:
    """Return what Connect calls the status of `code`."""
    return _connect_name(STATUS[code])


def to_json(error: Error) -> dict[str, object]:
    """Return `error` as Connect has it in JSON: its code, our sentence, and the details with their readable form."""
    status = to_status(error, for_older=False)
    found: dict[str, object] = {"code": connect_code(error.code), "message": status.message}
    if not isinstance(error, OverdueError):
        found["details"] = [_detail(detail) for detail in status.details]
    return found


def response(error: Error, headers: Headers = ()) -> Response:
    """Return the answer to a unary call that ended with `error`."""
    found = to_json(error)
    status = HTTP_STATUS[connect_code(error.code)]
    more = [JSON]
    if status == 401:
        more.append(("WWW-Authenticate", "Bearer"))
    if isinstance(error, RateLimitedError | AwayError) and error.retry_after_s > 0:
        more.append(("Retry-After", str(math.ceil(error.retry_after_s))))
    return Response(status, (*more, *headers), encoded(found))


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


def _connect_name(status: str) -> str:
    return _NAMES.get(status, status.lower())


def _detail(detail: Any) -> dict[str, object]:
    found: dict[str, object] = {
        "type": detail.TypeName(),
        "value": b64encode(detail.value).decode("ascii").rstrip("="),
    }
    for kind in _DETAILS:
        message = kind()
        if detail.Unpack(message):
            found["debug"] = json_format.MessageToDict(message)
    return found
