"""Three m8 on one database, OpenBao, a reactor and a user; and writers at a second event log beside them."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import time
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from monoskope.m8.log.event_log import EventLog
from monoskope.m8.log.postgres.log import PostgresLog
from monoskope.m8.readmodels import documents as chain
from monoskope.testing.cluster.replicas import ReplicaCluster
from monoskope.testing.engines.patroni import Patroni
from monoskope.testing.engines.postgres import Postgres
from monoskope.testing.log_writer import some_time
from monoskope.testing.logs.harness import ledger
from tests.faults.parts import database_settings
from tests.ha.appender import Appender, Findings, Reader, check, everything
from tests.ha.puts import CLIENTS, Puts
from tests.support.engines import OpenBaoEngine

APPENDS = 200
"""So many go on before and after a fault."""
LOGS = 3
"""How many logs are opened on the second database, as if each was of another m8."""


@dataclass(frozen=True, slots=True)
class Load:
    appender: Appender
    puts: Puts


class ThreeM8:
    """Everything that uses the databases. Usable as a context manager, inside of which it runs.

    Args:
        folder: Of the cluster.
        server: It runs.
        clients: How many put at once.
        appends: How many of the writers' go on before and after a fault.
    """

    def __init__(
        self, folder: Path, server: Postgres | Patroni, *, clients: int = CLIENTS, appends: int = APPENDS
    ) -> None:
        self._clients, self._appends = clients, appends
        self._of_m8, self._of_writers = (server.target(server.create_database()) for _ in range(2))
        self.cluster = ReplicaCluster(folder / "cluster", settings=database_settings(self._of_m8, folder))
        self._teams = itertools.count(1)
        self.appender: Appender | None = None
        """Who appends while the last fault happens."""

    def __enter__(self) -> Self:
        try:
            self.cluster.start(stores=("vault",))
            self._user = self.cluster.add_user("user", prefixes=["vault://ha"], pin=False)
        except BaseException:
            self.cluster.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.cluster.close()

    async def open_logs(self, stack: AsyncExitStack) -> list[EventLog]:
        """Open the writers' database as several m8 would, until the stack is closed."""
        logs: list[EventLog] = []
        for _ in range(LOGS):
            log = await PostgresLog.open(self._of_writers, clock=some_time, projector=ledger)
            stack.push_async_callback(log.close)
            logs.append(log)
        return logs

    async def survives(self, what: str, fault: AbstractContextManager[object]) -> Load:
        """Have a fault happen under load; check everything that must hold then, and print how long writing was out."""
        team = f"ha/t{next(self._teams)}"
        async with AsyncExitStack() as stack:
            logs = await self.open_logs(stack)
            appender = self.appender = Appender(team, logs)
            readers = [Reader(log, after=await log.head()) for log in logs]
            for reader in readers:
                stack.push_async_callback(reader.stop)
            puts = Puts(self.cluster, self._user, team, clients=self._clients)
            async with puts.running(), running(appender):
                await appender.goes_on(self._appends)
                await puts.goes_on(self._clients)
                begun = time.monotonic()
                await asyncio.to_thread(_happens, fault)
                await appender.goes_on(self._appends)
                await puts.goes_on(self._clients)
            outage = appender.outage_s(begun)
            findings = await self._check_writers(logs[0], appender, readers)
        of_m8 = await self._check_m8(puts)
        print(
            f"\n{what}: writing was out for {outage:.1f} s; {len(appender.acknowledged)} appends acknowledged and"
            f" {appender.unknown} not, of {findings.events} events; {len(puts.done)} puts, the longest"
            f" {puts.longest_s:.1f} s; m8's log has {of_m8.events} events"
        )
        return Load(appender, puts)

    async def _check_writers(self, log: EventLog, appender: Appender, readers: list[Reader]) -> Findings:
        events = await everything(log)
        for reader in readers:
            await reader.reaches(len(events))
            assert reader.seen == events[reader.after :], "a subscriber saw other events than the log has"
        findings = await check(log, self._of_writers, appender.acknowledged)
        assert findings.good, findings
        return findings

    async def _check_m8(self, puts: Puts) -> Findings:
        assert not puts.failures, puts.failures
        await asyncio.to_thread(puts.check_upstream, OpenBaoEngine(self.cluster.bao))
        log = await PostgresLog.open(self._of_m8, clock=some_time, projector=chain.project)
        try:
            events = await everything(log)
            puts.check_log(events)
            findings = await check(log, self._of_m8)
        finally:
            await log.close()
        assert (findings.gaps, findings.lost) == (0, 0), findings
        return findings


def _happens(fault: AbstractContextManager[object]) -> None:
    with fault:
        pass


@contextlib.asynccontextmanager
async def running(appender: Appender) -> AsyncIterator[None]:
    appender.start()
    try:
        yield
    finally:
        await appender.stop()
