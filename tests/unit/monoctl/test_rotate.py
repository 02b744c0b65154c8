"""`monoctl rotate secret`: the file of rotations, and which are due."""

from __future__ import annotations

import asyncio
import datetime as dt
import sys
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import pytest

from monoskope.client import Planned, Rotated, Rotation
from monoskope.client.runtime import asyncio_runtime
from monoskope.errors import ConflictError, Error, NotReachedError, NotTriedError, RefusedError, UsageError
from monoskope.monoctl.commands.rotate_due import CLOSED, LATER, OVERDUE, DueRow, Run, due_row
from monoskope.monoctl.input.rotation_file import parse
from tests.unit.monoctl.on_terminal import Screen

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


def planned(
    uri: str = "vault://orders/db",
    *,
    began: dt.datetime | None = BEGAN,
    step: str = "MAKE_VALUES",
    is_over: bool = True,
) -> Planned:
    return Planned(
        uri=uri,
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


class Scripted:
    """A client: some plans fail, and so do some rotations. Each waits once, so that others begin."""

    def __init__(self, plans: Mapping[str, Error], rotations: Mapping[str, Error]) -> None:
        self.queries = SimpleNamespace(runtime=asyncio_runtime())
        self.plans, self.rotations = plans, rotations
        self.rotated: list[str] = []

    async def plan_rotation(self, rotation: Rotation, *, timeout: float) -> Planned:
        assert timeout
        await asyncio.sleep(0)
        if rotation.secret in self.plans:
            raise self.plans[rotation.secret]
        return planned(rotation.secret, began=dt.datetime(2020, 1, 1, tzinfo=dt.UTC))

    async def rotate_secret(self, rotation: Rotation, *, timeout: float) -> Rotated:
        assert timeout
        await asyncio.sleep(0)
        if rotation.secret in self.rotations:
            raise self.rotations[rotation.secret]
        self.rotated.append(rotation.secret)
        at = dt.datetime(2026, 12, 1, tzinfo=dt.UTC)
        account, *_ = rotation.accounts
        return Rotated(uri=rotation.secret, account=account, upstream_version="2", hash="", began_at=at, joined=False)


def of(number: int) -> Rotation:
    return Rotation.of(f"vault://app/{number}", [f"pg://app_{number}"], every="30d")


def ran(client: Any, count: int, *, check: bool = False) -> list[str]:
    """What came of each rotation of a file of so many."""
    session: Any = SimpleNamespace(timeout=1.0, bar=SimpleNamespace(tell=lambda _: None))
    results = asyncio.run(Run(client, session, check=check).all([of(number) for number in range(count)]))
    assert [row.uri for row in results] == [of(number).secret for number in range(count)]
    return [row.outcome if isinstance(row, DueRow) else type(row).__name__ for row in results]


def test_what_fails_stops_no_other_and_a_jobs_log_says_how_far_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    client = Scripted({of(1).secret: RefusedError("no right")}, {of(2).secret: ConflictError("changed")})
    screen = Screen(terminal=False)
    monkeypatch.setattr(sys, "stderr", screen)
    assert ran(client, 4) == ["ROTATED", "RefusedError", "ConflictError", "ROTATED"]
    assert sorted(line.split(": ")[1] for line in screen.getvalue().splitlines()) == [
        "vault://app/0 ROTATED, pg://app_0",
        "vault://app/1 REFUSED",
        "vault://app/2 CONFLICT",
        "vault://app/3 ROTATED, pg://app_3",
    ]
    monkeypatch.setattr(sys, "stderr", on_terminal := Screen(terminal=True))
    ran(client, 4)
    assert on_terminal.getvalue() == ""


def test_once_m8_does_not_answer_no_other_is_tried() -> None:
    client = Scripted({of(0).secret: NotReachedError("no route")}, {})
    found = ran(client, 40)
    assert found[0] == "NotReachedError"
    assert found[-1] == NotTriedError.__name__
    assert len(client.rotated) < 20


def test_what_nothing_proves_is_overdue_for_who_checks_and_nothing_is_changed() -> None:
    client = Scripted({of(0).secret: RefusedError("m8 shows no receipt"), of(1).secret: ConflictError("x")}, {})
    assert ran(client, 3, check=True) == [OVERDUE, "ConflictError", OVERDUE]
    assert not client.rotated
