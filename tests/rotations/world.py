"""The cluster in which passwords rotate and everything breaks: a secret in OpenBao, two accounts in PostgreSQL."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path

from monoskope.protocol.grant import DEFAULT_LIFETIME_S
from monoskope.settings import write_private
from monoskope.testing.cluster import MOUNT, editing
from monoskope.testing.engines.postgres import Postgres
from monoskope.testing.search import Result, Wanted, look, look_below, look_in_file, look_in_rows
from monoskope.testing.search.memory import look_in_memory
from tests.e2e.accounts import allow
from tests.faults.parts import ENGINE_TIMEOUTS, shorten
from tests.faults.processes import Process
from tests.faults.table import MONOCTL, POSTGRES
from tests.rig.world import KEPT_VERSIONS, LIMITS, TIMINGS, RigCluster, link_to
from tests.support.ssh import keygen

DB = "vault://orders/db"
ACCOUNTS = ("pg://orders_a", "pg://orders_b")
SIGNER = "anna@example.org"
VAULT, PG = "reactor-vault", "reactor-pg"
"""The reactors, each with a link to m8 of its own, in this order."""
_ROLE, _OWN = "m8_accounts", "the-reactors-own-password"
_SEEN = ("orders", _ROLE)
"""Words of which at least one is wherever somebody could look for a password: there the search can see."""


class RotatingCluster(RigCluster):
    """m8 with its log in SQLite, OpenBao, a PostgreSQL that logs every statement, two reactors, and links.

    Args:
        real: Whether all parts wait as long as they do for users.
    """

    def __init__(self, folder: Path, *, real: bool = False) -> None:
        super().__init__(folder, "sqlite")
        self.real = real
        self.accounts = Postgres(fsync=False, settings={"log_statement": "all"})
        self.links["reactors"].append(link_to("reactors", self.cluster.server))
        self.links[POSTGRES] = [link_to(POSTGRES, f":{self.accounts.port}")]
        self.signing_key = keygen(folder / "signing_key")
        self.monoctl: Process | None = None
        """The one that rotates now."""

    def process(self, name: str, which: int = 0) -> Process:
        if name == MONOCTL:
            assert self.monoctl is not None
            return self.monoctl
        return super().process(name, which)

    @property
    def engine_processes(self) -> dict[str, Process]:
        return super().engine_processes | {POSTGRES: self.accounts}

    def build(self) -> None:
        """Start everything; the links listen already."""
        cluster = self.cluster
        cluster.settings_of_m8(self._names(), {"timings": {}} if self.real else {})
        cluster.start_m8()
        cluster.start_openbao()
        cluster.bao.call("POST", f"{MOUNT}/config", {"max_versions": KEPT_VERSIONS})
        self.accounts.start()
        vault, accounts = (f"127.0.0.1:{link.port}" for link in self.links["reactors"])
        cluster.make_vault_reactor("vault", readable=True, server=vault)
        self._make_accounts(accounts)
        cluster.share_fingerprint_key(VAULT, PG)
        cluster.allow_copy("vault", "pg")
        cluster.allow_copy("vault", "vault", source="orders", destination="orders")
        self._sign()
        self._set_reactors()
        for store, folder in (("vault", VAULT), ("pg", PG)):
            cluster.add_store(store)
            cluster.reactors[folder] = cluster.part(folder, "m8", "reactor", "run", folder, log=f"{folder}/reactor.log")
            cluster.reactors[folder].start()
        self.users = [cluster.add_user("anna", prefixes=["vault://orders", "pg://"], pin=False)]

    def _names(self) -> list[list[str]]:
        return [[f"127.0.0.1:{link.port}" for side in ("clients", "reactors") for link in self.links[side]]]

    def _make_accounts(self, server: str) -> None:
        password = self.cluster.folder / "role-password"
        write_private(password, f"{_OWN}\n".encode())
        engine: dict[str, object] = {
            "hosts": [f"127.0.0.1:{self.links[POSTGRES][0].port}"],
            "user": _ROLE,
            "password_file": str(password),
            "ca_file": str(self.accounts.ca_file),
        }
        home = self.cluster.make_reactor("pg", "postgresql-account", engine, accounts="orders_*")
        with editing(home / "reactor.toml") as table:
            table["server"] = server
        self.accounts.sql(f"CREATE ROLE {_ROLE} LOGIN PASSWORD '{_OWN}'")
        self.accounts.sql(self.cluster.must("m8", "reactor", "policy", home.name).out)
        for uri in ACCOUNTS:
            self.accounts.sql(f"CREATE ROLE {uri.removeprefix('pg://')} LOGIN")

    def _sign(self) -> None:
        """Let the key that rotates do that, and no more; accounts take what is copied there, and nothing else."""
        folder = self.cluster.folder
        key = " ".join(Path(f"{self.signing_key}.pub").read_text(encoding="ascii").split()[:2])
        line = f'{SIGNER} namespaces="request@monoskope" {key}'
        copies = self.cluster.must("m8", "reactor", "copy-key", VAULT).out.strip()
        copier = {"principal": "copies-from-vault", "prefixes": [""], "purposes": ["upload"]}
        here = {"principal": SIGNER, "prefixes": ["orders"], "purposes": ["generate", "compare"]}
        copy = {"principal": SIGNER, "prefixes": ["orders"], "purposes": ["copy"], "destinations": ["pg://", DB]}
        allow(folder / VAULT, line, copies, rules=[here, copy, copier])
        allow(folder / PG, line, copies, rules=[copier])

    def _set_reactors(self) -> None:
        bao = f"https://127.0.0.1:{self.links['openbao'][0].port}"
        engines: dict[str, dict[str, object]] = {VAULT: {"address": bao}, PG: {}}
        for folder, engine in engines.items():
            file = self.cluster.folder / folder / "reactor.toml"
            shorten(file, limits=dict(LIMITS), engine=engine)
            if self.real:
                shorten(file, limits={"lifetime_s": DEFAULT_LIFETIME_S})
            else:
                shorten(file, engine=dict(ENGINE_TIMEOUTS), timings=dict(TIMINGS))
            with editing(file) as table:
                table["operations_listen"] = "127.0.0.1:0"

    def close(self) -> None:
        super().close()
        self.accounts.__exit__(None, None, None)

    # --- looking for values where none may be ---

    def found_in_memory(self, pid: int, place: str, values: list[Wanted]) -> list[str]:
        """Look through the memory of a process; return what is wrong."""
        return _wrong(values, [look_in_memory(pid, [*values, *_controls()], place=place)])

    def found(self, values: list[Wanted]) -> list[str]:
        """Look through everything that m8, `monoctl`, reactors and engines wrote, but for what engines keep."""
        folder, wanted = self.cluster.folder, [*values, *_controls()]
        logs = [self.cluster.bao.audit_log, self.accounts.log_file]
        logs += [folder / name / "reactor.log" for name in (VAULT, PG)]
        runs = look("what monoctl printed", (file.read_bytes() for file in (folder / "runs").iterdir()), wanted)
        m8 = look_below(folder / "m8", wanted)
        rows = look_in_rows(folder / "m8" / "log.db", wanted)
        # OpenBao's other log, and most files of m8, know nothing of what is rotated.
        blind = [one.place for one in m8] + [self.cluster.bao.log_file.name]
        logs.append(self.cluster.bao.log_file)
        return _wrong(values, [*(look_in_file(log, wanted) for log in logs), runs, *m8, rows], blind=blind)


@functools.cache
def _controls() -> list[Wanted]:
    return [Wanted.of(word, word.encode()) for word in _SEEN]


def _wrong(values: list[Wanted], results: Sequence[Result], *, blind: Sequence[str] = ()) -> list[str]:
    """Return a sentence for each find, and for each place in which nothing could be seen unless it may be blind."""
    wrong = []
    for one in results:
        if not one.searched:
            wrong.append(f"{one.place} was not searched: {one.reason}")
            continue
        wrong += [f"{one.place} holds the {value.name}" for value in values if one.total(value.name)]
        if one.place not in blind and not any(one.total(word) for word in _SEEN):
            wrong.append(f"{one.place} shows nothing at all: the search is blind there")
    return wrong
