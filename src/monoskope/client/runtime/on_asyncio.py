"""Waiting on asyncio: the `Runtime` of `Client`."""

from __future__ import annotations

import _thread
import asyncio
import contextlib
import time
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, Generic, TypeVar

R = TypeVar("R")

_ON_ITS_WAY_S = 0.001
"""After so many seconds a call has been sent, and there is time to prepare something until its answer comes."""


class Semaphore:
    """A semaphore of asyncio. Its promises are those of `runtime.Semaphore`."""

    def __init__(self, count: int) -> None:
        self._semaphore = asyncio.Semaphore(count)

    async def acquire(self, ends_at: float | None = None) -> None:
        """Take it."""
        if ends_at is None or not self._semaphore.locked():
            await self._semaphore.acquire()
            return
        async with asyncio.timeout(ends_at - time.monotonic()):
            await self._semaphore.acquire()

    def release(self) -> None:
        """Give it back."""
        self._semaphore.release()


async def in_thread(work: Callable[[], R]) -> R:
    """Call `work`, which blocks, in a thread of its own, and return its result.

    No thread of asyncio's pool is used: at its end a loop waits for those, also while a person does not answer.
    """
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[R] = loop.create_future()

    def tell(result: R | None, error: BaseException | None) -> None:
        if ended.done():  # cancelled
            return
        if error is not None:
            ended.set_exception(error)
        else:
            ended.set_result(result)  # type: ignore[arg-type]  # without an error there is a result

    def run() -> None:
        result, failed = None, None
        try:
            result = work()
        except BaseException as error:  # noqa: BLE001 - its caller is to have it
            failed = error
        with contextlib.suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(tell, result, failed)

    _thread.start_new_thread(run, ())  # `threading` would wait until it runs
    return await ended


class Task(Generic[R]):
    """A task of asyncio. Its promises are those of `runtime.Task`."""

    def __init__(self, work: Coroutine[Any, Any, R]) -> None:
        self._task = asyncio.ensure_future(work)
        # asyncio would print the error of a task that is not awaited.
        self._task.add_done_callback(lambda task: task.cancelled() or task.exception())

    async def result(self, within_s: float) -> R:
        """Return its result. If the caller is cancelled, the task goes on."""
        async with asyncio.timeout(within_s):
            return await asyncio.shield(self._task)

    def cancel(self) -> None:
        """Cancel it."""
        self._task.cancel()


class AsyncioRuntime:
    """Its promises are those of `runtime.Runtime`."""

    blocks = False

    def now(self) -> float:
        """Return the seconds of a monotonic clock."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait so long."""
        await asyncio.sleep(seconds)

    def semaphore(self, count: int) -> Semaphore:
        """Return a new semaphore."""
        return Semaphore(count)

    async def run_blocking(self, work: Callable[[], R]) -> R:
        """Run it in a thread. Cancelled, it runs on to its end."""
        return await asyncio.to_thread(work)

    async def gather(self, work: Iterable[Coroutine[Any, Any, R]]) -> list[R]:
        """Run all at once."""
        return list(await asyncio.gather(*work))

    def start(self, work: Coroutine[Any, Any, R]) -> Task[R]:
        """Begin it as a task."""
        return Task(work)

    def while_waiting(self, prepare: Callable[[], None]) -> None:
        """Call `prepare` in a moment."""
        asyncio.get_running_loop().call_later(_ON_ITS_WAY_S, prepare)

    def sent(self) -> None:
        """Do nothing: the loop waits for many answers at once."""


ASYNCIO = AsyncioRuntime()
"""It has no state, so there is one."""
