"""Work that one m8 process of a log does at a time: it runs while this process holds a lease.

A holder that stops gives the lease up at once. The lease of one that was killed is free after its time. A holder that
stood still past that time, and does not know it yet, may go on for a moment beside the new one. So a lease spares work
and protects nothing: what such work records is decided by the versions of the streams.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import NoReturn

from monoskope import operating_log
from monoskope.errors import UnavailableError
from monoskope.event_loop import heeded
from monoskope.m8.service.app import App

LAST_WRITE_S = 5.0
"""How long m8 tries to say each of them. Without them, others find out by the time of a lease or a heartbeat."""


@contextlib.asynccontextmanager
async def last_write() -> AsyncIterator[None]:
    """Leave the block without an error after `LAST_WRITE_S`, or when the log does not answer: a stop has a bound.

    A database that answers nothing would otherwise let the words wait behind all calls that wait for it.
    """
    with contextlib.suppress(UnavailableError, TimeoutError):
        async with asyncio.timeout(LAST_WRITE_S):
            yield


ASKS = 3
"""How often a holder asks within the time of its lease."""


async def again(work: Callable[[], Awaitable[object]], *, every_s: float, waits: str = "") -> NoReturn:
    """Do `work` again and again, with a pause, until cancelled.

    With `waits`, that the log does not answer is only said so, once until it answers again: the next round tries again.
    """
    is_waiting = False
    while True:
        try:
            await work()
            is_waiting = False
        except UnavailableError as error:
            if not waits:
                raise
            if not is_waiting:  # and not each second of a night with a full disk
                operating_log.get().warning(waits, code=error.code.value)
            is_waiting = True
        await asyncio.sleep(every_s)


AGAIN_S = 1.0
"""How often a process that may not do the work looks whether it may now, at least, in seconds."""


class Leased:
    """Runs `work` while this process holds the lease `name`; each time it gets the lease, `work` is called anew.

    Args:
        app: The process.
        name: Of the lease.
        work: Makes what runs. It ends when it is cancelled; what it raises besides ends `run`.
        ttl_s: Seconds for which the lease is taken each time.
        may: Returns whether this process can do the work now; if not, it leaves the lease to others. None if it always
            can.
    """

    def __init__(
        self,
        app: App,
        name: str,
        work: Callable[[], Awaitable[None]],
        *,
        ttl_s: float,
        may: Callable[[], Awaitable[bool]] | None = None,
    ) -> None:
        self._app = app
        self._name = name
        self._work = work
        self._ttl_s = ttl_s
        self._may = may
        self._ends_at = 0.0
        self._asking: asyncio.Task[bool] | None = None

    async def run(self) -> None:
        """Hold the lease whenever it is free, until cancelled; then give it up."""
        try:
            while True:
                if self._may is not None and not await self._may():
                    await asyncio.sleep(min(AGAIN_S, self._ttl_s / ASKS))
                elif await self._ask():
                    await self._run_while_held()
                else:
                    await asyncio.sleep(self._ttl_s / ASKS)
        finally:
            if self._asking is not None:
                self._asking.cancel()
            await self._release()

    async def _run_while_held(self) -> None:
        operating_log.get().info("lease taken", place=self._name)
        self._hold(held=True)
        task = asyncio.ensure_future(self._work())
        heeded(task)
        try:
            while not task.done():
                await asyncio.wait({task}, timeout=self._ttl_s / ASKS)
                if not task.done() and not await self._ask():
                    operating_log.get().warning("lease lost", place=self._name)
                    return
            await task
        finally:
            self._hold(held=False)
            task.cancel()
            await asyncio.wait({task})

    async def _ask(self) -> bool:
        """Return whether we have the lease. While the log does not answer, we have it until its time is over."""
        if self._asking is None:
            self._asking = asyncio.ensure_future(self._take())
            heeded(self._asking)
        # Never cancelled: it may be recorded all the same.
        left_s = self._ends_at - time.monotonic()
        await asyncio.wait({self._asking}, timeout=max(left_s, 0.0) if self._is_held else None)
        if not self._asking.done():
            return False
        asked, self._asking = self._asking, None
        try:
            return asked.result()
        except UnavailableError:
            return self._is_held and time.monotonic() < self._ends_at

    async def _take(self) -> bool:
        begun = time.monotonic()
        has = await self._app.log.lease(self._name, self._app.replica, ttl_ms=round(self._ttl_s * 1000))
        if has:
            self._ends_at = begun + self._ttl_s
        return has

    @property
    def _is_held(self) -> bool:
        return self._name in self._app.leases

    def _hold(self, *, held: bool) -> None:
        (self._app.leases.add if held else self._app.leases.discard)(self._name)
        self._app.news.set()

    async def _release(self) -> None:
        async with last_write():  # unheard, its time frees it
            await self._app.log.release(self._name, self._app.replica)
