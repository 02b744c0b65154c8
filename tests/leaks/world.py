"""Everything that a marked value can pass on one machine: programs that say all they can, and who listens to them."""

from __future__ import annotations

import contextlib
import json
import shutil
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from urllib.request import Request, urlopen

from monoskope.m8.sink_settings import SyslogTarget, WebhookTarget
from monoskope.settings import write_private
from monoskope.testing.cluster import ALL_RIGHTS, Cluster, editing
from monoskope.testing.cluster.commands import Ran, User
from monoskope.testing.engines.postgres import Postgres
from tests.leaks.marks import Marks
from tests.leaks.site import SITE
from tests.leaks.stores import PASSWORDS, more_stores, two_stores
from tests.support.audit_receivers import Rsyslog, Webhook
from tests.support.console import Console
from tests.support.operations import address_of, asked
from tests.support.otlp import Collector, collecting

TEAM = "team"
KEYS = 60
"""How many one-time keys of each reactor are looked for, the last ones: two for each request."""
LOUD = {
    "PYTHONASYNCIODEBUG": "1",
    "PYTHONDEVMODE": "1",
    "PYTHONFAULTHANDLER": "1",
}
"""Says all that Python can be made to say."""


class LoudCluster(Cluster):
    """A cluster whose programs say all they can, and hold a control in each form. So each is a new interpreter."""

    def __init__(self, folder: Path, marks: Marks, collector: Collector, said: list[Ran]) -> None:
        self._more = {
            **LOUD,
            "TMPDIR": str(folder / "tmp"),
            "PYTHONPATH": str(folder / "site"),
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint,
            "OTEL_BSP_SCHEDULE_DELAY": "50",
        }
        super().__init__(folder, tell=said.append)
        for name in ("tmp", "site", "inputs"):
            (folder / name).mkdir(mode=0o700)
        (folder / "site" / "sitecustomize.py").write_text(SITE)
        planted = (marks.controls.planted("control", form).hex() for form in marks.forms)
        (folder / "site" / "planted").write_text("\n".join(planted))

    def _environment(self, user: User | None) -> dict[str, str]:
        return {**super()._environment(user), **self._more}

    def must(self, *arguments: str, user: User | None = None, input: bytes = b"") -> Ran:  # noqa: A002 - as its base
        """As in `Commands`. What lays out and looks after the cluster has no value: it says little, and is quick."""
        loud, self._more = self._more, {"TMPDIR": str(self.folder / "tmp")}
        try:
            return super().must(*arguments, user=user, input=input)
        finally:
            self._more = loud

    def environment_of(self, user: User) -> dict[str, str]:
        """The whole environment of the commands of a user."""
        return self._environment(user)


@dataclass
class LeakCluster:
    marks: Marks
    cluster: LoudCluster
    user: User
    stores: tuple[str, ...]
    collector: Collector
    webhook: Webhook
    said: list[Ran]
    postgres: Postgres | None = None
    consoles: list[Console] = field(default_factory=list)
    terminals: list[bytes] = field(default_factory=list)
    """What each terminal showed, and what interrupted commands printed."""
    heard: dict[str, bytes] = field(default_factory=dict)
    """Bytes that were received, such as metrics, by the name of their place."""

    @property
    def folder(self) -> Path:
        return self.cluster.folder

    def uri(self, store: str, name: str) -> str:
        """Return the URI of a secret that has the mark of names in it, where the store lets it have one."""
        if store == "kubernetes":  # no slash and no capitals: one secret for all
            return f"{store}://{TEAM}"
        return f"{store}://{TEAM}/{self.marks.name}-{name}"

    def keep_database(self, name: str) -> None:
        """Keep a copy of the files of m8's SQLite, if it has one, as they lie, in a folder of this name."""
        (self.folder / name).mkdir(mode=0o700)
        for file in (self.folder / "m8").glob("log.db*"):
            shutil.copy(file, self.folder / name)

    @contextlib.contextmanager
    def planted_rows(self) -> Iterator[None]:
        """Have controls in the write-ahead log of m8's SQLite, if it has one, as long as the block runs."""
        if self.postgres is not None:
            yield
            return
        with closing(sqlite3.connect(self.folder / "m8" / "log.db", timeout=30)) as connection:
            add_table(connection, "is_there_when_m8_is_killed", self.marks.planted())
            yield

    def close(self) -> None:
        """End the consoles, and keep what they showed."""
        for console in self.consoles:
            console.close()
            self.terminals.append(console.terminal().encode())
        self.consoles.clear()

    def quiet(self) -> dict[str, str]:
        """The environment of programs on a terminal: what Python says would fill it, for nobody reads all the time."""
        return {name: one for name, one in self.cluster.environment_of(self.user).items() if name not in LOUD}

    def keys(self, which: str, pid: int) -> list[bytes]:
        """Return the last one-time keys of a reactor, `used` or `alive`; those are never given away.

        Of ML-KEM-768 both halves of the seed (FIPS 203): a library can keep one without the other.
        """
        noted = self.folder / "site" / f"keys-{which}-{pid}"
        lines = noted.read_text().split()[-KEYS:] if noted.exists() else []
        keys = [bytes(byte ^ 255 for byte in bytes.fromhex(line)) for line in lines]
        return [key[at : at + 32] for key in keys for at in range(0, len(key), 32)]

    def hear(self) -> None:
        """Note what each listener has by now."""
        for name in ("m8", *self.cluster.reactors):
            if (self.folder / name / "operations-address").exists():
                self.heard[f"metrics of {name}"] = asked(address_of(self.folder / name), "/metrics")[1]
        shown = [*self.terminals, *(console.terminal().encode() for console in self.consoles)]
        self.heard["terminals"] = b"\n".join(shown)
        self.heard["traces"] = b"\n".join(self.collector.raw)
        self.heard["audit lines at a webhook"] = json.dumps(list(self.webhook.lines())).encode()
        self.heard["what commands printed"] = "\n".join(f"{one.out}{one.err}" for one in self.said).encode()

    def plant(self) -> None:
        """Put a control in each form into every place that is searched, but the database: see `plant_in_database`."""
        control = b"\n".join(self.marks.planted()) + b"\n"
        for name, body in self.heard.items():
            self.heard[name] = body + control
        with contextlib.suppress(OSError):
            urlopen(Request(f"{self.collector.endpoint}/v1/traces", data=control, method="POST"), timeout=20).close()
        for log in [*self.folder.glob("*/*.log"), *self.folder.glob("*/*.jsonl"), *self.folder.glob("audit/*")]:
            with log.open("ab") as file:
                file.write(control)
        (self.folder / "tmp" / "control").write_bytes(control)
        if (passwords := self.folder.parent / PASSWORDS).exists():
            (passwords / "control").write_bytes(control)

    def plant_in_database(self) -> None:
        """Rows that stay, and rows that were deleted: a value must be found in what the database has freed, too."""
        planted = self.marks.planted()
        if self.postgres is not None:
            rows = ", ".join(f"('\\x{one.hex()}')" for one in planted)
            self.postgres.sql(f"CREATE TABLE control (body bytea); INSERT INTO control VALUES {rows}", database="m8")
            self.postgres.sql("GRANT SELECT ON control TO m8", database="m8")
            self.postgres.sql("CHECKPOINT", database="m8")
            return
        with closing(sqlite3.connect(self.folder / "m8" / "log.db", timeout=30)) as connection:
            for table in ("control", "freed"):
                add_table(connection, table, planted)
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            connection.execute("DROP TABLE freed")
            connection.commit()
            add_table(connection, "stays_in_the_write_ahead_log", planted)


def add_table(connection: sqlite3.Connection, table: str, rows: Sequence[bytes]) -> None:
    connection.execute(f"CREATE TABLE {table} (body BLOB)")
    connection.executemany(f"INSERT INTO {table} VALUES (?)", [(one,) for one in rows])
    connection.commit()


def _prepared(cluster: LoudCluster, rsyslog: Rsyslog, webhook: Webhook) -> None:
    """Switch on what m8 and its reactors can say."""
    assert isinstance(rsyslog.target, SyslogTarget)
    assert isinstance(webhook.target, WebhookTarget)
    (cluster.folder / "audit").mkdir(mode=0o700)
    syslog_ca, webhook_ca = rsyslog.target.tls.ca_file, webhook.target.tls.ca_file
    audit = [
        {"kind": "file", "name": "file", "path": str(cluster.folder / "audit" / "audit.jsonl")},
        {
            "kind": "file",
            "name": "calls",
            "path": str(cluster.folder / "audit" / "calls.jsonl"),
            "lines": ["access"],
        },
        {"kind": "syslog", "name": "syslog", "address": str(rsyslog.target.server), "ca_file": str(syslog_ca)},
        {
            "kind": "webhook",
            "name": "webhook",
            "url": f"https://{webhook.target.server}{webhook.target.path}",
            "secret_file": str(webhook.target.secret_file),
            "ca_file": str(webhook_ca),
        },
    ]
    with editing(cluster.folder / "m8" / "m8.toml") as table:
        table |= {"operations_listen": "127.0.0.1:0", "audit": audit}


@contextlib.contextmanager
def running(folder: Path, marks: Marks, *, postgres: Postgres | None = None) -> Iterator[LeakCluster]:
    """Run all of it, on SQLite with every kind of store, or on PostgreSQL with two stores."""
    with ExitStack() as last:
        collector = last.enter_context(collecting())
        said: list[Ran] = []
        for name in ("syslog", "webhook"):
            (folder / name).mkdir(mode=0o700)
        rsyslog, webhook = Rsyslog(folder / "syslog"), Webhook(folder / "webhook")
        for receiver in (rsyslog, webhook):
            receiver.start()
            last.callback(receiver.die)
        cluster = last.enter_context(LoudCluster(folder / "cluster", marks, collector, said))
        database = () if postgres is None else _database(cluster, postgres)
        cluster.must("m8", "init", "folder", "--dir", "m8", "--listen", cluster.server, *database)
        _prepared(cluster, rsyslog, webhook)
        stores = two_stores(cluster)
        if postgres is None:
            stores += more_stores(cluster, folder, last)
        user = cluster.add_user("anna", prefixes=[f"{store}://{TEAM}" for store in stores], rights=ALL_RIGHTS)
        world = LeakCluster(marks, cluster, user, tuple(stores), collector, webhook, said, postgres)
        last.callback(world.close)
        yield world


def _database(cluster: LoudCluster, postgres: Postgres) -> tuple[str, ...]:
    postgres.create_database("m8")
    write_private(cluster.folder / "database-password", postgres.password.encode())
    url = f"postgresql://m8@127.0.0.1:{postgres.port}/m8"
    files = ("--database-ca", str(postgres.ca_file), "--database-password-file", "database-password")
    return ("--database", url, *files)
