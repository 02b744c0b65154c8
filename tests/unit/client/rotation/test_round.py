"""What a rotation does next: each state that can be found, and what follows."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import structs

from monoskope.client.rotation.decide import begin, decide, live_by
from monoskope.client.rotation.round import (
    Adopt,
    Done,
    Generate,
    Look,
    Place,
    Round,
    SetAccount,
    Stop,
    Switch,
    Sync,
    Wish,
    digest_of,
)
from monoskope.client.rotation.spec import Rotation
from monoskope.errors import UsageError

DB, NEXT, A, B = "vault://orders/db", "vault://orders/db.next", "pg://orders_a", "pg://orders_b"
DAY_MS = 86_400_000
BEGAN = 1_900_000_000_000
NOW = BEGAN + 2 * DAY_MS
ROTATION = Rotation.of(DB, [A, B])
K1, K2 = "fp1:" + "1" * 16, "fp1:" + "2" * 16
ROUND = Round(B, digest_of("7"), BEGAN)


def at(uri: str, version: str, content: str, *, key: str = K1, sync: Sync = Sync.IN_SYNC) -> Place:
    digest = {"old": "0", "new": "1", "other": "2"}[content] * 64
    return Place(uri, sync, version, f"{key}:{digest}", {"password": f"{key}:{digest}"})


def drifted(uri: str, version: str = "9") -> Place:
    return Place(uri, Sync.DRIFTED, version)


# After step 1 of a round for B: db has the old values, the account an older password.
MADE = Look(at(DB, "7", "old"), at(NEXT, "2", "new"), (at(A, "a1", "old"), at(B, "b1", "other")), ROUND)
SET = structs.replace(MADE, accounts=(at(A, "a1", "old"), at(B, "b2", "new")))
OVER = structs.replace(SET, db=at(DB, "8", "new"))
BLIND = structs.replace(MADE, accounts=(Place(A, Sync.UNREADABLE), Place(B, Sync.UNREADABLE)))
BLIND_SET = structs.replace(BLIND, accounts=(BLIND.accounts[0], Place(B, Sync.UNREADABLE, "b7")))
K2_ALONE = frozenset({"2" * 16})
WISH = Wish(ROTATION, NOW)
AGAIN = structs.replace(WISH, over="2")


@pytest.mark.parametrize(
    ("look", "wish", "step"),
    [
        (MADE, WISH, SetAccount(B, "2", "b1")),
        (structs.replace(MADE, accounts=(MADE.accounts[0], Place(B))), WISH, SetAccount(B, "2", "")),
        (SET, WISH, Switch("2", "7")),
        (OVER, WISH, Done(ROUND)),
        (OVER, AGAIN, Generate(Round(A, digest_of("8"), NOW), "2")),
        # Another run was faster: its round is over, and this run begins no other.
        (OVER, structs.replace(WISH, over="1"), Done(ROUND)),
        # The live account was changed by hand in the middle: to go on repairs it.
        (structs.replace(SET, accounts=(drifted(A), SET.accounts[1])), WISH, Switch("2", "7")),
        # What this run has copied counts where receipts hash with different keys.
        (
            structs.replace(MADE, accounts=(MADE.accounts[0], at(B, "b2", "new", key=K2))),
            structs.replace(WISH, copied=("2", "b2")),
            Switch("2", "7"),
        ),
        # What was adopted is set whatever is there, and only what was adopted.
        (
            structs.replace(MADE, accounts=(MADE.accounts[0], Place(B))),
            structs.replace(WISH, adopted="2"),
            SetAccount(B, "2", None),
        ),
        (
            structs.replace(MADE, accounts=(MADE.accounts[0], drifted(B, "b9"))),
            structs.replace(WISH, adopted="2", adopt=True),
            SetAccount(B, "2", "b9"),
        ),
        # A `db` that others changed and somebody adopted is the one that is replaced.
        (
            structs.replace(MADE, db=drifted(DB), round=Round(B, digest_of("9"), BEGAN)),
            WISH,
            SetAccount(B, "2", "b1"),
        ),
        # Whoever adopts again after a break sets what no receipt tells of, too.
        (
            structs.replace(MADE, accounts=(MADE.accounts[0], Place(B))),
            structs.replace(WISH, adopt=True),
            SetAccount(B, "2", None),
        ),
        # An account that nobody can verify is set whatever is there, until the same copy finds its password.
        (BLIND, WISH, SetAccount(B, "2", None)),
        (BLIND_SET, structs.replace(WISH, copied=("2", "b7")), Switch("2", "7")),
        (BLIND_SET, structs.replace(WISH, copied=("2", "b6")), SetAccount(B, "2", None)),
        (structs.replace(BLIND, db=OVER.db), WISH, Done(ROUND)),
        (structs.replace(BLIND, db=OVER.db), AGAIN, Generate(Round(A, digest_of("8"), NOW), "2")),
        # The stores agree on another fingerprint key than that of `next`: it is made again, for the same account.
        (structs.replace(MADE, key_ids=K2_ALONE), WISH, Generate(Round(B, digest_of("7"), NOW), "2")),
        (structs.replace(SET, key_ids=K2_ALONE), WISH, Generate(Round(B, digest_of("7"), NOW), "2")),
        (structs.replace(OVER, key_ids=K2_ALONE), WISH, Done(ROUND)),
        # The recipes were changed after the last round.
        (structs.replace(OVER, is_ours=False), AGAIN, Generate(Round(A, digest_of("8"), NOW), "2")),
    ],
)
def test_what_follows(look: Look, wish: Wish, step: object) -> None:
    assert decide(look, wish) == step


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"next": Place(NEXT), "round": None}, "never rotated"),
        ({"next": drifted(NEXT)}, f"{NEXT} was changed by others"),
        ({"next": Place(NEXT, Sync.GONE)}, f"{NEXT} was changed by others"),
        ({"round": None}, "not made by a rotation"),
        ({"round": Round("pg://orders_c", digest_of("7"), BEGAN)}, "no account of this rotation"),
        ({"db": at(DB, "8", "other")}, "put, copied, rolled back or brought back"),
        ({"db": at(DB, "8", "old")}, "put, copied, rolled back or brought back"),
        ({"db": drifted(DB)}, f"{DB} was changed by others"),
        ({"db": Place(DB, Sync.GONE)}, f"{DB} was changed by others"),
        ({"db": Place(DB)}, "put, copied, rolled back or brought back"),
        ({"db": at(DB, "8", "new", key=K2)}, "different fingerprint keys"),
        ({"db": at(DB, "8", "new")}, f"{B} has others"),
        ({"is_ours": False}, "made by other recipes"),
        ({"accounts": (MADE.accounts[0], drifted(B))}, f"{B} was changed by others"),
        ({"accounts": (MADE.accounts[0], Place(B, Sync.GONE))}, f"{B} was changed by others"),
    ],
)
def test_what_no_rotation_leaves_is_told_and_adopted_only_if_somebody_says_so(
    changed: dict[str, Any], said: str
) -> None:
    look = structs.replace(MADE, **changed)
    step = decide(look, WISH)
    assert isinstance(step, Stop)
    assert said in step.why
    assert "--adopt" in step.fix
    assert not step.waits
    forced = decide(look, structs.replace(WISH, force=True))
    assert forced == step
    assert decide(look, structs.replace(WISH, adopt=True)) == Adopt(step.why)


def test_two_fingerprint_keys_stop_it_before_anything_is_made() -> None:
    look = structs.replace(OVER, key_ids=frozenset({"1" * 16, "2" * 16}))
    step = decide(look, structs.replace(AGAIN, adopt=True))
    assert isinstance(step, Stop)
    assert "fingerprint keys" in step.why


def test_an_account_that_others_changed_is_no_next_one() -> None:
    look = structs.replace(OVER, accounts=(drifted(A), OVER.accounts[1]))
    assert isinstance(decide(look, AGAIN), Stop)


@pytest.mark.parametrize(
    ("passed_s", "given", "look", "said"),
    [
        (86_399, {}, {}, "grace"),
        (86_400, {}, {}, ""),
        (119, {"force": True}, {}, "under way"),
        (120, {"force": True}, {}, ""),
        (-1, {"force": True}, {}, "future"),
        # A round that was ended late: what was sent for it may come as late.
        (86_400, {}, {"db": structs.replace(OVER.db, at_ms=BEGAN + 86_281_000)}, "under way"),
        (86_400, {}, {"db": structs.replace(OVER.db, at_ms=BEGAN + 86_280_000)}, ""),
        # Keys that live longer.
        (659, {"force": True}, {"late_s": 660}, "660 seconds"),
        (660, {"force": True}, {"late_s": 660}, ""),
    ],
)
def test_a_round_begins_after_the_grace_and_never_while_a_late_write_can_come(
    passed_s: int, given: dict[str, Any], look: dict[str, Any], said: str
) -> None:
    wish = structs.replace(AGAIN, now_ms=BEGAN + passed_s * 1000, **given)
    step = decide(structs.replace(OVER, **look), wish)
    assert isinstance(step, Stop if said else Generate)
    if isinstance(step, Stop):
        assert said in step.why
        assert step.waits is (passed_s > 0)


@pytest.mark.parametrize(("passed_s", "waits"), [(-1, False), (0, True), (119, True), (120, False)])
def test_who_adopts_waits_for_late_writes_and_for_nothing_else(passed_s: int, *, waits: bool) -> None:
    wish = structs.replace(AGAIN, now_ms=BEGAN + passed_s * 1000, adopt=True)
    step = begin(structs.replace(OVER, db=drifted(DB)), wish, A, adopting=True)
    assert isinstance(step, Stop if waits else Generate)


@pytest.mark.parametrize(
    ("version", "is_shut"),
    [
        ("scram@4096:AA==,nologin", True),
        ("scram@4096:AA==,until=1577836800.000000", True),
        ("scram@4096:AA==,nologin,until=Infinity", True),
        ("scram@4096:AA==,until=Infinity", False),
        ("scram@4096:AA==,until=4102444800.000000", False),
        ("2@2026-01-31T12:00:00Z", False),
    ],
)
def test_nothing_ends_with_an_account_with_which_nobody_logs_in(version: str, *, is_shut: bool) -> None:
    locked = structs.replace(OVER, accounts=(drifted(A, version), OVER.accounts[1]))
    adopted = begin(locked, structs.replace(AGAIN, adopt=True), B, adopting=True)
    under_way = decide(structs.replace(SET, accounts=(SET.accounts[0], at(B, version, "new"))), WISH)
    for step in (adopted, under_way):
        assert isinstance(step, Stop) is is_shut
        assert not is_shut or "locked" in str(step)


def test_one_account_needs_no_grace() -> None:
    only = structs.replace(OVER, accounts=(OVER.accounts[1],))
    wish = Wish(Rotation.of(DB, [B]), BEGAN + 120_000, over="2")
    assert decide(only, wish) == Generate(Round(B, digest_of("8"), BEGAN + 120_000), "2")


@pytest.mark.parametrize(
    ("differs", "live"),
    [({A: True, B: False}, B), ({A: False, B: True}, A), ({A: True, B: True}, None), ({A: False, B: False}, None)],
)
def test_the_live_account_is_the_only_one_whose_name_fits(differs: dict[str, bool], live: str | None) -> None:
    assert live_by(differs) == live


def test_labels_are_read_in_their_one_form_alone() -> None:
    labels = ROUND.labels(every_s=30 * 86_400)
    assert Round.parse(labels) == ROUND
    assert labels["due"] > labels["began"][:10]
    for name in ("account", "replaces", "began"):
        with pytest.raises(UsageError):
            Round.parse({key: value for key, value in labels.items() if key != name})
    for bad in ("", "2030-01-01", "2030-03-17T17:46:40.5Z", "9999-99-99", "1e9"):
        with pytest.raises(UsageError):
            Round.parse(labels | {"began": bad})
