"""What the settings of password and age stores may say, and what entries of password stores hold."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monoskope.errors import UsageError
from monoskope.protocol.payload import Payload
from monoskope.settings import convert
from monoskope.stores.age.config import AgeConfig
from monoskope.stores.driver import CannotReadError, StoreRefusedError
from monoskope.stores.password_store.config import PassConfig, PassLayout

GOOD: dict[str, Any] = {"folder": "/var/lib/password-store", "gpg_home": "/etc/monoskope/gnupg"}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("folder", "relative"),
        ("gpg_home", "~/.gnupg"),
        ("prefix", "a//b"),
        ("layout", "json"),
        ("raw_key", "a key"),
        ("max_plaintext", 1000),
        ("timeout_s", 0),
        ("lock_timeout_s", 26),
        ("passphrase", "in the clear"),
    ],
)
def test_a_wrong_field_is_named(field: str, value: object) -> None:
    with pytest.raises(UsageError, match=field):
        convert(GOOD | {field: value}, PassConfig, where="reactor.toml")


def test_it_is_write_only_and_without_git_unless_said_otherwise() -> None:
    config = convert(GOOD | {"prefix": "team/m8"}, PassConfig, where="reactor.toml")
    assert (config.readable, config.git, config.layout, config.below) == (False, False, "pass", ("team", "m8"))


PASS = PassLayout("pass", "password")
RAW = PassLayout("raw", "value")
KEYS = st.one_of(st.just("password"), st.from_regex(r"[A-Za-z0-9_-]{1,20}", fullmatch=True))
ODD = st.one_of(st.binary(max_size=30), st.text(max_size=20).map(str.encode), st.from_regex(rb"[a-z: ]{0,20}"))


@given(st.dictionaries(KEYS, ODD, min_size=1, max_size=5))
def test_every_secret_comes_back_or_is_refused(values: dict[str, bytes]) -> None:
    with contextlib.suppress(StoreRefusedError):
        assert dict(PASS.payload(PASS.content(Payload(values)))) == values


@given(st.dictionaries(KEYS, st.from_regex(rb"[!-~]([ -~]*[!-~])?", fullmatch=True), min_size=1, max_size=5))
def test_ordinary_values_are_never_refused(values: dict[str, bytes]) -> None:
    assert dict(PASS.payload(PASS.content(Payload(values)))) == values


@given(st.binary(max_size=60))
def test_no_file_is_read_as_another_than_it_would_be_written(content: bytes) -> None:
    with contextlib.suppress(CannotReadError):
        payload = PASS.payload(content)
        assert dict(PASS.payload(PASS.content(payload))) == dict(payload)


@given(st.binary(max_size=60))
def test_every_value_comes_back_under_the_layout_raw(value: bytes) -> None:
    assert RAW.content(Payload({"value": value})) == value
    assert dict(RAW.payload(value)) == {"value": value}


def test_it_lies_there_as_people_write_it() -> None:
    payload = Payload({"url": b"https://x: y", "password": b" s3cret: ", "login": b"anna", "note": b""})
    assert PASS.content(payload) == b" s3cret: \nlogin: anna\nnote: \nurl: https://x: y\n"
    assert PASS.content(Payload({"login": b"anna"})) == b"\nlogin: anna\n"


@pytest.mark.parametrize(
    ("key", "value", "rule"),
    [
        ("login", b"a\nb", "more than one line"),
        ("password", b"a\n", "more than one line"),
        ("password", b"", "empty password"),
        ("login", b" a", "white space"),
        ("login", b"a\r", "white space"),
        ("login", "a\u2003".encode(), "white space"),
    ],
)
def test_what_a_line_cannot_hold_is_refused_with_its_key(key: str, value: bytes, rule: str) -> None:
    with pytest.raises(StoreRefusedError, match=rule) as caught:
        PASS.content(Payload({key: value}))
    assert key in str(caught.value)


@pytest.mark.parametrize("values", [{"other": b"v"}, {"value": b"v", "other": b"w"}])
def test_the_layout_raw_takes_one_value_of_one_name(values: dict[str, bytes]) -> None:
    with pytest.raises(StoreRefusedError, match="exactly one key, value"):
        RAW.content(Payload(values))


@pytest.mark.parametrize("content", [b"s3cret", b"s3cret\n"])
def test_a_password_that_people_inserted_is_read(content: bytes) -> None:
    assert dict(PASS.payload(content)) == {"password": b"s3cret"}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n",
        b"s3cret\n\n",
        b"s3cret\nfree text\n",
        b"s3cret\nlogin:anna\n",
        b"s3cret\nlogin: anna\nlogin: bert\n",
        b"s3cret\npassword: another\n",
        b"s3cret\nlogin: anna\r\n",
        b"s3cret\nlogin:  anna\n",
        b"s3cret\nl\xc3\xb6gin: anna\n",
        b"s3cret\notpauth://totp/x: y\n",
    ],
)
def test_a_file_that_this_store_could_not_have_written_is_not_read(content: bytes) -> None:
    with pytest.raises(CannotReadError) as caught:
        PASS.payload(content)
    assert "anna" not in str(caught.value)


GOOD_AGE: dict[str, Any] = {"folder": "/var/lib/store", "recipients": ["age1x"]}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("folder", "relative"),
        ("recipients", []),
        ("keep_versions", 0),
        ("keep_versions", 10_001),
        ("max_plaintext", 1000),
        ("lock_timeout_s", 0),
        ("lock_timeout_s", 26),
        ("identity", "AGE-SECRET-KEY-1"),
    ],
)
def test_a_wrong_field_of_age_is_named(field: str, value: object) -> None:
    with pytest.raises(UsageError, match=field):
        convert(GOOD_AGE | {field: value}, AgeConfig, where="reactor.toml")


def test_without_an_identity_it_is_write_only() -> None:
    config = convert(GOOD_AGE, AgeConfig, where="reactor.toml")
    assert (config.identity_file, config.keep_versions, config.max_plaintext) == (None, 10, 1_048_576)
