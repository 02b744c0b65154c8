"""An event loop in a thread of its own, for callers that have none or that must not wait in theirs."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine, Iterator
from typing import Any, TypeVar

from monoskope.errors import UsageError

R = TypeVar("R")


class _End:
    """Comes after the last item."""


class LoopThread:
    """Runs coroutines for any number of threads, each of which waits for its own.

    The caller's thread may run an event loop itself; that loop stands still while it waits.
    """

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop = asyncio.Event()
        self._thread: threading.Thread | None = None
        self._pid = 0

    def start(self) -> None:
        """Start the thread. Raises `UsageError` if it runs."""
        if self._thread is not None:
            raise UsageError("the client is open already.", fix="Open it once, or make another one.")
        ready = threading.Event()
        # A daemon: a program that forgets to close its client still ends.
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self._serve(ready)), name="monoskope-client", daemon=True
        )
        self._pid = os.getpid()
        self._thread.start()
        ready.wait()

    async def _serve(self, ready: threading.Event) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        ready.set()
        await self._stop.wait()

    def stop(self) -> None:
        """Cancel what runs, and return when the thread has ended."""
        if self._loop is not None and self._thread is not None and self._pid == os.getpid():
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join()
        self._loop = self._thread = None

    def run(self, work: Coroutine[Any, Any, R]) -> R:
        """Run `work` to its end and return its result; Ctrl-C cancels it.

        Raises:
            UsageError: the loop does not run, runs in the process that this one was forked from, or is the caller's.
        """
        try:
            loop = self._usable()
        except UsageError:
            work.close()
            raise
        future = asyncio.run_coroutine_threadsafe(work, loop)
        try:
            return future.result()
        finally:
            future.cancel()
            del future  # an error in it would keep this frame, and those above it with their values, and be kept by it

    def iterate(self, items: AsyncIterator[R]) -> Iterator[R]:
        """Yield the items; each is asked for when it is needed. Raises as `run`."""

        async def step() -> R | _End:
            return await anext(items, _End())

        try:
            while not isinstance(item := self.run(step()), _End):
                yield item
        finally:
            if isinstance(items, AsyncGenerator) and self._loop is not None and not self._is_inside():
                self.run(_close(items))

    def _is_inside(self) -> bool:
        return threading.current_thread() is self._thread

    def _usable(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            raise UsageError("the client is not open.", fix="Use it as `with SyncClient() as client:`.")
        if self._pid != os.getpid():
            raise UsageError(
                "the client was opened in another process, from which this one was forked.",
                fix="Close the client before the fork, or start processes that are not forked: "
                "`multiprocessing.get_context('spawn')`.",
            )
        if self._is_inside():
            raise UsageError(
                "the client was called from a function that it calls itself, such as an observer.",
                fix="Take note there, and call the client later.",
            )
        return self._loop


async def _close(items: AsyncGenerator[Any, Any]) -> None:
    await items.aclose()
