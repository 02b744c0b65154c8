"""Verifiers, names and passwords of the driver `postgresql-account`. No database is asked."""

from __future__ import annotations

import hashlib
import hmac
from base64 import b64decode
from typing import Any

import pytest

from monoskope.errors import UsageError
from monoskope.protocol.payload import Payload
from monoskope.settings import convert
from monoskope.stores.driver import StoreRefusedError
from monoskope.stores.postgresql_account import scram
from monoskope.stores.postgresql_account.config import PostgresqlAccountConfig
from monoskope.stores.postgresql_account.store import PostgresqlAccountStore

SALT = b64decode("W22ZaJ0SNY7soEsUEjb6gQ==")
NONCE = "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
TABLE = {"hosts": ["db:5432"], "user": "m8", "password_file": "password"}


def store() -> PostgresqlAccountStore:
    config = convert(TABLE, PostgresqlAccountConfig, where="test")
    return PostgresqlAccountStore(config, None)  # type: ignore[arg-type] # it is not asked


def test_a_verifier_lets_in_the_login_of_rfc_7677_and_shows_its_server() -> None:
    said = f"n=user,r=rOprNGfwEbeRWgbNEkqO,r={NONCE},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,c=biws,r={NONCE}".encode()
    head, keys = scram.verifier(b"pencil", SALT).rsplit("$", 1)
    assert head == "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ=="
    stored, server = map(b64decode, keys.split(":"))
    assert hmac.digest(server, said, "sha256") == b64decode("6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=")
    signed = hmac.digest(stored, said, "sha256")
    proof = b64decode("dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=")
    key = bytes(one ^ other for one, other in zip(proof, signed, strict=True))
    assert hashlib.sha256(key).digest() == stored


def test_the_salt_is_of_the_writes_tag_alone() -> None:
    tag = "ab" * 32
    assert scram.salt_of(tag) == hashlib.sha256(b"m8/account-salt/v1\0" + b"\xab" * 32).digest()[:16]
    assert scram.salt_of("ac" + "ab" * 31) != scram.salt_of(tag)


@pytest.mark.parametrize("rest", ["", ",nologin", ",until=1577836800.000000", ",nologin,until=Infinity"])
def test_a_version_names_salt_and_iterations_whatever_else_it_says(rest: str) -> None:
    name = scram.name_of(SALT, 9_999)
    assert name == "scram@9999:W22ZaJ0SNY7soEsUEjb6gQ=="
    assert scram.parts_of(name + rest) == (SALT, 9_999)


@pytest.mark.parametrize(
    "text", ["", "other@742", "scram@0:AAAA", "scram@4096:", "scram@4096:A===", "scram@4096:AAAAA"]
)
def test_what_names_none_names_none(text: str) -> None:
    assert scram.parts_of(text) is None


@pytest.mark.parametrize("password", [b"x" * 20, b"x" * 128, bytes(range(0x21, 0x7F))])
def test_a_password_of_printable_characters_is_taken(password: bytes) -> None:
    store().check_payload(("orders_a",), Payload({"password": password}), remove=None, options=None)


@pytest.mark.parametrize(
    "values",
    [
        {"password": b"x" * 19},
        {"password": b"x" * 129},
        {"password": b"x" * 20 + b" "},
        {"password": b"x" * 20 + b"\n"},
        {"password": b"x" * 20 + b"\0"},
        {"password": "grüße".encode() * 5},
        {"password": b"x" * 20, "username": b"orders_a"},
        {"username": b"x" * 20},
    ],
)
def test_anything_else_is_refused_before_it_is_compared(values: dict[str, bytes]) -> None:
    with pytest.raises(StoreRefusedError) as refused:
        store().check_payload(("orders_a",), Payload(values), remove=None, options=None)
    assert "xxx" not in f"{refused.value!r} {refused.value.fix}"


@pytest.mark.parametrize("path", [("m8",), ("pg_monitor",), ("a", "b"), ("x" * 64,)])
def test_what_is_no_account_is_refused_before_a_key_is_made(path: tuple[str, ...]) -> None:
    with pytest.raises(StoreRefusedError):
        store().check(path, None)
    store().check(("orders_a.B-2",), None)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"hosts": []}, "`hosts`"),
        ({"hosts": ["db"]}, "`hosts`"),
        ({"hosts": ["postgresql://db:5432"]}, "`hosts`"),
        ({"user": 'm8"; DROP'}, "`user`"),
        ({"schema": 'x"'}, "`schema`"),
        ({"schema": "public"}, "`schema`"),
        ({"database": ""}, "`database`"),
        ({"timeout_s": 31.0}, "`timeout_s`"),
        ({"key_file": "key"}, "belong together"),
        ({"password_file": None}, "`password_file`"),
    ],
)
def test_settings_that_could_reach_into_sql_or_elsewhere_are_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        convert(TABLE | changes, PostgresqlAccountConfig, where="test")
