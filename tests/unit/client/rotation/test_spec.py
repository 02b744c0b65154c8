"""What may be rotated and when: what is wrong is refused before anything is asked."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from monoskope.client.rotation.spec import Rotation, Window
from monoskope.errors import UsageError

DB, A, B = "vault://orders/db", "pg://orders_a", "pg://orders_b"


def ms(text: str) -> int:
    return int(dt.datetime.fromisoformat(text).timestamp() * 1000)


def test_what_is_made_has_the_name_and_a_password() -> None:
    rotation = Rotation.of(DB, [A, B], {"url": "text:pg://{username}:{password|url}@db"}, every="30d", grace="12h")
    assert rotation.next == "vault://orders/db.next"
    assert [(made.key, made.kind, made.text) for made in rotation.recipes_for(B)] == [
        ("password", "password", ""),
        ("url", "text", "pg://{username}:{password|url}@db"),
        ("username", "fixed", "orders_b"),
    ]
    assert (rotation.every_s, rotation.grace_s) == (30 * 86_400, 43_200)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"secret": "orders/db"}, "://"),
        ({"secret": "vault://" + "a" * 125}, "segment"),
        ({"accounts": []}, "one account, or two"),
        ({"accounts": [A, B, "pg://orders_c"]}, "one account, or two"),
        ({"accounts": [A, A]}, "one account, or two"),
        ({"accounts": [A, "other://orders_a"]}, "different names"),
        ({"accounts": [DB]}, "no account"),
        ({"accounts": [f"{DB}.next"]}, "no account"),
        ({"accounts": ["pg://" + "a" * 124]}, "more than 128"),
        ({"recipes": {"username": "fixed:me"}}, "not made"),
        ({"recipes": {"password": "fixed:secret"}}, "at random"),
        ({"recipes": {"password": "text:{url}"}}, "at random"),
        ({"recipes": {"password": "rsa"}}, "at random"),
        ({"recipes": {"password": "password:19"}}, "20 to 128"),
        ({"recipes": {"password": "hex:65"}}, "20 to 128"),
        ({"recipes": {"password": "base64:100"}}, "20 to 128"),
        ({"recipes": {"url": "text:{url}"}}, "refers to itself"),
        ({"recipes": {"url": "text:{password|upper}"}}, "unknown filter"),
        ({"recipes": {"url": "text:{host}"}}, "not made with it"),
        ({"recipes": {"host": "fixed:" + "a" * 129}}, "1 to 128 printable"),
        ({"recipes": {"token": "dice"}}, "unknown kind"),
        ({"every": "10m"}, "shorter than an hour"),
        ({"every": "sometimes"}, "length of time"),
        ({"every": "12h", "grace": "1d"}, "longer than every"),
        ({"window": "02:00-02:00"}, "never open"),
        ({"window": "25:00-26:00"}, "no window"),
        ({"window": "someday 02:00-04:00"}, "no window"),
        ({"window": "xyz 02:00-04:00"}, "no window"),
    ],
)
def test_what_cannot_be_carried_out_is_refused(given: dict[str, Any], said: str) -> None:
    whole: dict[str, Any] = {"secret": DB, "accounts": [A, B]} | given
    with pytest.raises(UsageError, match=said) as refused:
        Rotation.of(whole.pop("secret"), whole.pop("accounts"), whole.pop("recipes", None), **whole)
    assert refused.value.fix
    assert "fixed:secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("window", "at", "is_open"),
    [
        ("02:00-04:00", "2026-11-30T02:00:00+00:00", True),
        ("02:00-04:00", "2026-11-30T04:00:00+00:00", False),
        ("02:00-04:00", "2026-11-30T01:59:59+00:00", False),
        ("mon 02:00-04:00", "2026-11-30T03:00:00+00:00", True),
        ("sat,sun 02:00-04:00", "2026-11-30T03:00:00+00:00", False),
        ("sun 22:00-04:00", "2026-11-29T23:00:00+00:00", True),
        ("sun 22:00-04:00", "2026-11-30T03:59:59+00:00", True),
        ("sun 22:00-04:00", "2026-11-29T03:00:00+00:00", False),
        ("mon 22:00-04:00", "2026-11-30T03:00:00+00:00", False),
    ],
)
def test_a_window_is_open_on_its_days_in_utc(window: str, at: str, *, is_open: bool) -> None:
    assert Window.parse(window).is_open(ms(at)) is is_open
