"""`/healthz`, `/readyz` and `/metrics` of m8."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from prometheus_client import generate_latest

from monoskope.errors import Error, UnavailableError
from monoskope.m8.operations import witnessed
from monoskope.m8.operations.snapshot import Snapshot
from monoskope.m8.service.app import App
from monoskope.operations.answers import Answer, Handlers, alive, metrics, readiness

DATABASE_S = 2.0
"""A database that does not answer within so many seconds counts as away."""

OK = "ok"


class Endpoints:
    """Answers for one m8 process.

    Args:
        app: The process.
        has_reserve: Whether the disk reserve is there; None where the database has none.
    """

    def __init__(self, app: App, *, has_reserve: Callable[[], bool] | None = None) -> None:
        self._app = app
        self._has_reserve = has_reserve
        self._snapshot = Snapshot(app, has_reserve)

    @property
    def handlers(self) -> Handlers:
        """Each path, and what answers it."""
        return {"/healthz": self.healthz, "/readyz": self.readyz, "/metrics": self.metrics}

    async def healthz(self) -> Answer:
        """Say that the process lives."""
        return alive()

    async def readyz(self) -> Answer:
        """Say whether this process can take calls, and name each check with its state."""
        app = self._app
        database, schema = await self._looked_at()
        return readiness(
            {
                "database": database,
                "schema": schema,
                "log": OK if app.state.log_is_writable else "not writable",
                "serving": "draining" if app.state.is_draining else OK,
            },
            {
                "reserve": OK if self._has_reserve is None or self._has_reserve() else "missing",
                "witnessed log": await self._witnessed() if database == OK else "unknown",
            },
        )

    async def metrics(self) -> Answer:
        """Return all metrics in Prometheus' text format."""
        up = await self._answers() == OK
        await self._snapshot.take(up=up)
        return metrics(generate_latest(self._app.meters.registry))

    async def _looked_at(self) -> tuple[str, str]:
        """Return how the database is, and its schema: of one that does not answer, the schema is not known."""
        found = await self._answers()
        if found != OK:
            return found, "unknown"
        try:
            async with asyncio.timeout(DATABASE_S):
                return OK, await self._app.log.schema_state()
        except (Error, TimeoutError):
            return OK, "unreadable"

    async def _witnessed(self) -> str:
        """Return how the checkpoints of the log are: calls are served whatever that is."""
        try:
            async with asyncio.timeout(DATABASE_S):
                return witnessed.health(self._app.witnessed, await self._app.witnessed.seen(), self._app.clock())
        except (Error, TimeoutError):
            return "unreadable"

    async def _answers(self) -> str:
        try:
            async with asyncio.timeout(DATABASE_S):
                await self._app.log.head()
        except UnavailableError:
            return "unavailable"
        except TimeoutError:
            return "slow"
        return OK
