"""Rotations on real parts: age files, PostgreSQL, two reactors and m8. Accounts take turns, and every login works."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from monoskope.client.rotation.round import Round, digest_of
from monoskope.settings import write_private
from monoskope.testing.cluster import editing
from monoskope.testing.cluster.commands import Ran
from monoskope.testing.engines.postgres import Postgres
from tests.e2e.accounts import ANNA, ROLE, Accounts, allow
from tests.e2e.ran import ok, refused
from tests.support.engines import AgeEngine
from tests.support.quick_cluster import QuickCluster
from tests.support.ssh import keygen

DB = "vault://orders/db"
ACCOUNTS = ("--account", "pg://orders_a", "--account", "pg://orders_b")
URL = "url=text:postgresql://{username}:{password|url}@db.internal/orders"


@dataclass(frozen=True, slots=True)
class Rotating(Accounts):
    def rotate(self, *words: str, later_s: int = 1, kill: str = "") -> Ran:
        """Rotate by a clock that is ahead; with `kill` the program kills itself at that failpoint."""
        points = f"m8.clock=shift+{later_s}" + (f",{kill.replace('@', '=kill@')}" if kill else "")
        environment = {"MONOSKOPE_FAILPOINTS": points}
        return self.signed("rotate", "secret", DB, *ACCOUNTS, "--make", URL, *words, environment=environment)

    def at_db(self) -> dict[str, str]:
        found = AgeEngine(self.cluster.folder / "reactor-vault").history("orders/db")[-1].content
        assert found is not None
        return dict(found)

    def db_logs_in(self) -> bool:
        there = self.at_db()
        return self.logs_in(there["username"], there["password"])


@dataclass(slots=True)
class Program:
    """An example program: it logs in with what stands at `db`, again and again."""

    made: Rotating
    logins: int = 0
    failed: int = 0
    ends: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        while not self.ends.is_set():
            self.logins += 1
            self.failed += not self.made.db_logs_in()

    @contextmanager
    def running(self) -> Iterator[Program]:
        thread = threading.Thread(target=self.run)
        thread.start()
        try:
            yield self
        finally:
            self.ends.set()
            thread.join()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rotating]:
    folder = tmp_path_factory.mktemp("rotations")
    key = keygen(folder / "anna_key")
    line = f'{ANNA} namespaces="request@monoskope" {" ".join(Path(f"{key}.pub").read_text().split()[:2])}'
    with (
        QuickCluster(folder / "cluster") as cluster,
        Postgres(fsync=False, settings={"log_statement": "all"}) as postgres,
    ):
        cluster.must("m8", "init", "--dir", "m8", "--listen", cluster.server)
        cluster.start_m8()
        cluster.make_local_reactor("vault")
        role: dict[str, object] = {
            "hosts": [f"127.0.0.1:{postgres.port}"],
            "user": ROLE,
            "password_file": str(folder / "password"),
            "ca_file": str(postgres.ca_file),
        }
        home = cluster.make_reactor("pg", "postgresql-account", role)
        write_private(folder / "password", b"the-reactors-own-password\n")
        postgres.sql(f"CREATE ROLE {ROLE} LOGIN PASSWORD 'the-reactors-own-password'")
        with editing(home / "reactor.toml") as table:
            table["accounts"] = {"allow": ["orders_*"]}
        postgres.sql(cluster.must("m8", "reactor", "policy", home.name).out)
        for name in ("orders_a", "orders_b"):
            postgres.sql(f"CREATE ROLE {name} LOGIN")
        cluster.share_fingerprint_key("reactor-vault", home.name)
        cluster.allow_copy("vault", "pg")
        cluster.allow_copy("vault", "vault", source="orders", destination="orders")
        copies = cluster.must("m8", "reactor", "copy-key", "reactor-vault").out.strip()
        copier = {"principal": "copies-from-vault", "prefixes": [""], "purposes": ["upload"]}
        here = {"principal": ANNA, "prefixes": [""], "purposes": ["generate", "compare", "upload"]}
        copy = {"principal": ANNA, "prefixes": [""], "purposes": ["copy"], "destinations": ["pg://", "vault://orders"]}
        allow(cluster.folder / "reactor-vault", line, copies, rules=[here, copy, copier])
        allow(home, line, copies, rules=[copier])
        with editing(cluster.folder / "reactor-vault" / "reactor.toml") as table:
            table["limits"] = {"compares_per_hour_per_uri": 100}
        for store in ("vault", "pg"):
            cluster.add_store(store)
            cluster.start_reactor(store)
        anna = cluster.add_user("anna", prefixes=["vault://", "pg://"])
        yield Rotating(cluster, anna, postgres, key)


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


def test_what_others_changed_stops_it_until_somebody_adopts_it(made: Rotating) -> None:
    later_s = 20_000
    ok(made.rotate("--force", "--adopt", later_s=later_s))
    live = made.at_db()["username"]
    made.postgres.sql(f"ALTER ROLE {live} PASSWORD 'set-by-hand-by-a-dba'")
    before = made.at_db()
    assert "changed by others" in refused(made.rotate("--force", later_s=later_s + 1_000), 6)
    assert made.at_db() == before
    adopted = ok(made.rotate("--adopt", later_s=later_s + 1_000)).json()
    assert adopted["account"] != f"pg://{live}"
    assert made.db_logs_in()
    # Labels that anybody edits at m8 are none of the round's.
    ok(made.signed("label", "secret", f"{DB}.next", f"account=pg://{live}", "began=2001-01-01T00:00:00Z"))
    planned = ok(made.rotate("--plan", later_s=later_s + 2_000)).json()
    assert (planned["step"], planned["waits"], planned["began_at"]) == ("STOP", True, adopted["began_at"])
    ok(made.signed("put", "secret", f"{DB}.next", "--overwrite", "--from-file", "password=-", input=b"x" * 24))
    assert "not made by a rotation" in refused(made.rotate("--force", later_s=later_s + 3_000), 6)
    assert made.db_logs_in()


OTHERS = (
    ("password=fixed:known-to-mallory-and-long", URL),
    ("password=password:32", URL.replace("db.internal", "db.mallory.example")),
    ("password=password:32", URL, "host=fixed:db.mallory.example"),
)
"""A password that they know, and a server of theirs, to which programs would send the password."""


def test_what_others_generated_at_next_is_set_nowhere(made: Rotating) -> None:
    """Their labels are a round's, and who may generate there alone may write neither an account nor `db`."""
    later_s = 40_000
    rotated = ok(made.rotate("--force", "--adopt", later_s=later_s)).json()
    before = made.at_db()
    name = {"orders_a": "orders_b", "orders_b": "orders_a"}[before["username"]]
    round_ = Round(f"pg://{name}", digest_of(rotated["upstream_version"]), 1_900_000_000_000)
    labels = [word for label, value in round_.labels().items() for word in ("--label", f"{label}={value}")]
    for recipes in OTHERS:
        words = (f"{DB}.next", f"username=fixed:{name}", *recipes, "--overwrite", *labels)
        ok(made.signed("generate", "secret", *words))
        assert "other recipes" in refused(made.rotate("--force", later_s=later_s + 500), 6)
    assert made.at_db() == before
    assert not made.logs_in(name, "known-to-mallory-and-long")
