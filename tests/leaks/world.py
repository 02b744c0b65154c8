"""Everything that a marked value can pass on one machine: programs that say all they can, and who listens to them."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import tomllib
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar
from urllib.request import Request, urlopen

import tomli_w

from monoskope.m8.sink_settings import SyslogTarget, WebhookTarget
from monoskope.settings import write_private
from monoskope.testing.cluster import ALL_RIGHTS, Cluster
from monoskope.testing.cluster.commands import Execute, Ran, User, execute
from monoskope.testing.engines import gnupg
from monoskope.testing.engines.barbican import Barbican
from monoskope.testing.engines.gnupg import ANNA
from monoskope.testing.engines.moto import CREDENTIALS, Moto
from monoskope.testing.engines.postgres import Postgres
from tests.leaks.marks import Marks
from tests.support.audit_receivers import Rsyslog, Webhook, certificate
from tests.support.console import Console
from tests.support.operations import address_of, asked
from tests.support.otlp import Collector, collecting

TEAM = "team"
KEYS = 200
"""How many one-time keys are looked for: two for each request."""
LOUD = {
    "GRPC_VERBOSITY": "debug",
    "GRPC_TRACE": "http,call_error,channel,api",
    "PYTHONASYNCIODEBUG": "1",
    "PYTHONDEVMODE": "1",
    "PYTHONFAULTHANDLER": "1",
}
"""Says all that gRPC and Python can be made to say."""

_SITE = """
import pathlib, sys

if any(word in sys.orig_argv for word in ("run", "serve", "console")):
    planted = [bytes.fromhex(line) for line in pathlib.Path(__file__).with_name("planted").read_text().split()]

if "run" in sys.orig_argv:
    from cryptography.hazmat.primitives.asymmetric import mlkem, x25519

    def noted(kind, file):
        # The bytes of a key are written inverted, so that no copy of them is made here that would be found.
        class Like(type):
            def __instancecheck__(cls, key):
                return isinstance(key, kind)

        class Noted(metaclass=Like):
            @staticmethod
            def generate():
                key = kind.generate()
                turned = bytes(byte ^ 255 for byte in key.private_bytes_raw())
                with pathlib.Path(__file__).with_name(file).open("a") as out:
                    out.write(turned.hex() + "\\n")
                return key

        return Noted

    alive = [noted(kind, "keys-alive").generate() for kind in (mlkem.MLKEM768PrivateKey, x25519.X25519PrivateKey)]
    mlkem.MLKEM768PrivateKey = noted(mlkem.MLKEM768PrivateKey, "keys-used")
    x25519.X25519PrivateKey = noted(x25519.X25519PrivateKey, "keys-used")
"""


class LoudCluster(Cluster):
    """A cluster whose programs are real processes, say all they can, and hold a control in each form."""

    execute: ClassVar[Execute] = staticmethod(execute)

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
        (folder / "site" / "sitecustomize.py").write_text(_SITE)
        planted = (marks.controls.planted("control", form).hex() for form in marks.forms)
        (folder / "site" / "planted").write_text("\n".join(planted))

    def _environment(self, user: User | None) -> dict[str, str]:
        return {**super()._environment(user), **self._more}

    def environment_of(self, user: User) -> dict[str, str]:
        """The whole environment of the commands of a user."""
        return self._environment(user)


@dataclass
class World:
    """What runs, and what was said so far."""

    marks: Marks
    cluster: LoudCluster
    user: User
    stores: tuple[str, ...]
    collector: Collector
    webhook: Webhook
    said: list[Ran]
    postgres: Postgres | None = None
    consoles: list[Console] = field(default_factory=list)
    heard: dict[str, bytes] = field(default_factory=dict)
    """Bytes that were received, such as metrics, by the name of their place."""

    @property
    def folder(self) -> Path:
        return self.cluster.folder

    def close(self) -> None:
        """End the consoles."""
        for console in self.consoles:
            console.close()

    def quiet(self) -> dict[str, str]:
        """The environment of programs on a terminal: what gRPC says would fill it, for nobody reads all the time."""
        return {name: one for name, one in self.cluster.environment_of(self.user).items() if name not in LOUD}

    def keys(self, which: str) -> list[bytes]:
        """Return the last one-time keys of all reactors, `used` or `alive`; those are never given away.

        Of ML-KEM-768 both halves of the seed (FIPS 203): a library can keep one without the other.
        """
        lines = (self.folder / "site" / f"keys-{which}").read_text().split()[-KEYS:]
        keys = [bytes(byte ^ 255 for byte in bytes.fromhex(line)) for line in lines]
        return [key[at : at + 32] for key in keys for at in range(0, len(key), 32)]

    def hear(self) -> None:
        """Note what each listener has by now."""
        for name in ("m8", *self.cluster.reactors):
            if (self.folder / name / "operations-address").exists():
                self.heard[f"metrics of {name}"] = asked(address_of(self.folder / name), "/metrics")[1]
        for console in self.consoles:
            self.heard["terminal of the console"] = console.terminal().encode()
        self.heard["traces"] = b"\n".join(self.collector.raw)
        self.heard["audit lines at a webhook"] = json.dumps(list(self.webhook.lines())).encode()
        self.heard["what commands printed"] = "\n".join(f"{one.out}{one.err}" for one in self.said).encode()

    def plant(self) -> None:
        """Put a control in each form into every place that is searched."""
        control = b"\n".join(self.marks.planted()) + b"\n"
        for name, body in self.heard.items():
            self.heard[name] = body + control
        with contextlib.suppress(OSError):
            urlopen(Request(f"{self.collector.endpoint}/v1/traces", data=control, method="POST"), timeout=20).close()
        for log in [*self.folder.glob("*/*.log"), *self.folder.glob("*/*.jsonl"), *self.folder.glob("audit/*")]:
            with log.open("ab") as file:
                file.write(control)
        (self.folder / "tmp" / "control").write_bytes(control)
        self._plant_in_database()

    def _plant_in_database(self) -> None:
        """Rows that stay, and rows that were deleted: a value must be found in what the database has freed, too."""
        if self.postgres is not None:
            rows = ", ".join(f"('\\x{one.hex()}')" for one in self.marks.planted())
            self.postgres.sql(f"CREATE TABLE control (body bytea); INSERT INTO control VALUES {rows}", database="m8")
            self.postgres.sql("GRANT SELECT ON control TO m8", database="m8")
            self.postgres.sql("CHECKPOINT", database="m8")
            return
        with closing(sqlite3.connect(self.folder / "m8" / "log.db", timeout=30)) as connection:
            for table in ("control", "freed"):
                connection.execute(f"CREATE TABLE {table} (body BLOB)")
                connection.executemany(f"INSERT INTO {table} VALUES (?)", [(one,) for one in self.marks.planted()])
            connection.commit()
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            connection.execute("DROP TABLE freed")
            connection.commit()


def _prepared(cluster: LoudCluster, rsyslog: Rsyslog, webhook: Webhook) -> None:
    """Switch on what m8 and its reactors can say."""
    assert isinstance(rsyslog.target, SyslogTarget)
    assert isinstance(webhook.target, WebhookTarget)
    (cluster.folder / "audit").mkdir(mode=0o700)
    syslog_ca, webhook_ca = rsyslog.target.tls.ca_file, webhook.target.tls.ca_file
    audit = [
        {"kind": "file", "name": "file", "path": str(cluster.folder / "audit" / "audit.jsonl")},
        {"kind": "syslog", "name": "syslog", "address": str(rsyslog.target.server), "ca_file": str(syslog_ca)},
        {
            "kind": "webhook",
            "name": "webhook",
            "url": f"https://{webhook.target.server}{webhook.target.path}",
            "secret_file": str(webhook.target.secret_file),
            "ca_file": str(webhook_ca),
        },
    ]
    _changed(cluster.folder / "m8" / "m8.toml", operations_listen="127.0.0.1:0", audit=audit)


def _changed(file: Path, **fields: object) -> None:
    table = tomllib.loads(file.read_text(encoding="utf-8")) | fields
    write_private(file, tomli_w.dumps(table).encode(), replace=True)


@contextlib.contextmanager
def running(folder: Path, marks: Marks, *, postgres: Postgres | None = None) -> Iterator[World]:
    """Run all of it, on SQLite with every store that runs here, or on PostgreSQL with two."""
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
        cluster.must("m8", "init", "--dir", "m8", "--listen", cluster.server, "--http-listen", cluster.http, *database)
        _prepared(cluster, rsyslog, webhook)
        stores = _two_stores(cluster)
        if postgres is None:
            stores += _more_stores(cluster, folder, last)
        user = cluster.add_user("anna", prefixes=[f"{store}://{TEAM}" for store in stores], rights=ALL_RIGHTS)
        world = World(marks, cluster, user, tuple(stores), collector, webhook, said, postgres)
        last.callback(world.close)
        yield world


def _two_stores(cluster: LoudCluster) -> list[str]:
    """Start m8 and OpenBao with a reactor by gRPC, and one by a WebSocket whose engine is a folder of age files."""
    cluster.start_m8()
    cluster.start_openbao()
    cluster.make_vault_reactor("vault", readable=True)
    cluster.make_local_reactor("local", server=f"https://{cluster.http}")
    cluster.allow_copy("vault", "local")
    stores = ["vault", "local"]
    cluster.share_fingerprint_key(*(f"reactor-{store}" for store in stores))
    for store in stores:
        _changed(cluster.folder / f"reactor-{store}" / "reactor.toml", operations_listen="127.0.0.1:0")
        cluster.add_store(store)
        cluster.start_reactor(store)
    return stores


def _database(cluster: LoudCluster, postgres: Postgres) -> tuple[str, ...]:
    postgres.create_database("m8")
    write_private(cluster.folder / "database-password", postgres.password.encode())
    url = f"postgresql://m8@127.0.0.1:{postgres.port}/m8"
    files = ("--database-ca", str(postgres.ca_file), "--database-password-file", "database-password")
    return ("--database", url, *files)


def _more_stores(cluster: LoudCluster, folder: Path, last: ExitStack) -> list[str]:
    """Every other driver that runs here: Vault's version 1, pass, Barbican, and AWS's on an emulator."""
    cluster.bao.call("POST", "sys/mounts/elder", {"type": "kv", "options": {"version": "1"}})
    cluster.make_vault_reactor("kv1", readable=True, kind="vault-kv1", mount="elder")
    at_aws = _made(folder / "upstream-moto")
    certificate(at_aws)
    # With TLS, as AWS has it: what comes without stays in the event loop's buffer until the next bytes come.
    moto = last.enter_context(Moto(at_aws, tls=at_aws))
    profile = "".join(f"{name.lower()} = {value}\n" for name, value in CREDENTIALS.items() if "KEY" in name)
    (cluster.folder / ".aws").mkdir()
    write_private(cluster.folder / ".aws" / "credentials", f"[default]\n{profile}".encode())
    for store, kind in (("sm", "aws-secretsmanager"), ("ssm", "aws-ssm")):
        # In asyncio's debug mode the SDK for AWS takes longer than its own limit to connect.
        cluster.environments[f"reactor-{store}"] = {
            "PYTHONDEVMODE": "",
            "PYTHONASYNCIODEBUG": "",
            "AWS_CA_BUNDLE": str(at_aws / "ca.crt"),
        }
        engine = {"endpoint_url": moto.url, "readable": True, "deletable": True, "timeout_s": 30.0}
        cluster.make_reactor(store, kind, engine | ({"tier": "advanced"} if store == "ssm" else {}))
    barbican = last.enter_context(Barbican(_made(folder / "upstream-barbican")))
    auth = {"method": "none", "project_id": barbican.project}
    engine = {"address": barbican.address, "ca_file": str(barbican.ca_file), "auth": auth, "readable": True}
    cluster.make_reactor("barbican", "barbican", engine)
    keys = last.enter_context(gnupg.keys())
    passwords = _made(folder / "upstream-pass")
    (passwords / ".gpg-id").write_text(f"{ANNA}\n", encoding="ascii")
    cluster.make_reactor("pass", "pass", {"folder": str(passwords), "gpg_home": str(keys.public)})
    stores = ["kv1", "sm", "ssm", "barbican", "pass"]
    for store in stores:
        cluster.join_store(store, key_of="reactor-vault")
    return stores


def _made(folder: Path) -> Path:
    folder.mkdir(mode=0o700)
    return folder
