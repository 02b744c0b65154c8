"""Users' puts through three m8, with the code of `monoctl`, and what must hold of them afterwards."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from monoskope.client import Client
from monoskope.client.settings import ClientSettings, load_settings
from monoskope.errors import Error
from monoskope.m8.log.event_log import RecordedEvent
from monoskope.protocol.events import request_id_of
from monoskope.testing.cluster.commands import User
from monoskope.testing.cluster.replicas import ReplicaCluster
from tests.support.engines import Engine

CLIENTS = 16
TIMEOUT_S = 60.0
"""As `monoctl --timeout` has it without the option."""

PAUSE_S = 1.0
"""Between two puts of a client: all of them share two processors with the servers."""


@dataclass(frozen=True, slots=True)
class Put:
    client: int
    uri: str
    value: str
    request_id: str
    version: str


class Puts:
    """Clients that put secrets, each with a connection of its own, spread over all m8."""

    def __init__(
        self,
        cluster: ReplicaCluster,
        user: User,
        team: str,
        *,
        store: str = "vault",
        clients: int = CLIENTS,
        pause_s: float = PAUSE_S,
    ) -> None:
        self._cluster = cluster
        self._user = user
        self._team = team
        self._store = store
        self._clients = clients
        self._pause_s = pause_s
        self._stops = asyncio.Event()
        self.done: list[Put] = []
        self.failures: list[str] = []
        """What users were told instead."""
        self.longest_s = 0.0
        """How long the longest put took."""

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Put as long as the block runs, and end after the puts under way."""
        tasks = [asyncio.create_task(self._client(number)) for number in range(self._clients)]
        try:
            yield
        finally:
            self._stops.set()
            await asyncio.gather(*tasks)

    async def goes_on(self, more: int = CLIENTS) -> None:
        wanted = len(self.done) + more
        async with asyncio.timeout(150):
            while len(self.done) < wanted:
                assert not self.failures, self.failures
                await asyncio.sleep(0.1)

    async def each_goes_on(self) -> None:
        """Wait until each client has put one more, begun after now: two, as one may be under way."""
        before = Counter(put.client for put in self.done)
        async with asyncio.timeout(150):
            while any(count < before[number] + 2 for number, count in self._counts().items()):
                assert not self.failures, self.failures
                await asyncio.sleep(0.1)

    def _counts(self) -> dict[int, int]:
        found = Counter(put.client for put in self.done)
        return {number: found[number] for number in range(self._clients)}

    def _settings(self, number: int) -> ClientSettings:
        servers = self._cluster.servers
        first = number % len(servers)
        return load_settings(
            config=self._user.token_file.parent / "config.toml",
            environ={"HOME": str(self._user.home)},
            servers=[*servers[first:], *servers[:first]],
            token_file=self._user.token_file,
            store_identities=self._cluster.identities,
        )

    async def _client(self, number: int) -> None:
        async with Client(self._settings(number)) as client:
            serial = 0
            while not self._stops.is_set():
                uri, value = f"{self._store}://{self._team}/c{number}/s{serial}", f"{self._team}-{number}-{serial}"
                serial += 1
                begun = time.monotonic()
                try:
                    result = await client.put_secret(uri, {"password": value.encode()}, timeout=TIMEOUT_S)
                except Error as error:
                    self.failures.append(f"{uri}: {error.code.value}: {error.message}")
                else:
                    self.done.append(Put(number, uri, value, result.request_id, result.upstream_version))
                self.longest_s = max(self.longest_s, time.monotonic() - begun)
                await asyncio.sleep(self._pause_s)

    def check_upstream(self, engine: Engine) -> None:
        """Check that every acknowledged put is upstream, and once."""
        for put in self.done:
            history = engine.history(put.uri.partition("://")[2])
            assert [version.content for version in history] == [{"password": put.value}], put.uri

    def check_log(self, events: Sequence[RecordedEvent]) -> None:
        """Check that m8's log has exactly one receipt of each acknowledged put."""
        ends = Counter(request_id_of(event.stream) for event in events if event.type == "SecretUploaded")
        assert all(ends[bytes.fromhex(put.request_id)] == 1 for put in self.done)
