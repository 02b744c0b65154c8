"""A folder with a real m8, a real reactor of age files and its users: laid out once, copied for each log, and run."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from bench.scale.records import STORE, Maker, Template, template_of
from bench.world import World as OpenBaoWorld
from monoskope.api.gateway.v1 import queries_pb2
from monoskope.client import Client, ClientSettings, load_settings
from monoskope.client.connection import Connection
from monoskope.client.http import methods
from monoskope.errors import Error
from monoskope.m8.log.event_log import RecordedEvent
from monoskope.m8.log.sqlite import SqliteLog
from monoskope.settings import write_private
from monoskope.testing.cluster import Cluster, editing
from monoskope.testing.parts import Part, free_port, listens, program

if TYPE_CHECKING:
    from monoskope.testing.engines.postgres import Postgres

USER = "m8"
"""The role that owns the databases."""

USERS = 3
"""One is enough for 16 puts in flight: m8 lets a user have a hundred. Three may have 24 watchers."""

ADMINISTRATOR = "administrator"
VALUES = {"username": b"app", "password": b"correct horse battery staple"}
_REACTOR = f"reactor-{STORE}"
_BASE_PORT = "port"
_WAIT_S = 60.0


def lay_out(folder: Path) -> None:
    """Make a world in `folder` with the programs that people use, and put three real requests into its log."""
    cluster = Cluster(folder)
    with closing(cluster):
        cluster.start_m8()
        cluster.make_local_reactor(STORE)
        cluster.share_fingerprint_key(_REACTOR)
        OpenBaoWorld.raise_limits(cluster.folder / _REACTOR / "reactor.toml")
        cluster.add_store(STORE)
        cluster.start_reactor(STORE)
        users = [cluster.add_user(f"user-{number}", prefixes=[f"{STORE}://"]) for number in range(USERS)]
        settings = load_settings(
            config=users[0].token_file.parent / "config.toml", environ={"HOME": str(users[0].home)}
        )
        asyncio.run(_make_real_requests(settings))
    (folder / _BASE_PORT).write_text(cluster.server, encoding="ascii")


async def _make_real_requests(settings: ClientSettings) -> None:
    async with Client(settings) as client:
        uri = f"{STORE}://template/app"
        await client.put_secret(uri, VALUES, labels={"env": "prod", "team": "0"}, expires_on="2027-01-01")
        await client.verify_secret(uri)
        await client.delete_secret(uri)


def find_maker(folder: Path) -> Maker:
    """Return what makes requests like the real ones in the log of the world in `folder`."""
    events = asyncio.run(_all_events(folder / "m8" / "log.db"))
    requests: dict[str, list[RecordedEvent]] = {}
    for event in events:
        if event.stream.startswith("upload/"):
            requests.setdefault(event.stream, []).append(event)
    names = {"SecretUploaded": "put", "SecretVerified": "verify", "SecretDeleted": "delete"}
    templates: dict[str, Template] = {}
    for request in requests.values():
        parts = [(event.type, event.data, event.actor) for event in request]
        templates[names[request[-1].type]] = template_of("user-0", parts)
    seed = (folder / _REACTOR / "identity.key").read_bytes()
    return Maker(Ed25519PrivateKey.from_private_bytes(seed), templates)


async def _all_events(path: Path) -> list[RecordedEvent]:
    log = await SqliteLog.open(path, clock=lambda: 0)
    try:
        return await log.read(after=0, limit=1_000)
    finally:
        await log.close()


def copy(source: Path, target: Path) -> None:
    """Copy a world that does not run, to one with another port."""
    shutil.copytree(source, target, ignore=shutil.ignore_patterns("*.log", "*.out", "address"))
    move(target)


def move(folder: Path) -> None:
    """Give the world in `folder` a new free port: it is written into every settings file that names the old one."""
    port = folder / _BASE_PORT
    old, new = port.read_text(encoding="ascii"), f"127.0.0.1:{free_port()}"
    files = [*folder.glob("*/m8.toml"), *folder.glob("*/reactor.toml")]
    homes = [path.parent for path in folder.glob("*/.config/monoskope/config.toml")]
    files += [path for home in homes for path in (home / "config.toml", home / "known_stores") if path.exists()]
    for file in files:
        text = file.read_text(encoding="utf-8").replace(old, new).replace(str(_origin(folder)), str(folder))
        write_private(file, text.encode(), replace=True)
    port.write_text(new, encoding="ascii")
    (folder / "origin").write_text(str(folder), encoding="utf-8")


def _origin(folder: Path) -> Path:
    """Return where the files say that the world lies."""
    noted = folder / "origin"
    return Path(noted.read_text(encoding="utf-8")) if noted.exists() else folder


def copy_without_log(source: Path, target: Path) -> None:
    """Copy a world that does not run as `copy` does, without its log."""
    shutil.copytree(source, target, ignore=shutil.ignore_patterns("*.log", "*.out", "address", "log.db*", "log-id"))
    move(target)


def set_database(folder: Path, server: Postgres, database: str) -> None:
    """Let m8 in `folder` keep its log in a database of `server`."""
    with editing(folder / "m8" / "m8.toml") as table:
        table["database"] = f"postgresql://{USER}@127.0.0.1:{server.port}/{database}"
        table["database_ca"] = str(server.ca_file)
        table["database_password_file"] = "database-password"
    write_private(folder / "m8" / "database-password", server.password.encode(), replace=True)


class World:
    """An m8 and a reactor in a folder that was laid out. As a context manager it runs within the block."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.server = (folder / _BASE_PORT).read_text(encoding="ascii")
        self.m8 = self.part("m8", "serve", "--dir", "m8")
        self.reactor = self.part(_REACTOR, "reactor", "run", _REACTOR)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.reactor.stop()
        self.m8.stop()

    def part(self, name: str, *arguments: str) -> Part:
        """Prepare a program `m8` with these arguments, in the world's folder."""
        environment = {"PATH": os.environ.get("PATH", os.defpath), "HOME": str(self.folder), "LANG": "C.UTF-8"}
        return Part(
            name,
            [program("m8"), *arguments],
            log=self.folder / f"{name}.out",
            folder=self.folder,
            environment=environment,
        )

    def start(self) -> None:
        """Start both, and return when the reactor is attached."""
        self.m8.start()
        self.m8.wait_for(lambda: listens(self.server))
        self.reactor.start()
        self.reactor.wait_for(lambda: asyncio.run(self._is_attached()))

    async def _is_attached(self) -> bool:
        connection = self.connect(ADMINISTRATOR)
        try:
            ask = queries_pb2.GetSecretStoreRequest(name=STORE)
            answer = await connection.call(methods.GET_SECRET_STORE, ask, _WAIT_S)
        except Error:
            return False
        finally:
            await connection.close()
        return any(reactor.attached for reactor in answer.store.reactors)

    def settings(self, user: str) -> ClientSettings:
        """Return with what `user` dials."""
        home = self.folder / user
        return load_settings(config=home / ".config" / "monoskope" / "config.toml", environ={"HOME": str(home)})

    def connect(self, user: str) -> Connection:
        """Return a connection of `user`'s own."""
        settings = self.settings(user)
        return Connection(settings.server, settings.ca_file, settings.token)


def stop_all(worlds: Sequence[World]) -> None:
    """Stop what runs of several worlds."""
    stops: list[Callable[[], None]] = [part.stop for world in worlds for part in (world.reactor, world.m8)]
    for world in worlds:
        world.reactor.ask_to_stop()
    for stop in stops:
        stop()
