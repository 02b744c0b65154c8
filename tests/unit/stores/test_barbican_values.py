"""What the settings of a Barbican store may say, and what its entries and values may be."""

from __future__ import annotations

import base64
import datetime as dt
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monoskope.errors import UsageError
from monoskope.protocol.payload import Payload
from monoskope.settings import convert
from monoskope.stores.barbican.config import ApplicationCredential, BarbicanConfig
from monoskope.stores.barbican.values import BYTES, TEXT, BarbicanLayout, Stored, mark, page, secret_id
from monoskope.stores.driver import CannotReadError, StoreRefusedError

LOGIN: dict[str, Any] = {
    "method": "application_credential",
    "auth_url": "https://keystone.example:5000/v3",
    "id": "c0ffee",
    "secret_file": "/etc/secret",
}
GOOD: dict[str, Any] = {"address": "https://barbican.example:9311", "auth": LOGIN}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("address", "http://barbican.example:9311"),
        ("address", "https://barbican.example:9311/"),
        ("address", "https://user@barbican.example"),
        ("address", "https://barbican.example?x"),
        ("prefix", "/team"),
        ("prefix", "x/" * 70 + "x"),
        ("raw_key", "a key"),
        ("layout", "yaml"),
        ("keep_versions", 0),
        ("keep_versions", 51),
        ("max_secret_bytes", 999),
        ("timeout_s", 31),
        ("connect_timeout_s", 0),
        ("auth_url", "http://keystone.example/v3"),
        ("method", "token"),
        ("password", "in the clear"),
    ],
)
def test_a_wrong_field_is_named(field: str, value: object) -> None:
    wrong = {"auth": LOGIN | {field: value}} if field in {"auth_url", "method", "password"} else {field: value}
    with pytest.raises(UsageError, match="method" if field == "method" else field):
        convert(GOOD | wrong, BarbicanConfig, where="reactor.toml")


def test_an_address_may_have_a_path() -> None:
    config = convert(GOOD | {"address": "https://cloud.example/key-manager"}, BarbicanConfig, where="reactor.toml")
    assert config.address == "https://cloud.example/key-manager"
    assert isinstance(config.auth, ApplicationCredential)


@pytest.mark.parametrize(
    ("most", "padded"),
    [(1_000, 512), (20_000, 8_192), (22_000, 16_384), (1_400_000, 1_048_576), (4_000_000, 1_048_576)],
)
def test_the_limit_follows_from_the_servers(most: int, padded: int) -> None:
    config = convert(GOOD | {"max_secret_bytes": most}, BarbicanConfig, where="reactor.toml")
    assert config.max_plaintext == padded


TAG = "ab" * 32


def one(last: int, *, created: str = "2026-01-31T12:00:00", **fields: object) -> dict[str, Any]:
    secret = {
        "name": "app/db",
        "created": created,
        "secret_ref": f"http://elsewhere/v1/secrets/00000000-0000-4000-8000-{last:012}",
        "content_types": {"default": "text/plain"},
    }
    return secret | fields


def ids(*secrets: dict[str, Any]) -> list[int]:
    found = sorted(page({"secrets": list(secrets), "total": len(secrets)}, "app/db").entries)
    return [int(entry.id[-12:]) for entry in found]


def test_the_newest_is_last() -> None:
    later = one(1, created="2026-01-31T12:00:00.000001")
    assert ids(later, one(2), one(3, created="2026-01-30T13:00:00.999999")) == [3, 2, 1]


def test_a_moment_without_a_zone_is_in_utc_and_stands_beside_those_that_have_one() -> None:
    """Barbican says no zone; another version of it may."""
    noon = one(1, created="2026-01-31T12:00:00")
    before = one(2, created="2026-01-31T13:59:59+02:00")
    after = one(3, created="2026-01-31T12:00:01Z")
    assert ids(after, noon, before) == [2, 1, 3]
    [entry] = page({"secrets": [noon], "total": 1}, "app/db").entries
    assert entry.created == dt.datetime(2026, 1, 31, 12, tzinfo=dt.UTC)


def test_in_the_same_second_the_number_decides_and_then_the_id() -> None:
    marked = [one(3, mode=f"m8.9.{TAG}"), one(2, mode=f"m8.10.{TAG}")]
    assert ids(*marked, one(9), one(8), one(7, mode="m8.11.not-a-tag")) == [7, 8, 9, 3, 2]


def test_other_names_that_the_server_takes_for_like_are_left_out() -> None:
    assert ids(one(1, name="app/dB"), one(2, name="app_db"), one(3), one(4, name=None)) == [3]


def test_a_secret_without_a_payload_is_no_version() -> None:
    assert ids(one(1, content_types={})) == []


def test_a_mark_carries_the_tag_and_the_next_number() -> None:
    entries = page({"secrets": [one(1, mode=f"m8.41.{TAG}"), one(2)], "total": 2}, "app/db").entries
    assert mark(entries, TAG) == f"m8.42.{TAG}"
    assert mark([], TAG) == f"m8.1.{TAG}"
    assert {entry.tag for entry in entries} == {TAG, ""}


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"secrets": 1, "total": 1},
        {"secrets": [one(1, secret_ref="https://x/v1/secrets/engine-text")], "total": 1},
        {"secrets": [one(1, created="engine text")], "total": 1},
        {"secrets": [], "total": "many"},
    ],
)
def test_what_barbican_would_not_say_is_refused(body: dict[str, object]) -> None:
    with pytest.raises(StoreRefusedError, match="does not answer as Barbican does") as caught:
        page(body, "app/db")
    assert "engine" not in str(caught.value)


@pytest.mark.parametrize("reference", [None, "", 5, "https://x/v1/secrets/", "../../x", "0" * 36])
def test_only_an_id_is_taken_from_a_reference(reference: object) -> None:
    with pytest.raises(StoreRefusedError):
        secret_id(reference)


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
