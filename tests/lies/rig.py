"""The rig: a real m8 behind a wire that lies, two stores with `[signers]`, and alice.

The store `memory` may copy to `other`. Both keep their secrets in memory and take signed requests alone, so whatever
changes upstream has to bear a signature of alice's.
"""

from __future__ import annotations

import asyncio
import itertools
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from msgspec import structs

from monoskope.api.gateway.v1 import commands_pb2, views_pb2
from monoskope.api.secrets.v1 import upload_pb2
from monoskope.client import Client, ClientSettings
from monoskope.client.known.logs import KnownLogs
from monoskope.client.known.stores import KnownStores
from monoskope.client.runtime.on_asyncio import AsyncioRuntime
from monoskope.client.signing.key_file import KeySigner
from monoskope.m8.background.checkpoint_task import CheckpointTask
from monoskope.m8.domain.principal import RIGHT_NAMES
from monoskope.m8.limits.settings import ServerLimits
from monoskope.m8.tree import key_file
from monoskope.protocol.grant import Grant
from monoskope.protocol.identity import Namespace
from monoskope.protocol.tlog.checkpoint import Checkpoint
from monoskope.protocol.tlog.log_key import LogKey
from monoskope.protocol.tlog.note import Note
from monoskope.reactor.copy_rules import CopyRule, PathPair
from monoskope.reactor.identity import copy_key
from monoskope.reactor.identity.fingerprint import FingerprintKey
from monoskope.reactor.identity.store_identity import Identity
from monoskope.reactor.report.audit_log import AuditFile
from monoskope.reactor.run import Reactor
from monoskope.reactor.settings import ReactorLimits
from monoskope.reactor.signers.settings import MayRule, SignersFile
from monoskope.settings import write_private
from monoskope.testing.cluster.identities import Identity as Stranger
from monoskope.testing.scripted.client import token
from tests.lies.walks import Engine
from tests.support.hostile_m8 import HostileM8
from tests.support.reactor_world import FAST, SEED, K, settings
from tests.support.real_m8 import RealM8, serving
from tests.support.signed_requests import may, table

ORIGIN = "monoskope/0123456789abcdef"
MEMORY, OTHER = "memory", "other"
TIMINGS = structs.replace(FAST, write_window=20.0, drain=0.5, tick=0.1)
"""However slow the machine is, a write comes within its window. Four reactors look at all that was told so far."""
COPIES = copy_key.principal_of(MEMORY)
MANY = ReactorLimits(
    uploads_per_second=1_000,
    compares_per_hour_per_uri=1_000,
    compares_per_hour=10_000,
    puts_per_hour=1_000_000,
    keys_alive=10_000,
)


class Patience(AsyncioRuntime):
    """The time of alice's clients. It passes as it does, and all of it at once where m8 says nothing more."""

    def __init__(self) -> None:
        self._passed = 0.0

    def now(self) -> float:
        return super().now() + self._passed

    def is_over(self, patience_s: float) -> None:
        """Let clients that wait for so long wait no longer, whenever they began."""
        self._passed += patience_s


class AliceSigns(KeySigner):
    """alice's signer, which keeps what it signed."""

    def __init__(self, path: Path) -> None:
        key = Ed25519PrivateKey.generate()
        write_private(path, key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))
        super().__init__(path)
        self.line = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
        self.signed: list[Grant] = []

    async def sign(self, grant: Grant, sealed_sha256: bytes) -> bytes:
        self.signed.append(grant)
        return await super().sign(grant, sealed_sha256)


@dataclass(frozen=True)
class Kept:
    """A request of alice's that was walked honestly: what a hostile m8 has of it for ever."""

    view: views_pb2.SecretUpload
    sent: commands_pb2.RequestUploadSecretRequest
    started: upload_pb2.Signed


@dataclass
class Rig:
    """The parts."""

    m8: RealM8
    folder: Path
    engines: dict[str, Engine]
    identities: dict[str, Identity]
    signer: AliceSigns
    kept: dict[str, Kept] = field(default_factory=dict)
    places: dict[str, str] = field(default_factory=dict)
    numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))
    patience: Patience = field(default_factory=Patience)
    told: list[str] = field(default_factory=list)
    """What clients said to alice besides their answers."""
    old_note: bytes = b""
    """The first note that was signed of the log."""
    old_proof: tuple[bytes, ...] = ()
    """That what is pinned continues it."""
    log_key: LogKey = field(default_factory=lambda: LogKey.make(ORIGIN))

    @property
    def wire(self) -> HostileM8:
        return self.m8.wire

    @property
    def servers(self) -> list[str]:
        return self.m8.servers

    @property
    def pinned(self) -> Checkpoint:
        """The newest checkpoint that alice's clients have pinned."""
        pin = KnownLogs(self.folder / "known_logs", system=self.folder / "none").pin(self.servers[0])
        assert pin is not None
        return Checkpoint.parse(Note.parse(pin.note).text)

    async def sign(self) -> None:
        await CheckpointTask(self.m8.world.app, self.folder, every_s=0).round()

    async def grow(self) -> None:
        """Let alice see the log, and let it grow after that."""
        await self.sign()
        async with self.client(self.servers[0]) as client:
            seen = await client.log.get()
        self.old_note = self.old_note or seen.note.encode()
        old = Checkpoint.parse(Note.parse(self.old_note).text)
        if old.size < seen.size:
            self.old_proof = await self.m8.world.app.witnessed.tree.consistency(old.size, seen.size)
        await self.m8.world.administrator().create(f"more-{next(self.numbers)}", Stranger().shown, kind=MEMORY)
        await self.sign()

    def canary(self) -> bytes:
        return b"canary-" + secrets.token_hex(16).encode()

    def client(self, server: str, **more: str) -> Client:
        """A client of alice's, who has agreed to both stores."""
        return Client(
            ClientSettings(
                server=server,
                ca_file=self.folder / "ca.crt",
                token=token("alice"),
                known_stores=self.folder / "known_stores",
                **more,  # type: ignore[arg-type]
            ),
            signer=self.signer,
            system_known_stores=self.folder / "none",
            notify=self.told.append,
            pause_s=0.002,
            runtime=self.patience,
        )


@asynccontextmanager
async def rigged(folder: Path, *, witnessed: bool = False) -> AsyncIterator[Rig]:
    """A rig for many lies, each at a place of its own or one that the lie before left as it was.

    With `witnessed` its m8 keeps a log that can be checked; it signs a checkpoint when it is told to.
    """
    limits = ServerLimits(
        heartbeat_s=1,
        longest_wait_s=0.5,  # a client looks so often whether its patience is over
        open_per_user=1_000_000,
        puts_per_hour_per_user=0,
        failed_logins=1_000,
        failed_logins_each=1_000,
    )
    identities = {MEMORY: Identity(SEED, store=MEMORY), OTHER: Identity(SEED[::-1], store=OTHER)}
    engines = {MEMORY: Engine(), OTHER: Engine()}
    signer = AliceSigns(folder / "alice.key")
    async with AsyncExitStack() as open_now:
        m8 = await open_now.enter_async_context(serving(folder, store=MEMORY, limits=limits))
        for store, identity in identities.items():
            await m8.world.administrator().create(store, identity.shown, kind=MEMORY)
        m8.alice = m8.world.user("alice", "memory://", "other://", rights=frozenset(RIGHT_NAMES), token=token("alice"))
        rig = Rig(m8, folder, engines, identities, signer)
        await _start(open_now, rig)
        await m8.attached(2)
        known = KnownStores(folder / "known_stores", system=folder / "none")
        known.pin_default(m8.server, MEMORY)
        for store, identity in identities.items():
            known.pin(m8.server, store, identity.shown, replaces=None)
        if witnessed:
            m8.world.clock.now_ms = int(time.time() * 1000)
            key_file.write(folder, rig.log_key)
        yield rig


async def _start(open_now: AsyncExitStack, rig: Rig) -> None:
    folder, engines, identities = rig.folder, rig.engines, rig.identities
    line = copy_key.make(folder, store=MEMORY)
    alice = f'alice namespaces="{Namespace.REQUEST.value}" {rig.signer.line}'
    for store, server, copies in zip((MEMORY, OTHER), rig.servers, (True, False), strict=True):
        (folder / f"{store}_signers").write_text(f"{alice}\n# end\n" if copies else f"{alice}\n{line}\n# end\n")
        (folder / f"{store}_revoked").write_text("# end\n")
        for name in ("signers", "revoked"):
            (folder / f"{store}_{name}").chmod(0o600)
        of = replace(
            settings(folder, server=server, limits=MANY, prefixes=(f"{store}://team-a",)),
            store=store,
            signers=_may(store),
            copies=(CopyRule(OTHER, identities[OTHER].shown, [PathPair("team-a", "team-a")]),) if copies else (),
        )
        audit, stop = AuditFile(folder / f"{store}.audit.jsonl"), asyncio.Event()
        reactor = Reactor(of, engines[store], identities[store], FingerprintKey(K), audit, timings=TIMINGS)
        running = asyncio.create_task(reactor.run(stop))
        open_now.push_async_callback(_stopped, stop, running, audit)


async def _stopped(stop: asyncio.Event, running: asyncio.Task[None], audit: AuditFile) -> None:
    stop.set()
    await running
    audit.close()


def _may(store: str) -> SignersFile:
    rules: list[MayRule] = [may("alice")]
    if store == OTHER:
        rules.append(may(COPIES, "upload"))
    return table(*rules, file=f"{store}_signers", revoked=f"{store}_revoked")
