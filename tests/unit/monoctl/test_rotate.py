"""`monoctl rotate secret`: the file of rotations, and which are due."""

from __future__ import annotations

import datetime as dt

import pytest

from monoskope.client import Planned, Rotation
from monoskope.errors import UsageError
from monoskope.monoctl.commands.rotate import CLOSED, LATER, OVERDUE, due_row
from monoskope.monoctl.input.rotation_file import parse

FILE = b"""
kind: Rotation
secret: vault://orders/db
accounts: [pg://orders_a, pg://orders_b]
recipes:
  url: "text:postgresql://{username}:{password|url}@db/orders"
every: 30d
grace: 12h
window: sat,sun 02:00-04:00
---
- kind: Rotation
  secret: vault://billing/db
  accounts: [pg://billing_a]
"""


def test_a_file_has_rotations_in_documents_or_lists() -> None:
    orders, billing = parse(FILE, "rotations.yaml")
    assert orders == Rotation.of(
        "vault://orders/db",
        ["pg://orders_a", "pg://orders_b"],
        {"url": "text:postgresql://{username}:{password|url}@db/orders"},
        every="30d",
        grace="12h",
        window="sat,sun 02:00-04:00",
    )
    assert (billing.accounts, billing.every_s) == (("pg://billing_a",), 0)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "has no rotation"),
        (b"kind: Rotation", "line 1: secret is missing"),
        (b"kind: RoleBinding\nsecret: vault://a/b\naccounts: [pg://a]", "kind must be Rotation"),
        (b"kind: Rotation\nsecret: vault://a/b\naccounts: [pg://a]\nevery: never", "line 1: 'never'"),
        (b"kind: Rotation\nsecret: vault://a/b\naccounts: pg://a", "line 3: accounts must be a list"),
        (b"kind: Rotation\nsecret: vault://a/b\naccounts: [pg://a]\ncron: daily", "line 4: a rotation has no field"),
        (b"kind: Rotation\nsecret: vault://a/b\naccounts: [pg://a]\nrecipes: [url]", "recipes must be a mapping"),
        (b"- kind: Rotation\n  secret: vault://a/b\n  accounts: &x [pg://a]\n- *x", "an alias"),
        (
            (
                b"- {kind: Rotation, secret: vault://a/b, accounts: [pg://a]}\n"
                b"- {kind: Rotation, secret: vault://a/c, accounts: [pg://a]}"
            ),
            "line 2: pg://a is of two rotations",
        ),
    ],
)
def test_what_has_no_place_in_a_file_is_refused_with_its_line(content: bytes, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        parse(content, "rotations.yaml")


BEGAN = dt.datetime(2026, 11, 1, tzinfo=dt.UTC)
MONDAY, SATURDAY = dt.datetime(2026, 12, 7, 3, tzinfo=dt.UTC), dt.datetime(2026, 12, 12, 3, tzinfo=dt.UTC)


def planned(*, began: dt.datetime | None = BEGAN, step: str = "GENERATE", is_over: bool = True) -> Planned:
    return Planned(
        uri="vault://orders/db",
        step=step,
        account="",
        why="why" if step == "STOP" else "",
        fix="",
        waits=False,
        began_at=began,
        is_over=is_over,
    )


@pytest.mark.parametrize(
    ("plan", "now", "outcome", "checked"),
    [
        (planned(), BEGAN + dt.timedelta(days=29), LATER, LATER),
        (planned(), SATURDAY, OVERDUE, OVERDUE),
        # Outside its window no round begins, and whoever checks is told: m8 could else hide behind windows.
        (planned(), MONDAY, CLOSED, OVERDUE),
        (planned(began=None, step="STOP", is_over=False), BEGAN, OVERDUE, OVERDUE),
        (planned(step="SET_ACCOUNT", is_over=False), BEGAN, OVERDUE, OVERDUE),
        (planned(step="STOP"), BEGAN, OVERDUE, OVERDUE),
    ],
)
def test_what_is_due_follows_from_the_file_and_from_what_is_proven(
    plan: Planned, now: dt.datetime, outcome: str, checked: str
) -> None:
    rotation, _ = parse(FILE, "rotations.yaml")
    now_ms = int(now.timestamp() * 1000)
    assert due_row(rotation, plan, now_ms, windows=True).outcome == outcome
    assert due_row(rotation, plan, now_ms, windows=False).outcome == checked
