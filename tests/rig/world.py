"""The cluster that the rig breaks: real parts, and a link that can misbehave between each two of them."""

from __future__ import annotations

import functools
import shutil
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from monoskope.m8.log.event_log import EventLog
from monoskope.m8.log.postgres.log import PostgresLog
from monoskope.m8.log.sqlite import SqliteLog
from monoskope.m8.readmodels import documents as chain
from monoskope.m8.tree import key_file
from monoskope.m8.tree.signing import LastSigned, Signed
from monoskope.reactor.identity.fingerprint import FingerprintKey
from monoskope.testing.cluster import MOUNT, editing
from monoskope.testing.cluster.commands import User
from monoskope.testing.cluster.replicas import ReplicaCluster
from monoskope.testing.engines.postgres import Postgres
from monoskope.testing.parts import Part, free_port
from tests.faults.parts import (
    ENGINE_TIMEOUTS,
    LIFETIME_S,
    M8_TIMINGS,
    REACTOR_TIMINGS,
    database_settings,
    shorten,
    store_of,
)
from tests.faults.processes import Process
from tests.faults.table import M8, OPENBAO, POSTGRES
from tests.faults.tcp_proxy import Link
from tests.rig.facts import SETTLE_S
from tests.rig.schedule import REACTORS, WORLDS
from tests.support.engines import AgeEngine, Engine, OpenBaoEngine

USERS = 4
TIMINGS = REACTOR_TIMINGS | {"settle": SETTLE_S}
"""As in tests/crash, but as much time between the end of the write window and the end of the lookup as faults of an
engine last, with a second more: the protocol has 30 s."""

CHECKPOINT_EVERY_S = 0.5
"""Of the log: so often that something breaks while one is signed."""

KEPT_VERSIONS = 1_000
LIMITS = {
    "uploads_per_second": 1_000,
    "compares_per_hour_per_uri": 1_000,
    "compares_per_hour": 10_000,
    "lifetime_s": LIFETIME_S,
}


class RigCluster:
    """m8, one or three, with OpenBao, age files, two reactors each, users, and links.

    All of its methods that start or stop something run in one thread that lives as long as the world: the kernel ends
    a part together with the thread that started it.

    Args:
        name: One of `WORLDS`.
    """

    def __init__(self, folder: Path, name: str) -> None:
        count, on_postgres = WORLDS[name]
        self.name = name
        self.postgres = Postgres(fsync=False) if on_postgres else None
        self._database = ""
        self._folder = folder
        self.cluster = _Cluster(folder / "cluster", count)
        self.links: dict[str, list[Link]] = {
            "clients": [link_to("clients", server) for server in self.cluster.servers],
            "reactors": [link_to("reactors", server) for server in self.cluster.servers],
            OPENBAO: [link_to(OPENBAO, self.cluster.bao.address)],
        }
        if self.postgres is not None:
            self.links[POSTGRES] = [link_to(POSTGRES, f":{self.postgres.port}")]
        self.users: list[User] = []

    @property
    def all_links(self) -> Iterator[Link]:
        return (link for links in self.links.values() for link in links)

    def dialled(self, link: str, *, first: int = 0) -> list[str]:
        """What a client or a reactor is told to dial: every m8, through its link, beginning with one of them."""
        servers = [f"127.0.0.1:{one.port}" for one in self.links[link]]
        return [*servers[first % len(servers) :], *servers[: first % len(servers)]]

    def process(self, name: str, which: int = 0) -> Process:
        if name == M8:
            return self.cluster.m8s[which]
        return (self.engine_processes | self.cluster.reactors)[name]

    @property
    def engine_processes(self) -> dict[str, Process]:
        return {OPENBAO: self.cluster.bao} | ({} if self.postgres is None else {POSTGRES: self.postgres})

    @property
    def parts(self) -> list[Part]:
        return [*self.cluster.m8s, *self.cluster.reactors.values()]

    # --- building it ---

    def build(self) -> None:
        """Start everything; the links listen already."""
        cluster = self.cluster
        if self.postgres is not None:
            self.postgres.start()
            self._database = self.postgres.create_database()
        cluster.settings_of_m8(self._names(), self._database_settings())
        cluster.start_m8()
        cluster.start_openbao()
        cluster.bao.call("POST", f"{MOUNT}/config", {"max_versions": KEPT_VERSIONS})
        server = ",".join(self.dialled("reactors"))
        for folder in REACTORS:
            store = store_of(folder)
            if store == "local":
                cluster.make_local_reactor(store, folder=folder, server=server)
            else:
                cluster.make_vault_reactor(store, folder=folder, readable=True, server=server)
        cluster.share_fingerprint_key(*REACTORS)
        for folder in REACTORS:
            self._set_reactor(folder)
        for store in ("vault", "local"):
            cluster.add_store(store)
        for folder in REACTORS:
            cluster.reactors[folder] = cluster.part(folder, "m8", "reactor", "run", folder, log=f"{folder}/reactor.log")
            cluster.reactors[folder].start()
        prefixes = ["vault://rig", "local://rig"]
        self.users = [cluster.add_user(f"user{number}", prefixes=prefixes, pin=False) for number in range(USERS)]

    def _names(self) -> list[list[str]]:
        """For each m8 how it may be dialled besides its own address."""
        sides = ("clients", "reactors")
        return [[f"127.0.0.1:{self.links[side][at].port}" for side in sides] for at in range(len(self.cluster.servers))]

    def _database_settings(self) -> dict[str, object]:
        if self.postgres is None:
            return {}
        hosts = (("127.0.0.1", self.links[POSTGRES][0].port),)
        return database_settings(replace(self.postgres.target(self._database), hosts=hosts), self._folder)

    def _set_reactor(self, folder: str) -> None:
        file = self.cluster.folder / folder / "reactor.toml"
        engine: dict[str, object]
        if "vault" in folder:
            engine = {"address": f"https://127.0.0.1:{self.links['openbao'][0].port}", **ENGINE_TIMEOUTS}
        else:
            first = self.cluster.folder / "reactor-local" / "reactor.toml"
            engine = tomllib.loads(first.read_text(encoding="utf-8"))["engine"] | {"keep_versions": KEPT_VERSIONS}
        shorten(file, timings=dict(TIMINGS), limits=dict(LIMITS), engine=engine)
        other = "local" if "vault" in folder else "vault"
        rule = {"to": other, "identity": self.cluster.identities[other], "paths": [{"from": "", "to": ""}]}
        with editing(file) as table:
            table |= {"operations_listen": "127.0.0.1:0", "copy": [rule]}

    # --- looking at it ---

    async def open_log(self) -> EventLog:
        """Open the log past m8 and past the links."""
        if self.postgres is None:
            path = self.cluster.folder / "m8" / "log.db"
            return await SqliteLog.open(path, clock=lambda: 0, projector=chain.project)
        target = self.postgres.target(self._database)
        return await PostgresLog.open(target, clock=lambda: 0, projector=chain.project)

    @property
    def signed(self) -> list[Signed]:
        """The last checkpoint that each m8 has in its folder, outside of the database."""
        folders = [self.cluster.folder / part.name for part in self.cluster.m8s]
        return [signed for folder in folders if (signed := LastSigned(folder).read()) is not None]

    @functools.cached_property
    def engines(self) -> Mapping[str, Engine]:
        """The engine behind each store, asked past reactors and links."""
        return {
            "vault": OpenBaoEngine(self.cluster.bao),
            "local": AgeEngine(self.cluster.folder / "reactor-local"),
        }

    @functools.cached_property
    def key(self) -> FingerprintKey:
        return FingerprintKey.load(self.cluster.folder / REACTORS[0])

    def fingerprint(self, content: Mapping[str, str]) -> str:
        """Return the hash of a secret as receipts show it."""
        return self.key.shown(self.key.whole({name: value.encode() for name, value in content.items()}))

    def close(self) -> None:
        for part in (*self.cluster.reactors.values(), *self.cluster.m8s):
            part.kill()
        self.cluster.bao.kill()
        if self.postgres is not None:
            self.postgres.__exit__(None, None, None)


class _Cluster(ReplicaCluster):
    """Several m8, whose names are those of the links to them, too."""

    def __init__(self, folder: Path, count: int) -> None:
        super().__init__(folder, count=count)
        self._also: list[list[str]] = [[] for _ in range(count)]

    def settings_of_m8(self, also: list[list[str]], database: dict[str, object]) -> None:
        """Set what each m8 is told when its folder is laid out: its further names, and where the log is."""
        self._also = also
        settings: dict[str, object] = {
            "open_requests_per_user": 10_000,
            "timings": dict(M8_TIMINGS),
            "log": {"checkpoint_every_s": CHECKPOINT_EVERY_S},
        }
        self._settings = settings | database

    def lay_out(self) -> None:
        """Make the folder of every m8, as the base class does, name it by its links, too, and let it sign."""
        super().lay_out()
        for part in self.m8s[1:]:
            shutil.copy2(self.folder / "m8" / key_file.FILE, self.folder / part.name / key_file.FILE)
        for part, also in zip(self.m8s, self._also, strict=True):
            with editing(self.folder / part.name / "m8.toml") as table:
                table["names"] = list(dict.fromkeys([*table["names"], *also]))
                table["operations_listen"] = "127.0.0.1:0"


def link_to(name: str, address: str) -> Link:
    """Return a link to an address, at a port of its own."""
    return Link(name, free_port(), address)
