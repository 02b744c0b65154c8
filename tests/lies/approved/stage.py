"""The stage of lies about approvals: a real m8 behind a wire that lies, a store that asks alice for two, and people.

ben and eva may approve, each under a key of his own; ben has a second one, dora's is revoked, fred is in no entry, and
mallory in no list. Who approved what is kept by their signers: nothing of the product decides what must not be written.
"""

from __future__ import annotations

import asyncio
import itertools
import secrets
import shutil
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from monoskope.client import Client, ClientSettings, ProposedChange
from monoskope.client.known.stores import KnownStores
from monoskope.client.signing.signer import Signer
from monoskope.m8.domain.principal import RIGHT_NAMES
from monoskope.m8.limits.settings import ServerLimits
from monoskope.protocol.change import Change
from monoskope.protocol.grant import Grant
from monoskope.reactor.identity.fingerprint import FingerprintKey
from monoskope.reactor.identity.store_identity import Identity
from monoskope.reactor.report.audit_log import AuditFile
from monoskope.reactor.run import Reactor
from monoskope.reactor.signers.settings import MayRule
from monoskope.testing.scripted.client import token
from tests.lies.rig import MANY, MEMORY, TIMINGS, Patience
from tests.lies.walks import Engine
from tests.support.hostile_m8 import HostileM8
from tests.support.hostile_session import Session
from tests.support.reactor_world import SEED, K, settings
from tests.support.real_m8 import RealM8, serving
from tests.support.signed_requests import Person, approvers, may, table, write_lists

ASKED = 2
"""How many approvals the store asks alice for."""
FIRST = "first"
"""The replica that is always there."""
OF_ALICE = ("upload", "patch", "generate", "delete", "undelete", "rollback")
APPROVE = approvers("ben", "eva", "dora", "alice")
IDENTITY = Identity(SEED, store=MEMORY)


class Colleague(Person):
    """Somebody with a key of his own, who keeps what was signed with it."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.signed: list[Grant] = []
        self.approved: list[bytes] = []
        """The SHA-256 of each change."""

    async def sign(self, grant: Grant, sealed_sha256: bytes) -> bytes:
        self.signed.append(grant)
        return self.signs(grant, sealed_sha256)

    async def approve(self, change: Change) -> bytes:
        self.approved.append(change.sha256)
        return self.approves(change)


@dataclass(frozen=True)
class Replica:
    """A reactor of the store."""

    file: Path
    """Its audit log."""
    audit: AuditFile
    stop: asyncio.Event
    running: asyncio.Task[None]
    session: Session


@dataclass
class Stage:
    """The parts."""

    m8: RealM8
    folder: Path
    engine: Engine = field(default_factory=Engine)
    people: dict[str, Colleague] = field(
        default_factory=lambda: {
            name: Colleague(name) for name in ("alice", "setter", "ben", "eva", "dora", "fred", "mallory")
        }
    )
    ben_again: Colleague = field(default_factory=lambda: Colleague("ben"))
    clients: dict[str, Client] = field(default_factory=dict)
    replicas: dict[str, Replica] = field(default_factory=dict)
    patience: Patience = field(default_factory=Patience)
    numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))
    earlier: dict[str, ProposedChange] = field(default_factory=dict)
    """By purpose: a change of alice's that was approved and executed honestly before."""

    @property
    def wire(self) -> HostileM8:
        return self.m8.wire

    def canary(self) -> bytes:
        return b"canary-" + secrets.token_hex(16).encode()

    def client(self, name: str, signer: Signer | None = None) -> Client:
        """A client of somebody who has agreed to the store, and signs by a key of his own unless another is given."""
        return Client(
            ClientSettings(
                server=self.m8.server,
                ca_file=self.folder / "ca.crt",
                token=token(name),
                known_stores=self.folder / "known_stores",
            ),
            signer=signer or self.people[name],
            system_known_stores=self.folder / "none",
            pause_s=0.002,
            runtime=self.patience,
        )

    async def start(
        self, name: str, *, asks: int = ASKED, signing: Sequence[Person] = (), entries: Sequence[MayRule] = ()
    ) -> None:
        """Start a replica, which asks alice for so many approvals; `entries` say more of those that are `signing`."""
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        shutil.copy(self.folder / "ca.crt", folder)
        people = self.people
        approving = (people["ben"], self.ben_again, people["eva"], people["dora"], people["fred"], people["alice"])
        listed = [people["alice"], people["setter"], *signing]
        write_lists(folder, *listed, revoked=[people["dora"].key], approvers=approving)
        rules = (may("alice", *OF_ALICE, approvals=asks), may("setter", *OF_ALICE), *entries)
        of = replace(settings(folder, server=self.m8.server, limits=MANY), signers=table(*rules, approve=[APPROVE]))
        logins, audit, stop = self.m8.count("Attached"), AuditFile(folder / "audit.jsonl"), asyncio.Event()
        reactor = Reactor(of, self.engine, IDENTITY, FingerprintKey(K), audit, timings=TIMINGS)
        running = asyncio.create_task(reactor.run(stop))
        self.replicas[name] = Replica(folder / "audit.jsonl", audit, stop, running, await self.m8.attached(logins + 1))

    async def stop(self, name: str) -> None:
        """Stop a replica: a new one of this name remembers nothing of it."""
        replica = self.replicas.pop(name)
        replica.stop.set()
        await replica.running
        replica.audit.close()


@asynccontextmanager
async def staged(folder: Path) -> AsyncIterator[Stage]:
    """A stage for many lies, each at a place of its own."""
    limits = ServerLimits(
        heartbeat_s=1,
        longest_wait_s=0.5,
        open_per_user=1_000_000,
        open_changes_per_user=1_000_000,
        puts_per_hour_per_user=0,
    )
    async with AsyncExitStack() as open_now:
        m8 = await open_now.enter_async_context(serving(folder, store=MEMORY, limits=limits))
        m8.world.clock.now_ms = int(time.time() * 1000)
        await m8.create(IDENTITY.shown, kind=MEMORY)
        stage = Stage(m8, folder)
        known = KnownStores(folder / "known_stores", system=folder / "none")
        known.pin_default(m8.server, MEMORY)
        known.pin(m8.server, MEMORY, IDENTITY.shown, replaces=None)
        for name in stage.people:
            user = m8.world.user(name, "memory://", rights=frozenset(RIGHT_NAMES), token=token(name))
            if name == "alice":
                m8.alice = user
            stage.clients[name] = await open_now.enter_async_context(stage.client(name))
        await stage.start(FIRST)
        try:
            yield stage
        finally:
            for name in [*stage.replicas]:
                await stage.stop(name)
