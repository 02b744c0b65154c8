"""How values lie in Barbican's payloads: exactly, or refused."""

from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monoskope.protocol.payload import Payload
from monoskope.stores.barbican.values import BYTES, TEXT, BarbicanLayout, Stored
from monoskope.stores.driver import CannotReadError, StoreRefusedError

AS_JSON = BarbicanLayout("json", "value", 20_000)
RAW = BarbicanLayout("raw", "value", 20_000)
ODD = st.one_of(st.binary(max_size=60), st.text(max_size=40).map(str.encode))


def back(layout: BarbicanLayout, stored: Stored) -> dict[str, bytes]:
    """Read what Barbican would give for what it was given: it strips texts and decodes base64."""
    content = stored.content.strip().encode() if stored.content_type == TEXT else base64.b64decode(stored.content)
    return dict(layout.payload(stored.content_type, content))


@given(st.dictionaries(st.from_regex(r"[A-Za-z0-9_-]{1,20}", fullmatch=True), ODD, min_size=1, max_size=5))
def test_every_secret_comes_back_under_the_layout_json(values: dict[str, bytes]) -> None:
    assert back(AS_JSON, AS_JSON.stored(Payload(values))) == values


@given(st.one_of(st.binary(min_size=1, max_size=60), st.text(min_size=1, max_size=40).map(str.encode)))
def test_every_value_comes_back_under_the_layout_raw(value: bytes) -> None:
    assert back(RAW, RAW.stored(Payload({"value": value}))) == {"value": value}


def test_text_lies_there_as_people_read_it() -> None:
    stored = AS_JSON.stored(Payload({"user": b"anna", "password": "Grüße".encode()}))
    assert (stored.content_type, json.loads(stored.content)) == (TEXT, {"password": "Grüße", "user": "anna"})
    assert RAW.stored(Payload({"value": b"s3cret"})) == Stored(TEXT, "s3cret")


@pytest.mark.parametrize("value", [b"\xff", b" padded", b"line\n", b"\n"])
def test_what_barbican_would_change_lies_there_as_bytes(value: bytes) -> None:
    assert RAW.stored(Payload({"value": value})).content_type == BYTES


@pytest.mark.parametrize("values", [{"other": b"v"}, {"value": b"v", "other": b"w"}, {"value": b""}])
def test_the_layout_raw_takes_one_value_of_one_name(values: dict[str, bytes]) -> None:
    with pytest.raises(StoreRefusedError, match=r"exactly one key, value|no empty value"):
        RAW.stored(Payload(values))


@pytest.mark.parametrize("layout", [AS_JSON, RAW], ids=["json", "raw"])
def test_what_the_server_would_not_take_is_refused_here(layout: BarbicanLayout) -> None:
    assert len(layout.stored(Payload({"value": b"x" * 14_000})).content) >= 14_000
    with pytest.raises(StoreRefusedError, match="larger"):
        layout.stored(Payload({"value": b"\x00" * 15_100}))


def test_text_that_grows_too_much_in_a_request_is_sent_as_bytes() -> None:
    assert AS_JSON.stored(Payload({"value": b"\x01" * 5_000})).content_type == BYTES
    assert AS_JSON.stored(Payload({"value": b'"' * 9_000})).content_type == BYTES


@pytest.mark.parametrize(
    ("content_type", "content"),
    [
        (TEXT, b"plain"),
        (TEXT, b'["a"]'),
        (TEXT, b'{"k":1}'),
        (TEXT, b'{"k":null}'),
        (TEXT, b'{"k":"a","k":"b"}'),
        (TEXT, b'{"a key":"v"}'),
        (TEXT, b"{}"),
        (TEXT, b"\xff"),
        (TEXT, b'{"k":"\\ud800"}'),
        (TEXT, b"[" * 100_000),
        (BYTES, b'{"k":"not base64"}'),
        (BYTES, b'{"k": "dg=="}'),
        (BYTES, b""),
        (BYTES, b"x" * 2_000_000),
        ("application/pkcs8", b"\x30"),
    ],
)
def test_what_this_store_could_not_have_written_is_not_read(content_type: str, content: bytes) -> None:
    with pytest.raises(CannotReadError) as caught:
        AS_JSON.payload(content_type, content)
    assert caught.value.__context__ is None
