"""The system under test: two real m8 on one log, real reactors on engines in memory, and real clients, on one loop.

Nothing is scripted but time: m8's clocks stand still until they are moved, and what m8 does by the clock is done when
the world says so. Each test of the machine has a world of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import functools
import tempfile
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from monoskope.api.secrets.v1 import events_pb2
from monoskope.client import Client
from monoskope.client.settings import ClientSettings
from monoskope.host_port import HostPort
from monoskope.m8.background.checkpoint_task import CheckpointTask
from monoskope.m8.background.schedules import Retention
from monoskope.m8.background.timekeeper import Timekeeper
from monoskope.m8.credentials.tokens import Tokens
from monoskope.m8.http import tls
from monoskope.m8.http.server import build_http, running
from monoskope.m8.limits.settings import ServerLimits
from monoskope.m8.log.event_log import EventLog
from monoskope.m8.log.postgres.log import PostgresLog
from monoskope.m8.log.sqlite import SqliteLog
from monoskope.m8.operations import Endpoints
from monoskope.m8.readmodels.documents import project
from monoskope.m8.service.app import App
from monoskope.m8.tree import key_file
from monoskope.reactor.copy_rules import CopyRule, PathPair
from monoskope.reactor.identity.fingerprint import FingerprintKey
from monoskope.reactor.identity.store_identity import Identity
from monoskope.reactor.report.audit_log import AuditFile
from monoskope.reactor.run import Reactor
from monoskope.reactor.settings import ReactorLimits, ReactorSettings
from monoskope.testing.engines.postgres import Postgres
from monoskope.testing.parts import free_port
from monoskope.testing.scripted.connect import showing
from monoskope.uri import UriPrefix
from tests.support.m8_world import Clock
from tests.support.memory_store import MemoryConfig, MemoryStore
from tests.support.reactor_world import FAST

STORES = ("left", "right")
"""The engines that exist; whether m8 knows them as stores is for an administrator to say."""
LIMITS = ServerLimits(tick_s=3_600, longest_wait_s=60.0, drain_s=0.2, puts_per_hour_per_user=0)
"""No timekeeper ticks by itself: time passes when the world says so."""
KEEP_DAYS = 1
"""For how long sealed bytes are kept."""
PAUSE_S = 0.01
PATIENCE_S = 60.0
BUSY = ReactorLimits(
    uploads_per_second=1_000, compares_per_hour_per_uri=1_000, compares_per_hour=10_000, puts_per_hour=1_000_000
)


@functools.cache
def certificate() -> tls.Certificate:
    return tls.make(["127.0.0.1"], now=dt.datetime.now(dt.UTC))


class M8:
    """One m8 process, as far as it is one: its own connection to the log, its own memory."""

    def __init__(self, world: RealParts, number: int) -> None:
        self.world = world
        self.number = number
        self.port = free_port()  # one that no connection of others takes while it is started again
        self._stack = AsyncExitStack()
        self._clients: dict[str, Client] = {}

    async def start(self) -> None:
        world, made = self.world, certificate()
        self.log = await world.open_log()
        self.tokens = Tokens(self.log, signing_key=world.signing_key, audience="m8", clock=world.clock)
        self.app = App(
            self.log, self.tokens.authenticate, set(), world.clock, "m8", "0.1.0", LIMITS, ticks=world.clock,
            tokens=self.tokens,
        )  # fmt: skip
        world.names.add(self.server)
        self.app.names = world.names
        folder = world.folder / f"m8-{self.number}"
        listen = HostPort("127.0.0.1", self.port)
        door = await build_http(self.app, Endpoints(self.app), showing(made), listen=listen)
        self.timekeeper, self.retention = Timekeeper(self.app), Retention(self.app, KEEP_DAYS)
        self.checkpoints = CheckpointTask(self.app, folder, every_s=0.001)
        await self._stack.enter_async_context(running(self.app, door))

    @property
    def server(self) -> str:
        return f"127.0.0.1:{self.port}"

    async def stop(self) -> None:
        for client in self._clients.values():
            await client.__aexit__(None, None, None)
        self._clients.clear()
        await self._stack.aclose()
        await self.log.close()

    async def client(self, token: str) -> Client:
        if token not in self._clients:
            world = self.world
            settings = ClientSettings(
                server=self.server, token=token, ca=certificate().ca.decode(), store_identities=world.identities
            )
            client = Client(settings, notify=lambda _: None, system_known_stores=world.folder / "none", pause_s=PAUSE_S)
            self._clients[token] = await client.__aenter__()
        return self._clients[token]


class Replica:
    """One process of a store's reactor, as far as it is one."""

    def __init__(self, world: RealParts, store: str, number: int) -> None:
        self.world, self.store, self.number = world, store, number
        self._task: asyncio.Task[None] | None = None
        self._stop = asyncio.Event()

    @property
    def attached(self) -> bool:
        return self._task is not None and self.reactor.session.is_attached

    async def start(self, servers: tuple[str, ...]) -> None:
        """Run it, and wait until it is attached."""
        world, folder = self.world, self.world.folder / f"{self.store}-{self.number}"
        folder.mkdir(exist_ok=True, mode=0o700)
        other = next(store for store in STORES if store != self.store)
        settings = ReactorSettings(
            folder=folder,
            servers=servers,
            ca_file=world.ca_file,
            store=self.store,
            prefixes=(UriPrefix.parse(f"{self.store}://"),),
            driver=MemoryStore,
            engine=MemoryConfig(),
            limits=BUSY,
            log_file=None,
            copies=(CopyRule(other, world.identities[other], [PathPair("", "")]),),
        )
        self._audit = AuditFile(folder / "audit.log")
        self.reactor = Reactor(
            settings, world.engines[self.store], Identity(world.seeds[self.store], store=self.store),
            FingerprintKey(bytes(range(32))), self._audit, timings=FAST,
        )  # fmt: skip
        self._stop = asyncio.Event()
        self._task = asyncio.create_task(self.reactor.run(self._stop))
        await world.until(lambda: self.attached, f"{self.store} is attached")

    async def stop(self, *, kill: bool = False) -> None:
        """End it: with a goodbye, or at once."""
        if self._task is None:
            return
        if kill:
            self._task.cancel()
        self._stop.set()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
        self._task = None
        self._audit.close()


class RealParts:
    """Everything that runs, and the folder in which it keeps itself.

    Args:
        postgres: Where the log is, in a new database; None for SQLite.
    """

    def __init__(self, postgres: Postgres | None) -> None:
        self._target = None if postgres is None else postgres.target(postgres.create_database())
        self._temporary = tempfile.TemporaryDirectory(prefix="m8-model-")
        self.folder = Path(self._temporary.name)
        self.clock = Clock()
        self.names: set[str] = set()
        self.signing_key = Ed25519PrivateKey.generate()
        self.engines = {store: MemoryStore() for store in STORES}
        self.seeds = {store: bytes([number] * 32) for number, store in enumerate(STORES, start=1)}
        self.identities = {store: Identity(seed, store=store).shown for store, seed in self.seeds.items()}
        self.ca_file = self.folder / "ca.crt"
        self.m8 = [M8(self, 0), M8(self, 1)]
        self.replicas: dict[tuple[str, int], Replica] = {}

    async def open_log(self) -> EventLog:
        """Open the log once more: both m8 have a connection of their own."""
        if self._target is not None:
            return await PostgresLog.open(self._target, clock=self.clock, projector=project)
        return await SqliteLog.open(self.folder / "log.db", clock=self.clock, projector=project)

    async def start(self) -> None:
        self.ca_file.write_bytes(certificate().ca)
        key = key_file.make(key_file.new_origin())
        for m8 in self.m8:
            folder = self.folder / f"m8-{m8.number}"
            folder.mkdir(mode=0o700)
            key_file.write(folder, key)
            await m8.start()
        issued = await self.m8[0].tokens.issue(subject="root", role=events_pb2.ROLE_ADMINISTRATOR, ttl_s=300 * 86_400)
        self.root = issued.jwt

    async def close(self) -> None:
        await asyncio.gather(*(replica.stop(kill=True) for replica in self.replicas.values()))
        for m8 in self.m8:
            await m8.stop()
        self._temporary.cleanup()

    async def until(self, holds: Any, what: str) -> None:
        """Wait until something holds that others bring about."""
        try:
            async with asyncio.timeout(PATIENCE_S):
                while not holds():
                    await asyncio.sleep(0.002)
        except TimeoutError:
            raise AssertionError(f"not in time: {what}") from None

    async def until_async(self, holds: Callable[[], Awaitable[bool]], what: str) -> None:
        """The same of something that has to be asked for."""
        try:
            async with asyncio.timeout(PATIENCE_S):
                while not await holds():
                    await asyncio.sleep(0.002)
        except TimeoutError:
            raise AssertionError(f"not in time: {what}") from None

    async def as_root(self, at: int) -> Client:
        return await self.m8[at].client(self.root)
