"""What a client reads of an answer: the same however it is cut, nothing that can be read in two ways, and no more."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monoskope.http.client.destination import BrokenError, MalformedError, TooLargeError
from monoskope.http.client.exchange import MOST_HEAD, ResponseReader, host_header, request_head

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"


def read(*pieces: bytes, method: str = "GET", most_body: int | None = 1000) -> ResponseReader:
    reader = ResponseReader(method, most_body=most_body)
    for piece in pieces:
        reader.feed(piece)
    return reader


def cut(content: bytes, places: list[int]) -> list[bytes]:
    ends = sorted({place % (len(content) + 1) for place in places} | {0, len(content)})
    return [content[start:end] for start, end in itertools.pairwise(ends)]


def in_chunks(body: bytes, sizes: list[int], trailer: bytes = b"") -> bytes:
    pieces = [piece for piece in cut(body, sizes) if piece]
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n" + trailer + b"\r\n"


_PLACES = st.lists(st.integers(0, 5000), max_size=12)


@given(
    body=st.binary(max_size=600),
    places=_PLACES,
    sizes=_PLACES,
    chunked=st.booleans(),
    keep=st.booleans(),
    interim=st.integers(0, 3),
)
def test_an_answer_reads_the_same_however_it_is_cut(
    *, body: bytes, places: list[int], sizes: list[int], chunked: bool, keep: bool, interim: int
) -> None:
    head = OK + b"X-A:  b \r\n" + (b"" if keep else b"Connection: x, Close\r\n")
    framed = b"Transfer-Encoding: Chunked\r\n\r\n" + in_chunks(body, sizes, b"A: b\r\n")
    content = head + (framed if chunked else b"Content-Length: %d\r\n\r\n" % len(body) + body)
    reader = read(*cut(b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" * interim + content, places))
    answer = reader.answer()
    assert (reader.complete, reader.reusable) == (True, keep)
    assert (answer.status, answer.header("x-a"), answer.header("link"), answer.body) == (200, "b", "", body)


@given(st.binary(max_size=300), _PLACES)
def test_an_answer_without_a_length_ends_with_its_connection(body: bytes, places: list[int]) -> None:
    reader = read(*cut(OK + b"\r\n" + body, places))
    assert not reader.complete
    reader.end()
    assert (reader.complete, reader.reusable, reader.take()) == (True, False, body)


@given(
    st.sampled_from([OK + b"Content-Length: 5\r\n\r\nhello", CHUNKED + b"5\r\nhello\r\n0\r\n\r\n"]),
    st.binary(min_size=1, max_size=40) | st.just(OK + b"Content-Length: 4\r\n\r\nevil"),
    _PLACES,
)
def test_what_follows_an_answer_is_in_none_and_ends_the_line(answer: bytes, more: bytes, places: list[int]) -> None:
    if not more.strip(b"\r\n"):
        more += b"x"  # empty lines alone after chunks are nobody's answer
    reader = ResponseReader("GET", most_body=1000)
    for piece in cut(answer + more, places):
        reader.feed(piece)
    assert (reader.complete, reader.reusable, reader.take()) == (True, False, b"hello")


@given(st.binary(max_size=200), _PLACES)
def test_no_bytes_break_the_reader_but_by_its_own_errors(content: bytes, places: list[int]) -> None:
    for begin in (b"", OK, CHUNKED):
        failed: MalformedError | None = None
        try:
            read(*cut(begin + content, places))
        except MalformedError as error:
            failed = error
        assert failed is None or (failed.__cause__, failed.__context__) == (None, None)


@pytest.mark.parametrize(
    "answer",
    [
        OK + b"Content-Length: 1\r\nContent-Length: 1\r\n\r\nx",
        OK + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
        OK + b"Content-Length: 1, 1\r\n\r\nx",
        OK + b"Content-Length: +1\r\n\r\nx",
        OK + b"Content-Length:\r\n\r\n",
        OK + b"Content-Length: 99999999999999999999999999\r\n\r\n",
        OK + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        OK + b"Transfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n0\r\n\r\n",
        OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        OK + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        OK + b"Transfer-Encoding: identity\r\n\r\nx",
        b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        OK + b"A: b\r\n c\r\n\r\n",
        OK + b"A : b\r\n\r\n",
        OK + b"A: b\nB: c\r\n\r\n",
        OK + b"A: b\rc\r\n\r\n",
        OK + b"A: b\x00\r\n\r\n",
        OK + b": b\r\n\r\n",
        b"\r\n" + OK + b"\r\n",
        b"\r\n\r\n",
        b"HTTP/2.0 200 OK\r\n\r\n",
        b"HTTP/1.1 20 OK\r\n\r\n",
        b"HTTP/1.1 999 OK\r\n\r\n",
        b"HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
        b"SSH-2.0-x\r\n\r\n",
        CHUNKED + b"g\r\n",
        CHUNKED + b"-1\r\n",
        CHUNKED + b"5\r\nhelloX",
        CHUNKED + b"5\nhello\r\n",
        CHUNKED + b"fffffffffffffffffff\r\n",
    ],
)
def test_an_answer_that_could_be_read_in_two_ways_is_refused(answer: bytes) -> None:
    with pytest.raises(MalformedError):
        read(answer)


@pytest.mark.parametrize(
    "answer",
    [
        OK + b"A: " + b"b" * MOST_HEAD,
        OK + b"A: b\r\n" * 4000 + b"\r\n",
        OK + b"Content-Length: 1001\r\n\r\n",
        OK + b"\r\n" + b"x" * 1001,
        CHUNKED + b"3e9\r\n" + b"x" * 1001,
        CHUNKED + b"1;" + b"e" * 20_000,
        CHUNKED + b"0\r\nA: " + b"b" * 20_000,
    ],
    ids=["a line", "many lines", "a length", "until close", "a chunk", "an extension", "a trailer"],
)
def test_nothing_of_an_answer_may_grow_without_a_limit(answer: bytes) -> None:
    with pytest.raises(TooLargeError):
        read(*[answer[start : start + 900] for start in range(0, len(answer), 900)])


def test_answers_that_are_not_final_come_to_an_end() -> None:
    with pytest.raises(MalformedError):
        read(*[b"HTTP/1.1 100 Continue\r\n\r\n"] * 9)


@pytest.mark.parametrize("status", [b"204", b"304"])
def test_what_has_no_body_takes_none(status: bytes) -> None:
    head = b"HTTP/1.1 " + status + b" X\r\nContent-Length: 5\r\n\r\n"
    assert read(head).reusable
    assert not read(head + b"hello").reusable


def test_an_answer_to_head_has_no_body() -> None:
    reader = read(OK + b"Content-Length: 5\r\n\r\n", method="HEAD")
    assert (reader.complete, reader.reusable, reader.take()) == (True, True, b"")


@pytest.mark.parametrize("begun", [b"", OK, OK + b"Content-Length: 5\r\n\r\nhell", CHUNKED + b"5\r\nhello\r\n"])
def test_an_answer_that_is_cut_off_is_no_answer(begun: bytes) -> None:
    reader = read(begun)
    with pytest.raises(BrokenError):
        reader.end()


def test_a_connection_of_http_1_0_is_not_used_again() -> None:
    assert not read(b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n").reusable


def test_a_header_that_came_twice_is_not_believed() -> None:
    assert read(OK + b"A: b\r\nA: c\r\nContent-Length: 0\r\n\r\n").answer().header("a") == ""


def test_a_request_is_framed_here_and_its_parts_cannot_leave_their_place() -> None:
    head = request_head("POST", "/a?b=c", host_header("::1", 8200), [("X-A", "b c")], 3)
    assert head == b"POST /a?b=c HTTP/1.1\r\nHost: [::1]:8200\r\nX-A: b c\r\nContent-Length: 3\r\n\r\n"
    assert request_head("GET", "/", host_header("a", 443), [], None) == b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


@pytest.mark.parametrize(
    ("method", "target", "host", "header"),
    [
        ("GET /", "/", "a", ("A", "b")),
        ("GET", "/ HTTP/1.1\r\nX: y", "a", ("A", "b")),
        ("GET", "/ü", "a", ("A", "b")),
        ("GET", "", "a", ("A", "b")),
        ("GET", "/", "a\r\nX: y", ("A", "b")),
        ("GET", "/", "a", ("A", "b\r\nX: y")),
        ("GET", "/", "a", ("A", "b\n")),
        ("GET", "/", "a", ("A", " b")),
        ("GET", "/", "a", ("A", "b\x00")),
        ("GET", "/", "a", ("A:", "b")),
        ("GET", "/", "a", ("", "b")),
        ("GET", "/", "a", ("Content-length", "5")),
        ("GET", "/", "a", ("transfer-encoding", "chunked")),
        ("GET", "/", "a", ("Host", "b")),
    ],
)
def test_no_request_is_built_that_reads_as_two(method: str, target: str, host: str, header: tuple[str, str]) -> None:
    with pytest.raises(ValueError, match="cannot be sent"):
        request_head(method, target, host, [header], None)


class _Interrupted(ResponseReader):
    """Ctrl-C comes while the parser tells of a header."""

    __slots__ = ()

    def on_header(self, name: bytes, value: bytes) -> None:
        del name, value
        raise KeyboardInterrupt


def test_a_ctrl_c_that_comes_in_the_middle_of_an_answer_is_not_taken_for_a_wrong_answer() -> None:
    with pytest.raises(KeyboardInterrupt):
        _Interrupted("GET", most_body=1000).feed(OK + b"A: b\r\n\r\n")


def test_a_body_in_the_smallest_pieces_takes_no_more_memory_than_one_in_large_ones() -> None:
    reader = read(CHUNKED, most_body=100_000)
    for _ in range(10):
        reader.feed(b"2\r\nab\r\n" * 2_000)
        assert len(reader._pieces) < 4_200
    assert sum(map(len, reader._pieces)) == 40_000
    reader.feed(b"0\r\n\r\n")
    assert reader.answer().body == b"ab" * 20_000
