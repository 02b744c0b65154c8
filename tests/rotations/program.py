"""The example program: it reads how to log in where it always stands, and logs in, ten times a second."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from monoskope.stores.shared.trust import trusting
from monoskope.testing.cluster import MOUNT, PREFIX
from monoskope.testing.engines.openbao_admin import Admin, OpenBaoError
from tests.rotations.world import DB, RotatingCluster

PAUSE_S = 0.1
_ANSWERS_S = 30.0
"""A login that takes longer has failed."""
_READ_S = 60.0


class Program:
    """It reads and logs in side by side, so that what keeps the one waiting does not stop the other.

    A login fails if the database refuses it, at any time, or does not answer while nothing of the database is broken.
    """

    def __init__(self, world: RotatingCluster) -> None:
        bao = world.cluster.bao
        self._bao = Admin(address=bao.address, ca_file=bao.ca_file, root_token=bao.root_token)
        self._where: dict[str, Any] = {"host": "127.0.0.1", "port": world.accounts.port, "database": "postgres"}
        self._tls = trusting(str(world.accounts.ca_file))
        self._there: Mapping[str, str] = {}
        self._reads = 0
        self._breaks = 0
        self._down = 0
        self.counts: Counter[str] = Counter()
        """Logins, those that failed, and those that did not come about while the database was down; others add more."""
        self.failed: list[str] = []
        self.passwords: dict[str, None] = {}
        """All that it ever read, the oldest first."""

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Program]:
        tasks = [asyncio.create_task(self._reading()), asyncio.create_task(self._logging_in())]
        try:
            yield self
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await asyncio.to_thread(self._bao.hang_up)

    @contextlib.contextmanager
    def database_down(self) -> Any:
        """The database is broken as long as the block runs."""
        self._breaks += 1
        self._down += 1
        try:
            yield
        finally:
            self._down -= 1

    async def has_read_again(self) -> None:
        """Wait for a read that began after this call: that it comes in time is what `grace` is for."""
        wanted, until = self._reads + 2, time.monotonic() + _READ_S
        while self._reads < wanted:
            assert time.monotonic() < until, "the program cannot read its secret, and OpenBao is not broken"
            await asyncio.sleep(PAUSE_S / 2)

    def at_db(self) -> Mapping[str, str]:
        """Return what stands at `db` now. Raises `OpenBaoError`."""
        found: dict[str, str] = self._bao.call("GET", f"{MOUNT}/data/{PREFIX}/{DB.partition('://')[2]}")["data"]["data"]
        return found

    async def _reading(self) -> None:
        while True:
            with contextlib.suppress(OpenBaoError):
                self._there = await asyncio.to_thread(self.at_db)
                self.passwords[self._there["password"]] = None
                self._reads += 1
            await asyncio.sleep(PAUSE_S)  # the program's own pause

    async def _logging_in(self) -> None:
        at = time.monotonic()
        while True:
            at = max(at + PAUSE_S, time.monotonic())
            if self._there:
                await self._log_in(self._there)
            await asyncio.sleep(at - time.monotonic())  # the program's own pause

    async def _log_in(self, there: Mapping[str, str]) -> None:
        breaks, was_down = self._breaks, self._down > 0
        self.counts["logins"] += 1
        try:
            async with asyncio.timeout(_ANSWERS_S):
                connection = await asyncpg.connect(
                    user=there["username"], password=there["password"], ssl=self._tls, **self._where
                )
                await connection.close()
        except asyncpg.InvalidAuthorizationSpecificationError as error:  # a wrong password is one of these
            self._fail(there, error)
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError) as error:
            if was_down or self._breaks > breaks:
                self.counts["down"] += 1
            else:
                self._fail(there, error)

    def _fail(self, there: Mapping[str, str], error: Exception) -> None:
        self.counts["failed"] += 1
        self.failed.append(f"a login as {there['username']} failed: {type(error).__name__}: {error}")
