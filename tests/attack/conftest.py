"""One cluster a worker behind a hostile m8, and for each test a path prefix in all stores and a user of its own."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass

import pytest
import pytest_asyncio

from monoskope.client import Client
from monoskope.testing.cluster.commands import User
from tests.support.hostile_cluster import KV1, STORES, HostileCluster, ProxiedCluster
from tests.support.hostile_m8 import HostileM8


@dataclass(frozen=True, slots=True)
class Scene:
    """What an attack has before it: the cluster, the hostile m8, a user and a path prefix of its own."""

    hostile: HostileCluster
    user: User
    client: Client
    team: str

    @property
    def m8(self) -> HostileM8:
        return self.hostile.m8

    def uri(self, store: str, name: str = "db") -> str:
        return f"{store}://attack/{self.team}/{name}"


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def hostile(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[HostileCluster]:
    """m8, OpenBao with KV versions 2 and 1, and the proxy. Tests say which reactors they want (`serve`)."""
    with ProxiedCluster(tmp_path_factory.mktemp("attack")) as cluster:
        await asyncio.gather(asyncio.to_thread(cluster.start_m8), asyncio.to_thread(cluster.start_openbao))
        mount = {"type": "kv", "options": {"version": "1"}}
        await asyncio.to_thread(cluster.bao.call, "POST", f"sys/mounts/{KV1}", mount)
        async with HostileM8(listen=cluster.server, upstream=cluster.real, folder=cluster.folder / "m8") as m8:
            hostile = HostileCluster(cluster, m8)
            await asyncio.to_thread(lambda: cluster.administrator)
            await hostile.prepare(*STORES)
            yield hostile
            # While m8 still hears that they end.
            await asyncio.to_thread(stop_reactors, cluster)


def stop_reactors(cluster: ProxiedCluster) -> None:
    for part in cluster.reactors.values():
        part.ask_to_stop()
    for part in cluster.reactors.values():
        part.stop()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def attacker(hostile: HostileCluster) -> User:
    """A user who may do everything below `attack` in every store."""
    return await asyncio.to_thread(hostile.add_user, "anna", [f"{store}://attack" for store in STORES])


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def crowd(hostile: HostileCluster, attacker: User) -> AsyncIterator[list[Client]]:
    """Clients of four subjects, each of whom may do the same: a subject is m8's word, so it can have many."""
    names = [f"anna-{number}" for number in range(3)]
    prefixes = [f"{store}://attack" for store in STORES]
    users = [await asyncio.to_thread(hostile.add_user, name, prefixes) for name in names]
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(hostile.client(user)) for user in (attacker, *users)]


_teams = itertools.count(1)


@pytest_asyncio.fixture(loop_scope="session")
async def scene(hostile: HostileCluster, attacker: User) -> AsyncIterator[Scene]:
    """A scene; afterwards m8 is honest again."""
    async with hostile.client(attacker) as client:
        yield Scene(hostile, attacker, client, f"t{next(_teams)}")
    hostile.m8.honest()
