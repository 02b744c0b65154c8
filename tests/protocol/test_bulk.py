"""Much at once, against a real m8 and a real reactor: nothing breaks, everything is done, nobody is hammered."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from monoskope.api.secrets.v1 import events_pb2
from monoskope.client import Client, ClientSettings
from monoskope.client.bulk import Tally
from monoskope.client.known_stores import KnownStores
from monoskope.m8.domain.principal import Principal
from monoskope.reactor.settings import ReactorLimits
from monoskope.testing.scripted.client import token
from monoskope.uri import UriPrefix
from tests.protocol.reactor import IDENTITY, running
from tests.support.m8_world import RIGHTS
from tests.support.reactor_world import MemoryStore
from tests.support.real_m8 import RealM8, serving

EVERYTHING = RIGHTS | {events_pb2.RIGHT_DELETE}


@dataclass(frozen=True)
class Crowd:
    """A real m8 and a real reactor, and the means to make fresh clients of alice."""

    m8: RealM8
    store: MemoryStore
    folder: Path

    def client(self, **more: object) -> Client:
        """A client that dials m8 itself."""
        server = self.m8.world.target
        known = KnownStores(self.folder / "known_stores", system=self.folder / "none")
        known.pin(server, "memory", IDENTITY.shown, replaces=None)
        settings = ClientSettings(
            server=server, ca_file=self.folder / "ca.crt", token=token("alice"), known_stores=known.path
        )
        return Client(settings, system_known_stores=self.folder / "none", **more)  # type: ignore[arg-type]

    async def asked(self) -> int:
        """How many requests m8 recorded."""
        events = await self.m8.world.app.log.read(after=0, limit=100_000)
        return sum(event.type == "SecretUploadKeyRequested" for event in events)


@asynccontextmanager
async def a_crowd(folder: Path, limits: ReactorLimits) -> AsyncIterator[Crowd]:
    store = MemoryStore()
    async with serving(folder) as m8:
        m8.world._principals[token("alice")] = Principal(
            "t", "alice", events_pb2.ROLE_USER, (UriPrefix.parse("memory://"),), EVERYTHING, 2_000_000_000_000
        )
        await m8.create(IDENTITY.shown, kind="memory")
        async with running(m8, folder, store, limits=limits):
            await m8.attached()
            yield Crowd(m8, store, folder)


async def test_500_puts_at_once_of_a_fresh_client_all_succeed(tmp_path: Path) -> None:
    async with a_crowd(tmp_path, ReactorLimits(uploads_per_second=200)) as crowd, crowd.client() as client:
        import time
        t=time.time()
        results = await asyncio.gather(
            *(client.put_secret(f"memory://team-a/s{number}", {"password": b"%d" % number}) for number in range(500))
        )
        print("T", time.time()-t)
        print(await crowd.asked())
    assert {result.outcome for result in results} == {"UPLOADED"}
