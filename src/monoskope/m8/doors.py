"""How m8 serves: its door opens, and closes once m8 has said that it stops."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine, Sequence
from typing import Any, Protocol

from monoskope.errors import UnavailableError
from monoskope.m8.background.leased import Leased
from monoskope.m8.background.log_watch import LogWatch
from monoskope.m8.background.timekeeper import LEASE, Timekeeper, lease_s
from monoskope.m8.service.app import App
from monoskope.protocol.events import upload_stream


class Door(Protocol):
    """One transport's server. It is bound to its address when it is made."""

    @property
    def port(self) -> int:
        """The bound port."""

    async def start(self) -> None:
        """Take calls."""

    async def tell(self, *, is_ready: bool) -> None:
        """Let whoever asks by this transport know whether m8 is ready."""

    async def leaving(self) -> None:
        """Say that m8 stops, and go on taking calls."""

    async def stop(self, drain_s: float) -> None:
        """Send every connection away, and give the calls under way so many seconds."""


async def started(doors: Sequence[Door]) -> None:
    """Let every door take calls, or none. Raises `UnavailableError` if somebody began to listen at an address."""
    try:
        for door in doors:
            await door.start()
    except UnavailableError:
        await asyncio.gather(*(door.stop(0.0) for door in doors))
        raise


async def noticed(seconds: float) -> None:
    """Wait until load balancers have noticed that this process is not ready."""
    await asyncio.sleep(seconds)


@contextlib.asynccontextmanager
async def running(app: App, doors: Sequence[Door], *others: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Serve as long as the block runs; beside it the feed, the timekeeper, what watches the log, and `others`.

    After the block m8 says that it is not ready, lets another process keep the time, ends the calls that wait for
    events, so that their callers go on elsewhere, sends every connection away, and gives the calls under way `drain_s`
    seconds.

    When one of those fails, for example because the log was tampered with, the block is cancelled and an
    `ExceptionGroup` with the failure is raised.
    """
    await app.feed.begin()
    async for upload in app.documents.open_uploads():
        app.requests.known(upload_stream(upload.request_id), upload)

    async def tell(*, is_ready: bool) -> None:
        for door in doors:
            await door.tell(is_ready=is_ready)

    async with asyncio.TaskGroup() as group:
        keeper = Leased(app, LEASE, lambda: Timekeeper(app).run(), ttl_s=lease_s(app.limits.tick_s))
        keeping = group.create_task(keeper.run())
        works = (app.feed.run(), app.connections.run(), app.strangers.run(), *others)
        beside = [group.create_task(work) for work in works]
        await started(doors)
        await tell(is_ready=True)
        beside.append(group.create_task(LogWatch(app, tell).run()))
        try:
            yield
        finally:
            app.state.is_draining = True
            for door in doors:
                await door.leaving()
            keeping.cancel()
            await asyncio.wait({keeping})
            await noticed(app.limits.not_ready_s)
            app.feed.stop()
            await asyncio.gather(*(door.stop(app.limits.drain_s) for door in doors))
            for task in beside:
                task.cancel()
