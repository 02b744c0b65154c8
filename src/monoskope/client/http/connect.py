"""The Connect protocol as our client speaks it, free of I/O (https://connectrpc.com/docs/protocol).

Nothing in an answer is believed before it is measured: what answers may be a proxy, a web server, or hostile. m8's
refusals become our errors: `google.rpc.ErrorInfo` of our domain, and when to come back.
"""

from __future__ import annotations

import binascii
from typing import Any, TypeVar

from google.protobuf.message import DecodeError, Message

from monoskope import errors
from monoskope.client.http import transport
from monoskope.client.http.methods import Method
from monoskope.client.http.transport import Metadata
from monoskope.errors import AwayError, Code, Error, NotReachedError, ProtocolError
from monoskope.text import escape

SAYS, SUGGESTS = "m8 says: ", "m8 suggests: "
"""How an error's message and fix begin when the words are m8's."""

DOMAIN = "monoskope"
MAX_TEXT = 500
"""Characters of m8's words that are shown."""

ERRORS: dict[Code, type[Error]] = {
    kind.code: kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, Error) and "code" in vars(kind)
}
"""The class of each code: the one that sets it."""


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
    reason_name = _reason_name(info)
    return kind(f"{SAYS}{said}", fix=fix, code=code, by_m8=True, reason_name=reason_name, retry_after_s=after_s)


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


R = TypeVar("R", bound=Message)

MOST_ANSWER = 16 * 1_048_576
"""Bytes of an answer, or of one message of a stream, at most."""

MOST_ERROR = 262_144
"""Bytes of an error at most: m8's own are far below."""
_MOST_DETAILS = 8
_UNARY, _STREAMING = "application/proto", "application/connect+proto"
_COMPRESSED, _END = 0b01, 0b10
_ENVELOPE = 5
"""Bytes before each message of a stream: its flags, and its length."""

_STATUSES = {
    "invalid_argument": Code.USAGE,
    "unauthenticated": Code.UNAUTHENTICATED,
    "permission_denied": Code.REFUSED,
    "resource_exhausted": Code.REFUSED,
    "unimplemented": Code.REFUSED,
    "not_found": Code.NOT_FOUND,
    "already_exists": Code.ALREADY_EXISTS,
    "failed_precondition": Code.IDENTITY_CHANGED,
    "aborted": Code.CONFLICT,
    "deadline_exceeded": Code.TIMED_OUT,
}
"""The codes of errors that carry none of ours."""
_AWAY = frozenset({"unavailable", "canceled"})
_IN_THE_WAY = frozenset({408, 429, 502, 503, 504})
"""What a proxy, or a server that stops, answers in the place of m8 (RFC 9110, 15)."""


def headers(metadata: Metadata, *, timeout_s: float | None) -> tuple[tuple[str, str], ...]:
    """Return the headers of a request. Without `timeout_s` it is one for a stream."""
    kind = _UNARY if timeout_s is not None else _STREAMING
    # At most ten digits, as Connect has it.
    limit: Metadata = ()
    if timeout_s is not None:
        limit = (("connect-timeout-ms", str(min(max(1, int(timeout_s * 1000)), 9_999_999_999))),)
    return (("content-type", kind), ("connect-protocol-version", "1"), *limit, *metadata)


def enveloped(message: bytes) -> bytes:
    """Return a message as a stream carries it."""
    return b"\0" + len(message).to_bytes(4, "big") + message


def answer(server: str, method: Method[R], status: int, content_type: str, body: bytes) -> R:
    """Return what a unary call was answered with.

    Raises:
        Error: as `Transport` has it.
    """
    if status == 200 and _kind(content_type) == _UNARY:
        return _parsed(server, method, body)
    raise refusal(server, status, content_type, body)


def refusal(server: str, status: int, content_type: str, body: bytes) -> Error:
    """Return what an answer says that is no message of the method."""
    kind = _kind(content_type)
    error = _error(server, _parsed_json(body)) if status != 200 and kind == "application/json" else None
    return error or _strange(server, status, kind)


def is_stream(status: int, content_type: str) -> bool:
    """Whether an answer is a stream of messages."""
    return status == 200 and _kind(content_type) == _STREAMING


def _kind(content_type: str) -> str:
    return content_type.partition(";")[0].strip().lower()


class Stream:
    """Reads the messages of one stream from the bytes that came.

    Attributes:
        ended: Whether m8 has said that the stream ends.
    """

    def __init__(self, server: str) -> None:
        self._server = server
        self._buffer = bytearray()
        self.ended = False

    def messages(self, method: Method[R], data: bytes) -> list[R]:
        """Return the messages that `data`, which came next, completes.

        Raises:
            Error: the stream ends with an error, or what came is no stream of such messages.
        """
        self._buffer += data
        found: list[R] = []
        while not self.ended and len(self._buffer) >= _ENVELOPE:
            flags, length = self._buffer[0], int.from_bytes(self._buffer[1:_ENVELOPE], "big")
            if flags not in {0, _END} or length > MOST_ANSWER:
                raise transport.unreadable(self._server)
            if len(self._buffer) < _ENVELOPE + length:
                break
            message = bytes(self._buffer[_ENVELOPE : _ENVELOPE + length])
            del self._buffer[: _ENVELOPE + length]
            if flags == _END:
                self._end(message)
            else:
                found.append(_parsed(self._server, method, message))
        return found

    def _end(self, message: bytes) -> None:
        self.ended = True
        said = _parsed_json(message)
        if not isinstance(said, dict):
            raise transport.unreadable(self._server)
        if said.get("error") is not None:
            raise _error(self._server, said["error"]) or transport.unreadable(self._server)

    def finish(self) -> None:
        """Note that nothing more comes. Raises `NotReachedError` unless m8 has said that the stream ends."""
        if not self.ended:
            raise transport.silent(self._server, NotReachedError)


def _parsed(server: str, method: Method[R], body: bytes) -> R:
    try:
        return method.answer.FromString(body)
    except DecodeError:
        raise transport.unreadable(server) from None


def _parsed_json(body: bytes) -> object:
    """Return what JSON text says, None for text that is none."""
    import json  # noqa: PLC0415 - only what is refused is told in JSON

    if len(body) > MOST_ERROR:
        return None
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _error(server: str, said: object) -> Error | None:
    """Return the error that Connect's JSON object carries; None if it is none."""
    if not isinstance(said, dict) or not isinstance(code := said.get("code"), str):
        return None
    message, details = said.get("message"), said.get("details")
    text = message if isinstance(message, str) else ""
    found = _by_m8(text, details if isinstance(details, list) else [])
    if found is not None:
        return found
    if code in _AWAY:
        return transport.silent(server, NotReachedError)
    kind = _STATUSES.get(code, Code.INTERNAL)
    if kind is Code.TIMED_OUT:
        return transport.too_late(server)
    shown = f"{escape(code[:30])}: {escape(text[:MAX_TEXT]) or 'no reason given'}"
    return ERRORS[kind](f"m8 at {server} answered {shown}.", fix="Check that the versions of server and client fit.")


def _by_m8(message: str, details: list[Any]) -> Error | None:
    """Return m8's own error, from the details of Connect's: each a message of protobuf in base64, without padding."""
    if not details:
        return None  # before anything is loaded
    from google.rpc import status_pb2  # noqa: PLC0415 - on failure alone

    status = status_pb2.Status()
    try:
        status.message = message[: 2 * MAX_TEXT]
        for detail in details[:_MOST_DETAILS]:
            kind, value = detail["type"], detail["value"]
            padded = value + "=" * (-len(value) % 4)
            content = binascii.a2b_base64(padded.encode("ascii"))
            status.details.add(type_url=f"type.googleapis.com/{kind}", value=content)
        return error_in(status)
    except (DecodeError, TypeError, KeyError, ValueError):  # of what is no detail; binascii's error is a ValueError
        return None


def _strange(server: str, status: int, kind: str) -> Error:
    """Return the error for what m8 does not answer."""
    if 300 <= status < 400:
        return ProtocolError(
            f"what answers at {server} sends its callers elsewhere (HTTP {status}), which is not followed.",
            fix="Name the address of m8 itself: `names` in m8.toml.",
        )
    if status in _IN_THE_WAY:
        return NotReachedError(
            f"m8 does not answer at {server}: HTTP {status} comes in its place.",
            fix="Try again. If it stays so, ask who runs m8, or what stands before it.",
        )
    what = f"{escape(kind[:60])}" if kind else "nothing of a known kind"
    return ProtocolError(
        f"what answers at {server} is not m8: HTTP {status} with {what}.",
        fix="Check the address: it is that of `listen` in m8.toml.",
    )
