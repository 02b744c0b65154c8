"""Rotations on real parts. Accounts take turns, every login works, and what others did stops it."""

from __future__ import annotations

import itertools
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from monoskope.client.rotation.round import Round, digest_of
from tests.e2e.ran import ok, refused
from tests.e2e.rotating import DB, URL, Program, Rotating, rotating


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rotating]:
    with rotating(tmp_path_factory.mktemp("rotations")) as found:
        yield found


def test_two_accounts_take_turns_and_what_stands_at_db_logs_in_all_the_while(made: Rotating) -> None:
    assert "never rotated" in refused(made.rotate(), 6)
    first = ok(made.rotate("--adopt")).json()
    assert (first["outcome"], first["account"]) == ("ROTATED", "pg://orders_a")
    before = made.at_db()
    assert before["url"] == f"postgresql://orders_a:{before['password']}@db.internal/orders"
    assert made.db_logs_in()
    assert "under way" in refused(made.rotate("--force"), 6)
    assert "grace" in refused(made.rotate(later_s=300), 6)
    planned = ok(made.rotate("--plan", "--force", later_s=300)).json()
    assert (planned["step"], planned["account"], planned["is_over"]) == ("MAKE_VALUES", "pg://orders_b", True)
    with Program(made).running() as program:
        second = ok(made.rotate("--force", later_s=300)).json()
        third = ok(made.rotate("--force", later_s=600)).json()
    assert [second["account"], third["account"]] == ["pg://orders_b", "pg://orders_a"]
    assert program.logins > 0
    assert program.failed == 0
    after = made.at_db()
    assert after["password"] != before["password"]
    assert not made.logs_in("orders_a", before["password"])
    log = made.postgres.log_file.read_text(encoding="utf-8", errors="replace")
    assert after["password"] not in log
    assert before["password"] not in log


# The first four requests look; then come the new values, the account, its proof, and the secret.
KILLED = [f"monoctl.{point}@{nth}" for nth in (5, 6, 7, 8) for point in ("before-send", "after-send")]


def test_a_run_that_is_killed_at_any_step_is_ended_by_the_next_one(made: Rotating) -> None:
    later_s = 2_000
    ok(made.rotate("--adopt", "--force", later_s=later_s))
    with Program(made).running() as program:
        for kill in KILLED:
            later_s += 1_000
            assert made.rotate("--force", later_s=later_s, kill=kill).code == -signal.SIGKILL
            ended = ok(made.rotate("--force", later_s=later_s + 500)).json()
            there = made.at_db()
            assert ended["account"] == f"pg://{there['username']}"
            assert ended["upstream_version"]
    assert program.logins > len(KILLED)
    assert program.failed == 0


LATER_S = itertools.count(1_000_000, 1_000)
"""Each round begins long after the one before."""


@pytest.fixture(scope="module")
def whole(made: Rotating) -> Rotating:
    """With a round that is over. Each test that takes this ends with one, too."""
    ok(made.rotate("--adopt", "--force", later_s=next(LATER_S)))
    return made


def _put_by_hand(made: Rotating) -> None:
    made.put(DB, made.at_db() | {"note": "by hand"})


def _rolled_back(made: Rotating) -> None:
    ok(made.signed("rollback", "secret", DB, "--to", str(made.version(before=1))))


def _brought_back(made: Rotating) -> None:
    ok(made.signed("delete", "secret", DB, "--yes"))
    ok(made.signed("undelete", "secret", DB))


def _copied(to: str) -> Callable[[Rotating], None]:
    def copy(made: Rotating) -> None:
        made.put("vault://orders/else", made.at_db() | {"note": "by hand"})
        ok(made.signed("copy", "secret", "vault://orders/else", to, "--overwrite"))

    return copy


def _put_at_next(made: Rotating) -> None:
    made.put(f"{DB}.next", made.at_db())


def _labelled(made: Rotating) -> None:
    """Labels that anybody edits at m8 are none of the round's."""
    words = (f"account=pg://{made.at_db()['username']}", "began=2001-01-01T00:00:00Z", "replaces=")
    ok(made.signed("label", "secret", f"{DB}.next", *words))


def _generated(*recipes: str, live: bool = False) -> Callable[[Rotating], None]:
    """Who may generate at `db.next` alone, with the labels of a round."""

    def generate(made: Rotating) -> None:
        name = made.at_db()["username"] if live else made.other()
        there = ok(made.asked("get", "secret", DB)).json()["upstream_version"]
        labels = Round(f"pg://{name}", digest_of(there), 1_700_000_000_000).labels().items()
        words = [word for label, value in labels for word in ("--label", f"{label}={value}")]
        ok(made.signed("generate", "secret", f"{DB}.next", f"username=fixed:{name}", *recipes, *words))

    return generate


def _no_next(made: Rotating) -> None:
    ok(made.signed("delete", "secret", f"{DB}.next", "--yes"))


def _live_changed(made: Rotating) -> None:
    made.postgres.sql(f"ALTER ROLE {made.at_db()['username']} PASSWORD 'set-by-hand-by-a-dba'")


def _other_changed(made: Rotating) -> None:
    ok(made.rotate("--adopt", "--force", later_s=next(LATER_S)))  # now both were set by rounds
    made.postgres.sql(f"ALTER ROLE {made.other()} PASSWORD 'set-by-hand-by-a-dba'")


BY_OTHERS = "put, copied, rolled back or brought back"
ALTERED = "was changed by others"


@pytest.mark.parametrize(
    ("others", "said"),
    [
        (_put_by_hand, BY_OTHERS),
        (_rolled_back, BY_OTHERS),
        (_brought_back, ""),  # it is what `db.next` has
        (_copied(DB), BY_OTHERS),
        (_copied(f"{DB}.next"), "not made by a rotation"),
        (_put_at_next, "not made by a rotation"),
        (_labelled, ""),
        (_generated("password=fixed:known-to-mallory-and-long", URL), "other recipes"),
        # A server of theirs, to which programs would send the password.
        (_generated("password=password:32", URL.replace("db.internal", "db.mallory.example")), "other recipes"),
        (_generated("password=password:32", URL, "host=fixed:db.mallory.example"), "other recipes"),
        (_generated("password=password:32", URL), ""),
        (_generated("password=password:32", URL, live=True), "may be live"),
        (_no_next, "deleted"),
        (_live_changed, ALTERED),
        (_other_changed, ALTERED),
    ],
    ids=lambda one: getattr(one, "__qualname__", ""),
)
def test_what_others_did_stops_it_and_whoever_adopts_begins_anew_from_what_is_live(
    whole: Rotating, others: Callable[[Rotating], None], said: str
) -> None:
    made = whole
    others(made)
    before, live = (made.version(), made.version("orders/db.next")), made.at_db()["username"]
    logs_in = made.db_logs_in()
    ran = made.rotate("--force", later_s=next(LATER_S))
    if said:
        assert said in refused(ran, 6)
        assert (made.version(), made.version("orders/db.next")) == before
        assert made.db_logs_in() is logs_in
        ran = made.rotate("--adopt", "--force", later_s=next(LATER_S))
    assert ok(ran).json()["account"] != f"pg://{live}"
    assert made.db_logs_in()


def test_what_the_account_refuses_names_it(made: Rotating) -> None:
    said = refused(made.signed("rotate", "secret", "vault://orders/new", "--account", "pg://orders_gone", "--adopt"), 3)
    assert "vault://orders/new.next to pg://orders_gone: " in said
    assert "the database has no such role" in said


def test_nothing_begins_that_would_end_with_an_account_that_is_locked(whole: Rotating) -> None:
    made = whole
    other, before = made.other(), made.at_db()
    made.postgres.sql(f"ALTER ROLE {other} NOLOGIN")
    for words in (("--force",), ("--force", "--adopt")):
        assert "is locked" in refused(made.rotate(*words, later_s=next(LATER_S)), 6)
    assert made.at_db() == before
    assert made.db_logs_in()
    made.postgres.sql(f"ALTER ROLE {other} LOGIN")
    assert ok(made.rotate("--force", later_s=next(LATER_S))).json()["account"] == f"pg://{other}"
    assert made.db_logs_in()


def test_two_at_once_from_two_machines_end_one_round(whole: Rotating) -> None:
    made = whole
    before, later_s = (made.version(), made.version("orders/db.next")), next(LATER_S)
    with Program(made).running() as program, ThreadPoolExecutor() as pool:
        both = list(pool.map(lambda _: made.rotate("--force", later_s=later_s), range(2)))
    late = [ran for ran in both if ran.code]  # it began when the other one had ended
    assert all("may still be under way" in refused(ran, 6) for ran in late)
    assert len(late) < 2
    assert len({ok(ran).json()["upstream_version"] for ran in both if ran not in late}) == 1
    assert (made.version(), made.version("orders/db.next")) == (before[0] + 1, before[1] + 1)
    assert program.failed == 0
    assert made.db_logs_in()


def test_a_fingerprint_key_that_changes_in_the_middle_stops_it_until_all_have_it(whole: Rotating) -> None:
    made, cluster, admin = whole, whole.cluster, whole.cluster.administrator
    # Once the new values are made.
    assert made.rotate("--force", later_s=next(LATER_S), kill="monoctl.before-send@6").code == -signal.SIGKILL
    before, made_version = made.version(), made.version("orders/db.next")
    new = cluster.must("m8", "reactor", "fingerprint-key", "new", "reactor-vault", "--replace").out.split()[-1]
    cluster.must("monoctl", "start", "fingerprint-key-rotation", new, user=admin)
    _restart(made, "vault")
    for words in ((), ("--adopt",)):
        assert "different fingerprint keys" in refused(made.rotate("--force", *words, later_s=next(LATER_S)), 6)
    assert (made.version(), made.version("orders/db.next")) == (before, made_version)
    cluster.share_fingerprint_key("reactor-vault", "reactor-pg", replace=True)
    _restart(made, "pg")
    with Program(made).running() as program:
        live = ok(made.rotate("--force", later_s=next(LATER_S))).json()["account"]
        assert ok(made.rotate("--force", later_s=next(LATER_S))).json()["account"] != live
    assert program.failed == 0


def _restart(made: Rotating, store: str) -> None:
    made.cluster.reactors[f"reactor-{store}"].stop()
    made.cluster.start_reactor(store)
