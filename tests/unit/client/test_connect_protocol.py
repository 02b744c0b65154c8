"""The Connect protocol as the client speaks it: calls, streams and their frames."""

from __future__ import annotations

import base64
import contextlib
import json

import pytest
from google.rpc import error_details_pb2  # type: ignore[import-untyped]
from hypothesis import given
from hypothesis import strategies as st

from monoskope.api.gateway.v1 import queries_pb2
from monoskope.client.http import connect, methods
from monoskope.errors import (
    AwayError,
    Error,
    IdentityChangedError,
    LogMismatchError,
    NotFoundError,
    NotReachedError,
    ProtocolError,
    RateLimitedError,
    RefusedError,
    TimedOutError,
    UsageError,
    again,
    let_go,
)
from monoskope.protocol.tlog.forms import Fault, NoteError

SERVER = "m8.example.org:7443"
JSON, PROTO = "application/json", "application/proto"


def info(reason: str = "NOT_FOUND", domain: str = "monoskope", **metadata: str) -> dict[str, str]:
    message = error_details_pb2.ErrorInfo(reason=reason, domain=domain, metadata=metadata)
    value = base64.b64encode(message.SerializeToString()).decode().rstrip("=")
    return {"type": "google.rpc.ErrorInfo", "value": value}


def retry(seconds: int) -> dict[str, str]:
    message = error_details_pb2.RetryInfo()
    message.retry_delay.seconds = seconds
    return {"type": "google.rpc.RetryInfo", "value": base64.b64encode(message.SerializeToString()).decode()}


def refused(status: int, body: object, kind: str = JSON) -> Error:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    with pytest.raises(Error) as caught:
        connect.answer(SERVER, methods.GET_SERVER, status, kind, content)
    return caught.value


def test_an_answer_is_a_message() -> None:
    message = queries_pb2.GetServerResponse(version="1")
    for kind in (PROTO, "Application/Proto; charset=x"):
        assert connect.answer(SERVER, methods.GET_SERVER, 200, kind, message.SerializeToString()) == message


def test_m8s_own_error_is_read_from_its_details() -> None:
    error = refused(404, {"code": "not_found", "message": "gone.", "details": [info(fix="Look.")]})
    assert (type(error), error.message, error.fix) == (NotFoundError, "m8 says: gone.", "m8 suggests: Look.")
    limited = info("RATE_LIMITED", fix="")
    error = refused(429, {"code": "resource_exhausted", "message": "much.", "details": [limited, retry(7)]})
    assert isinstance(error, RateLimitedError)
    assert error.retry_after_s == 7
    away = {"code": "unavailable", "message": "no database.", "details": [info("UNAVAILABLE"), retry(2)]}
    assert isinstance(refused(503, away), AwayError)


@pytest.mark.parametrize(
    "details",
    [
        None,
        [],
        {"type": "google.rpc.ErrorInfo"},
        [None],
        [{"type": "google.rpc.ErrorInfo", "value": "not base64!"}],
        [{"type": "google.rpc.ErrorInfo", "value": "ü"}],
        [{"type": 7, "value": ""}],
        [{"type": "google.rpc.ErrorInfo", "value": base64.b64encode(b"\xff\xff").decode()}],
        [info(domain="other.example")],
        [{**info(), "type": "google.rpc.RetryInfo"}],
        [info(domain="other.example")] * 8 + [info()],
    ],
)
def test_what_is_not_m8s_is_told_as_somebodys(details: object) -> None:
    error = refused(404, {"code": "not_found", "message": "\x1b[2J" + "x" * 1_000, "details": details})
    assert type(error) is NotFoundError
    assert not error.by_m8
    assert error.message.startswith(f"m8 at {SERVER} answered not_found: \\u001b[2Jx")
    assert error.message.isprintable()
    assert len(error.message) < 600


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("unavailable", NotReachedError),
        ("canceled", NotReachedError),
        ("deadline_exceeded", TimedOutError),
        ("unimplemented", RefusedError),
        ("failed_precondition", IdentityChangedError),
        ("data_loss", Error),
        ("of a later version", Error),
    ],
)
def test_an_error_without_details_is_one_of_its_kind(code: str, kind: type[Error]) -> None:
    assert type(refused(500, {"code": code, "message": ""})) is kind


@pytest.mark.parametrize(
    ("status", "kind", "body", "error"),
    [
        (200, "text/html", b"<html>Log in</html>", ProtocolError),
        (200, JSON, b"{}", ProtocolError),
        (200, JSON, b'{"code":"not_found","message":"elsewhere.test"}', ProtocolError),
        (200, PROTO, b"\xff\xff", ProtocolError),
        (404, "text/html", b"<html>404</html>", ProtocolError),
        (404, JSON, b"[" * 100_000, ProtocolError),
        (404, JSON, b'"not_found"', ProtocolError),
        (404, JSON, b" " * connect.MOST_ERROR + b'{"code":"not_found"}', ProtocolError),
        (301, "", b"", ProtocolError),
        (307, JSON, b'{"location": "https://elsewhere.test"}', ProtocolError),
        (502, "text/html", b"<html>Bad Gateway</html>", NotReachedError),
        (503, "", b"", NotReachedError),
    ],
)
def test_what_is_no_answer_of_m8_is_none(status: int, kind: str, body: bytes, error: type[Error]) -> None:
    caught = refused(status, body, kind)
    assert type(caught) is error
    assert SERVER in caught.message
    assert "<html" not in caught.message
    assert "elsewhere.test" not in str(caught)


@given(st.integers(200, 599), st.sampled_from([JSON, PROTO, "", "text/plain"]), st.binary(max_size=64))
def test_any_answer_is_a_message_or_an_error(status: int, kind: str, body: bytes) -> None:
    with contextlib.suppress(Error):
        connect.answer(SERVER, methods.GET_SERVER, status, kind, body)


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["code", "message", "details", "type", "value"]), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(_json)
def test_any_json_is_an_error_for_people(said: object) -> None:
    assert refused(500, said).message.isprintable()


def end(said: object = None) -> bytes:
    content = json.dumps({} if said is None else said).encode()
    return b"\x02" + len(content).to_bytes(4, "big") + content


EVENTS = [queries_pb2.WatchEventsResponse(event={"position": number}) for number in range(3)]


@given(st.lists(st.integers(0, 60), max_size=5))
def test_a_stream_is_read_in_pieces_of_any_size(cuts: list[int]) -> None:
    content = b"".join(connect.enveloped(event.SerializeToString()) for event in EVENTS) + end()
    stream = connect.Stream(SERVER)
    found = []
    for begin, stop in zip([0, *sorted(cuts)], [*sorted(cuts), len(content)], strict=True):
        found += stream.messages(methods.WATCH_EVENTS, content[begin:stop])
    stream.finish()
    assert found == EVENTS


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"", NotReachedError),
        (connect.enveloped(b"")[:4], NotReachedError),
        (connect.enveloped(b""), NotReachedError),
        (b"\x01" + connect.enveloped(b"")[1:], ProtocolError),
        (b"\0\xff\xff\xff\xff", ProtocolError),
        (connect.enveloped(b"\xff\xff"), ProtocolError),
        (b"\x02\0\0\0\x01x", ProtocolError),
        (end([]), ProtocolError),
        (end({"error": "x"}), ProtocolError),
        (end({"error": {"code": "not_found", "message": "gone.", "details": [info()]}}), NotFoundError),
        (end({"error": {"code": "unavailable"}}), NotReachedError),
    ],
)
def test_a_stream_ends_by_m8s_word_or_is_broken(content: bytes, kind: type[Error]) -> None:
    with pytest.raises(Error) as caught:
        whole(content)
    assert type(caught.value) is kind


def whole(content: bytes) -> None:
    stream = connect.Stream(SERVER)
    stream.messages(methods.WATCH_EVENTS, content)
    stream.finish()


def test_a_request_says_how_long_its_caller_waits() -> None:
    token = ("authorization", "Bearer a.b.c")
    sent = connect.headers((token,), timeout_s=1.5)
    assert dict(sent) == {
        "content-type": PROTO, "connect-protocol-version": "1", "connect-timeout-ms": "1500", "authorization": token[1],
    }  # fmt: skip
    assert dict(connect.headers((), timeout_s=0.0001))["connect-timeout-ms"] == "1"
    assert len(dict(connect.headers((), timeout_s=1e12))["connect-timeout-ms"]) == 10
    assert "connect-timeout-ms" not in dict(connect.headers((), timeout_s=None))


def fail(error: Exception) -> None:
    raise error


def raised(error: Error) -> Error:
    """An error that has passed frames, and comes from another one that has."""
    try:
        try:
            fail(LookupError())
        except LookupError:
            fail(error)
    except Error as caught:
        return caught
    pytest.fail("nothing was raised")


def test_an_error_is_let_go_together_with_what_it_came_from() -> None:
    error = let_go(raised(UsageError("no.")))
    assert error.__traceback__ is None
    assert error.__context__ is not None
    assert error.__context__.__traceback__ is None


def test_errors_that_come_from_one_another_are_let_go_all_the_same() -> None:
    error, other = raised(UsageError("no.")), raised(UsageError("no, either."))
    error.__context__, other.__context__ = other, error
    let_go(error)
    assert (error.__traceback__, other.__traceback__) == (None, None)


def mismatch() -> LogMismatchError:
    error = LogMismatchError("no.", fix="look.")
    error.notes = ("note",)
    return error


@pytest.mark.parametrize(
    "error",
    [
        UsageError("no.", fix="look."),
        NoteError("a note", "must end", fault=Fault.SIZE),
        RateLimitedError("no."),
        mismatch(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_error_of_any_class_is_made_again_with_all_that_it_says(error: Error) -> None:
    made = again(raised(error))
    assert type(made) is type(error)
    assert made is not error
    assert (str(made), made.__dict__, made.code) == (str(error), error.__dict__, error.code)
    assert (made.__traceback__, made.__context__) == (None, None)
