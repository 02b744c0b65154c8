"""A framed body: what it holds comes out as it was, and what is malformed is told without repeating a value."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monoskope.errors import UsageError
from monoskope.monoctl.console.requests import Request, parsed_frame
from monoskope.protocol.payload import MAX_KEYS
from tests.support.console_calls import framed, value

SECRET = b"correct horse battery staple"
KEYS = st.text("abcXYZ019_-", min_size=1, max_size=20)


class Put(Request, frozen=True):
    """As a put."""

    uris: list[str]


def told(frame: bytes) -> str:
    """What the sender of a malformed frame is told: never a value."""
    with pytest.raises(UsageError) as refusal:
        parsed_frame(Put, frame)
    text = str(refusal.value)
    assert SECRET.decode() not in text
    assert refusal.value.fix
    return text


@given(
    st.dictionaries(KEYS, st.binary(max_size=200), min_size=1, max_size=8),
    st.lists(st.text("a:/é\u2028<", max_size=20)),
)
def test_what_is_framed_comes_out_as_it_was(values: dict[str, bytes], uris: list[str]) -> None:
    request, found = parsed_frame(Put, framed({"uris": uris}, [value(key, one) for key, one in values.items()]))
    assert (request.uris, dict(found), list(found)) == (uris, values, list(values))
    assert "hidden" in repr(found)


@given(st.binary(max_size=300))
def test_bytes_of_any_kind_are_refused_or_parsed_and_nothing_else(frame: bytes) -> None:
    with pytest.raises(UsageError):
        parsed_frame(Put, frame)


@given(st.data())
def test_a_frame_that_is_cut_or_longer_is_refused(data: st.DataObject) -> None:
    whole = framed({"uris": ["a://b"]}, [value("k", SECRET), value("l", b"x")])
    at = data.draw(st.integers(0, len(whole) - 1))
    told(whole[:at])
    told(whole + data.draw(st.binary(min_size=1, max_size=5)))


@given(st.data())
def test_a_frame_with_one_byte_changed_never_shows_a_value(data: st.DataObject) -> None:
    whole = bytearray(framed({"uris": ["a://b"]}, [value("k", SECRET)]))
    whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    try:
        parsed_frame(Put, bytes(whole))
    except UsageError as error:
        assert SECRET.decode()[:20] not in str(error)  # noqa: PT017 - most changes are no error


def test_files_are_parsed_as_the_commands_parse_them() -> None:
    env, other = b"A='x y'\nB=2\n", json.dumps({"C": "3", "D": {"base64": "AP8="}}).encode()
    sources: list[tuple[dict[str, object], bytes]] = [
        ({"kind": "env", "name": ".env"}, env),
        ({"kind": "json", "name": "x.json"}, other),
        ({"kind": "value", "key": "E", "trim": True}, b"5\n\n"),
        ({"kind": "value", "key": "F"}, b"6\n"),
    ]
    _, found = parsed_frame(Put, framed({"uris": []}, sources))
    assert dict(found) == {"A": b"x y", "B": b"2", "C": b"3", "D": b"\x00\xff", "E": b"5\n", "F": b"6\n"}


def test_a_call_may_come_without_a_value_because_a_patch_may_only_remove_keys() -> None:
    _, found = parsed_frame(Put, framed({"uris": []}, []))
    assert not found


def test_one_final_line_feed_is_removed_as_commands_do_also_with_a_carriage_return() -> None:
    def trimmed(key: str) -> dict[str, object]:
        return {"kind": "value", "key": key, "trim": True}

    _, found = parsed_frame(
        Put, framed({"uris": []}, [(trimmed("a"), b"1\r\n"), (trimmed("b"), b"2\r"), (trimmed("c"), b"3")])
    )
    assert dict(found) == {"a": b"1", "b": b"2\r", "c": b"3"}


@pytest.mark.parametrize(
    ("sources", "word"),
    [
        ([({"kind": "env", "name": "my.env"}, b"A=1\n" + SECRET)], "my.env, line 2"),
        ([({"kind": "json", "name": "my.json"}, b'{"A": "' + SECRET)], "my.json"),
        ([({"kind": "value", "key": "a b"}, SECRET)], "key"),
        ([value("k", SECRET), value("k", SECRET)], "'k'"),
        ([({"kind": "correct horse battery staple"}, SECRET)], "can have - at `$.kind`"),
        ([({"kind": "value", "key": "k", "more": 1}, SECRET)], "more"),
        ([({"kind": "value", "key": 7}, SECRET)], "key"),
        ([value(f"k{number}", SECRET) for number in range(MAX_KEYS + 1)], "sources"),
    ],
)
def test_what_is_malformed_is_named(sources: list[tuple[dict[str, object], bytes]], word: str) -> None:
    assert word in told(framed({"uris": []}, sources))


def test_sizes_that_do_not_add_up_and_sources_that_are_none_are_refused() -> None:
    for sources in (
        [{"kind": "value", "key": "k", "size": 10**12}],
        [{"kind": "value", "key": "k", "size": -1}],
        "x",
        [7],
    ):
        head = json.dumps({"uris": [], "sources": sources}).encode()
        told(len(head).to_bytes(4, "big") + head + SECRET)
    head = json.dumps({"uris": [], "sources": [{"kind": "value", "key": "k", "size": 1}]}).encode()
    told(len(head).to_bytes(4, "big") + head + SECRET)


@pytest.mark.parametrize("more", [{"trim": True}, {"key": "k"}])
def test_what_counts_for_one_value_is_refused_with_a_file(more: dict[str, object]) -> None:
    assert "neither `key` nor `trim`" in told(framed({"uris": []}, [({"kind": "env", **more}, b"A=" + SECRET)]))


def test_a_json_file_with_very_many_keys_is_read_once() -> None:
    many = {f"k{number}": "x" for number in range(100_000)}
    _, found = parsed_frame(Put, framed({"uris": []}, [({"kind": "json"}, json.dumps(many).encode())]))
    assert len(found) == len(many)
