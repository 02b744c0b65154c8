"""One meaning for each request: what two readers could frame in two ways is refused, and its connection closed."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from monoskope.http.messages import Response
from monoskope.http.server.exchange import parsed
from monoskope.http.server.limits import MOST_FIELDS, MOST_HEAD, MOST_TARGET
from tests.unit.http.wire import Asked, Wire, cut, statuses

HOST = b"Host: m8.example.org\r\n"


def get(*lines: bytes, target: bytes = b"/") -> bytes:
    return b"GET " + target + b" HTTP/1.1\r\n" + HOST + b"".join(line + b"\r\n" for line in lines) + b"\r\n"


def post(*lines: bytes, body: bytes = b"") -> bytes:
    return b"POST /x HTTP/1.1\r\n" + HOST + b"".join(line + b"\r\n" for line in lines) + b"\r\n" + body


SMUGGLED = b"GET /smuggled HTTP/1.1\r\n" + HOST + b"\r\n"

REFUSED = {
    # Two framings, or one that somebody reads otherwise (RFC 9112, 6.1 to 6.3 and 11.2).
    "CL.TE": (post(b"Content-Length: 6", b"Transfer-Encoding: chunked", body=b"0\r\n\r\nG"), 400),
    "TE.CL": (post(b"Transfer-Encoding: chunked", b"Content-Length: 4", body=b"2a\r\n" + SMUGGLED), 400),
    "TE.TE": (post(b"Transfer-Encoding: chunked", b"Transfer-Encoding: x", body=b"0\r\n\r\n"), 400),
    "TE alone": (post(b"Transfer-Encoding: chunked", body=b"0\r\n\r\n"), 501),
    "TE with an extension": (post(b"Transfer-Encoding: chunked", body=b"1;a=b\r\nx\r\n0\r\n\r\n"), 501),
    "TE of another name": (post(b"Transfer-Encoding: xchunked", body=b"0\r\n\r\n"), 501),
    "TE identity": (post(b"Transfer-Encoding: identity"), 501),
    "TE, empty": (post(b"Transfer-Encoding:"), 400),
    "TE with a space before the colon": (post(b"Transfer-Encoding : chunked", body=b"0\r\n\r\n"), 400),
    "TE with a tab before the value": (post(b"Transfer-Encoding:\tchunked", body=b"0\r\n\r\n"), 501),
    "TE folded": (post(b"Transfer-Encoding:", b" chunked", body=b"0\r\n\r\n"), 400),
    "TE after a vertical tab": (post(b"Transfer-Encoding: \x0bchunked", body=b"0\r\n\r\n"), 400),
    "TE behind a bare LF": (post(b"X: y\nTransfer-Encoding: chunked", body=b"0\r\n\r\n"), 400),
    "TE behind a bare CR": (post(b"X: y\rTransfer-Encoding: chunked", body=b"0\r\n\r\n"), 400),
    "TE in HTTP/1.0": (post(b"Transfer-Encoding: chunked").replace(b"HTTP/1.1", b"HTTP/1.0"), 400),
    "two CL that agree": (post(b"Content-Length: 3", b"Content-Length: 3", body=b"abc"), 400),
    "two CL that differ": (post(b"Content-Length: 3", b"Content-Length: 0", body=b"abc"), 400),
    "CL as a list": (post(b"Content-Length: 3, 3", body=b"abc"), 400),
    "CL with +": (post(b"Content-Length: +3", body=b"abc"), 400),
    "CL with -": (post(b"Content-Length: -3", body=b"abc"), 400),
    "CL with a space inside": (post(b"Content-Length: 3 0", body=b"abc"), 400),
    "CL in hexadecimal": (post(b"Content-Length: 0x3", body=b"abc"), 400),
    "CL with an underscore": (post(b"Content-Length: 1_0", body=b"abc"), 400),
    "CL with other digits": (post("Content-Length: \u0663".encode(), body=b"abc"), 400),
    "CL, empty": (post(b"Content-Length:"), 400),
    "CL above every number": (post(b"Content-Length: 99999999999999999999"), 400),
    "CL of a GET": (get(b"Content-Length: 3") + b"abc", 400),
    # Lines and fields (RFC 9112, 2.2 and 5).
    "obs-fold with a space": (get(b"X: a", b" b"), 400),
    "obs-fold with a tab": (get(b"X: a", b"\tb"), 400),
    "a fold before the first field": (b"GET / HTTP/1.1\r\n X: a\r\n" + HOST + b"\r\n", 400),
    "bare LF after the request line": (get().replace(b"1.1\r\n", b"1.1\n"), 400),
    "bare LF after a field": (get(b"X: a\nY: b"), 400),
    "bare LF as the empty line": (get()[:-2] + b"\n", 400),
    "bare CR in a value": (get(b"X: a\rb"), 400),
    "NUL in a value": (get(b"X: a\0b"), 400),
    "a control character in a value": (get(b"X: a\x01b"), 400),
    "NUL in a name": (get(b"X\0: a"), 400),
    "a space in a name": (get(b"X Y: a"), 400),
    "a name that is no token": (get(b"X(: a"), 400),
    "a name that is not ASCII": (get("Ä: a".encode()), 400),
    "a field without a colon": (get(b"X"), 400),
    "a field without a name": (get(b": a"), 400),
    "an empty line first": (b"\r\n" + get(), 400),
    "no Host": (b"GET / HTTP/1.1\r\n\r\n", 400),
    "two Hosts": (get(HOST[:-2]), 400),
    "a Host with a path": (b"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400),
    "a huge field": (get(b"X: " + b"a" * MOST_HEAD), 431),
    "a huge head without an end": (get()[:-2] + b"X: " + b"a" * 3 * MOST_HEAD, 431),
    "too many fields": (get(*[b"X: a"] * MOST_FIELDS), 431),
    # The request line (RFC 9112, 3).
    "an absolute target": (get(target=b"http://m8.example.org/"), 400),
    "an authority": (b"CONNECT m8.example.org:443 HTTP/1.1\r\n" + HOST + b"\r\n", 501),
    "an asterisk": (get(target=b"*").replace(b"GET", b"OPTIONS"), 400),
    "a fragment": (get(target=b"/a#b"), 400),
    "a target that is not ASCII": (get(target="/ä".encode()), 400),
    "a space in the target": (get(target=b"/a b"), 400),
    "a quotation mark in the target": (get(target=b'/"'), 400),
    "a backslash in the target": (get(target=b"/\\x"), 400),
    "a long target": (get(target=b"/" + b"a" * MOST_TARGET), 414),
    "two spaces": (get(target=b" /"), 400),
    "two spaces after the target": (get(target=b"/ "), 400),
    "http in lower case": (get().replace(b"HTTP/1.1", b"http/1.1"), 400),
    "HTTP/0.9": (b"GET /\r\n\r\n", 400),
    "HTTP/1.2": (get().replace(b"HTTP/1.1", b"HTTP/1.2"), 400),
    "HTTP/2": (get().replace(b"HTTP/1.1", b"HTTP/2.0"), 505),
    "the preface of HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
    "an unknown method": (get().replace(b"GET", b"GRAB"), 501),
    "a method in lower case": (get().replace(b"GET", b"get"), 501),
    "TRACE": (get().replace(b"GET", b"TRACE"), 501),
    "TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
    "another expectation": (post(b"Expect: 200-ok", b"Content-Length: 3", body=b"abc"), 417),
    "two expectations": (post(b"Expect: 100-continue", b"Expect: x", b"Content-Length: 3", body=b"abc"), 417),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_what_could_be_read_in_two_ways_is_refused_and_never_executed(name: str) -> None:
    request, status = REFUSED[name]
    whole, bytewise = Wire(Asked()), Wire(application := Asked())
    await whole.feed(request + SMUGGLED)
    await bytewise.feed(*(cut(request[:200], range(200)) + cut(request[200:], [1, 50])), SMUGGLED)
    for wire in (whole, bytewise):
        assert statuses(wire.written) == [status]
        assert b"Connection: close\r\n" in wire.written
        assert wire.is_over
        assert b"smuggled" not in wire.written
    assert application.heads == []


def test_a_head_is_told_as_it_was_sent() -> None:
    found = parsed(get(b"Authorization:  Bearer t ", b"X: 1", b"x: 2", b"Y:", target=b"/a/b%20c?d=e?f"), "1.2.3.4:5")
    assert not isinstance(found, Response)
    head, framing = found
    assert (head.method, head.path, head.query, head.peer) == ("GET", "/a/b%20c", "d=e?f", "1.2.3.4:5")
    assert head.header("authorization") == "Bearer t"
    assert (head.header("x"), head.header("y"), head.header("z")) == ("", "", "")
    assert (framing.length, framing.is_last) == (0, False)
    assert "Bearer" not in repr(head)


@pytest.mark.parametrize(
    ("lines", "is_last"),
    [
        ([], False),
        ([b"Connection: keep-alive"], False),
        ([b"Connection: x, Close"], True),
        ([b"Connection: closed"], False),
        ([b"Connection: \xa0close"], False),
    ],
)
def test_the_connection_ends_if_the_client_says_so(lines: list[bytes], *, is_last: bool) -> None:
    found = parsed(get(*lines), "")
    assert not isinstance(found, Response)
    assert found[1].is_last is is_last


async def test_a_request_for_http_2_is_answered_in_http_1() -> None:
    wire = Wire(application := Asked())
    await wire.feed(post(b"Upgrade: h2c", b"Connection: Upgrade", b"Content-Length: 3", body=b"abc"))
    assert (statuses(wire.written), application.bodies) == ([200], [b"abc"])


_PIECES = [
    post(b"Content-Length: 3", body=b"abc"),
    get(),
    b"\r\n",
    b"\n",
    b"\r",
    b"\0",
    b" ",
    b":",
    b"Content-Length: 5\r\n",
]
_PIECES += [b"Transfer-Encoding: chunked\r\n", b"0\r\n\r\n", b"HTTP/1.1", b"GET / ", HOST, b"Expect: 100-continue\r\n"]


@given(
    st.lists(st.sampled_from(_PIECES) | st.binary(max_size=8), max_size=6).map(b"".join),
    st.lists(st.integers(0, 2_000), max_size=6),
)
async def test_no_bytes_cut_anywhere_get_two_answers_or_break_the_server(noise: bytes, at: list[int]) -> None:
    wire = Wire(application := Asked())
    await wire.feed(*cut(noise, at))
    answers = statuses(wire.written.replace(b"HTTP/1.1 100 Continue\r\n\r\n", b""))
    assert wire.told == []
    # Each request that was executed has its one answer; a refusal is the last thing said.
    assert answers.count(200) == len(application.bodies)
    assert all(status == 200 for status in answers[:-1])
    assert wire.is_over or all(status == 200 for status in answers)


_GOOD = post(b"Content-Length: 3", b"X: y", body=b"abc")


@given(st.integers(0, _GOOD.index(b"\r\n\r\n") + 3), st.integers(0, 255), st.lists(st.integers(0, 200), max_size=4))
@example(place=_GOOD.index(b" 3"), byte=ord("0"), at=[])  # 03 is 3 to every reader (RFC 9110, 8.6)
async def test_a_request_with_a_changed_byte_means_what_it_says(place: int, byte: int, at: list[int]) -> None:
    changed = _GOOD[:place] + bytes([byte]) + _GOOD[place + 1 :]
    wire = Wire(application := Asked(9))
    await wire.feed(*cut(changed, at))
    assert wire.told == []
    assert len(statuses(wire.written)) <= 1
    for head, body in zip(application.heads, application.bodies, strict=False):
        assert len(body) == int(head.header("content-length") or "0")
        assert head.method.encode() + b" " + head.path.encode() in changed


@given(st.binary(max_size=900), st.lists(st.integers(0, 2_000), max_size=8))
async def test_a_body_is_the_same_however_it_is_cut(body: bytes, at: list[int]) -> None:
    wire = Wire(application := Asked())
    for _ in range(2):
        await wire.feed(*cut(post(b"Content-Length: %d" % len(body), body=body), at))
    assert (application.bodies, statuses(wire.written)) == ([body, body], [200, 200])
