"""A rotation on real parts: age files, PostgreSQL, two reactors and m8, and a program that logs in all the while."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from monoskope.settings import write_private
from monoskope.testing.cluster import editing
from monoskope.testing.cluster.commands import Ran
from monoskope.testing.engines.postgres import Postgres
from tests.e2e.accounts import ANNA, ROLE, Accounts, allow
from tests.e2e.ran import ok
from tests.support.engines import AgeEngine
from tests.support.quick_cluster import QuickCluster
from tests.support.ssh import keygen

DB = "vault://orders/db"
ACCOUNTS = ("--account", "pg://orders_a", "--account", "pg://orders_b")
PAUSE_S = 0.05
"""Of the program between two logins."""
URL = "url=text:postgresql://{username}:{password|url}@db.internal/orders"


@dataclass(frozen=True, slots=True)
class Rotating(Accounts):
    def rotate(self, *words: str, later_s: int = 1, kill: str = "") -> Ran:
        """Rotate by a clock that is ahead; with `kill` the program kills itself at that failpoint."""
        points = f"m8.clock=shift+{later_s}" + (f",{kill.replace('@', '=kill@')}" if kill else "")
        environment = {"MONOSKOPE_FAILPOINTS": points}
        return self.signed("rotate", "secret", DB, *ACCOUNTS, "--make", URL, *words, environment=environment)

    def at_db(self) -> dict[str, str]:
        engine = AgeEngine(self.cluster.folder / "reactor-vault")
        # A version that is dropped while all are read leaves none.
        found = next(history[-1].content for _ in range(100) if (history := engine.history("orders/db")))
        assert found is not None
        return dict(found)

    def version(self, path: str = "orders/db", *, before: int = 0) -> int:
        """The number of the newest version that is there, or of one so many before."""
        found = AgeEngine(self.cluster.folder / "reactor-vault").history(path)
        return int(found[-1 - before].text.split("@")[0])

    def put(self, uri: str, values: dict[str, str]) -> None:
        folder = self.cluster.folder
        files = {key: folder / f"value-{key}" for key in values}
        for key, file in files.items():
            file.write_text(values[key], encoding="utf-8")
        given = [word for key, file in files.items() for word in ("--from-file", f"{key}={file}")]
        ok(self.signed("put", "secret", uri, "--overwrite", *given))

    def other(self) -> str:
        return "orders_b" if self.at_db()["username"] == "orders_a" else "orders_a"

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
        while not self.ends.wait(PAUSE_S):
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


@contextmanager
def rotating(folder: Path) -> Iterator[Rotating]:
    """Have everything run that a rotation takes, in an empty folder."""
    key = keygen(folder / "anna_key")
    line = f'{ANNA} namespaces="request@monoskope" {" ".join(Path(f"{key}.pub").read_text().split()[:2])}'
    with (
        QuickCluster(folder / "cluster") as cluster,
        Postgres(fsync=False, settings={"log_statement": "all"}) as postgres,
    ):
        cluster.must("m8", "init", "folder", "--dir", "m8", "--listen", cluster.server)
        cluster.start_m8()
        cluster.make_local_reactor("vault")
        with editing(cluster.folder / "reactor-vault" / "reactor.toml") as table:
            table["engine"] |= {"restorable": True}
            table["limits"] |= {
                "uploads_per_second": 1_000,  # a fake clock waits for no room
                "compares_per_hour_per_uri": 1_000,
                "compares_per_hour": 10_000,
            }
        role: dict[str, object] = {
            "hosts": [f"127.0.0.1:{postgres.port}"],
            "user": ROLE,
            "password_file": str(folder / "password"),
            "ca_file": str(postgres.ca_file),
        }
        home = cluster.make_reactor("pg", "postgresql-account", role, accounts="orders_*")
        write_private(folder / "password", b"the-reactors-own-password\n")
        postgres.sql(f"CREATE ROLE {ROLE} LOGIN PASSWORD 'the-reactors-own-password'")
        postgres.sql(cluster.must("m8", "reactor", "policy", home.name).out)
        for name in ("orders_a", "orders_b"):
            postgres.sql(f"CREATE ROLE {name} LOGIN")
        cluster.share_fingerprint_key("reactor-vault", home.name)
        cluster.allow_copy("vault", "pg")
        cluster.allow_copy("vault", "vault", source="orders", destination="orders")
        copies = cluster.must("m8", "reactor", "copy-key", "reactor-vault").out.strip()
        copier = {"principal": "copies-from-vault", "prefixes": [""], "purposes": ["upload"]}
        mine = ["generate", "compare", "upload", "delete", "undelete", "rollback"]
        here = {"principal": ANNA, "prefixes": [""], "purposes": mine}
        copy = {"principal": ANNA, "prefixes": [""], "purposes": ["copy"], "destinations": ["pg://", "vault://orders"]}
        allow(cluster.folder / "reactor-vault", line, copies, rules=[here, copy, copier])
        allow(home, line, copies, rules=[copier])
        for store in ("vault", "pg"):
            cluster.add_store(store)
            cluster.start_reactor(store)
        anna = cluster.add_user("anna", prefixes=["vault://", "pg://"])
        yield Rotating(cluster, anna, postgres, key)
