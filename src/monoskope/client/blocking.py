"""Waiting by blocking: the `Runtime` of a program that does one thing at a time, without an event loop.

Coroutines are then a way to write steps, and no more: nothing in them suspends. Ctrl-C is `KeyboardInterrupt`, raised
wherever the program is, in the middle of a pause or of a read from a socket, too.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, TypeVar

R = TypeVar("R")


def run(work: Coroutine[Any, Any, R]) -> R:
    """Run `work` to its end and return its result.

    Raises:
        RuntimeError: it suspended, which is a defect: somebody awaited asyncio's own.
    """
    try:
        work.send(None)
    except StopIteration as end:
        result: R = end.value
        return result
    work.close()
    raise RuntimeError("a coroutine suspended where nothing can wait for it")


class Places:
    """Places of which one is taken at a time. Its promises are those of `runtime.Places`."""

    def __init__(self, count: int) -> None:
        self._free = count

    async def acquire(self, ends_at: float | None = None) -> None:
        """Take a place."""
        del ends_at
        if not self._free:
            raise RuntimeError("nobody else is there who could give a place back")
        self._free -= 1

    def release(self) -> None:
        """Give it back."""
        self._free += 1


class BlockingRuntime:
    """Its promises are those of `runtime.Runtime`. Each client has its own."""

    blocks = True

    def __init__(self) -> None:
        self._prepare: Callable[[], None] | None = None

    def now(self) -> float:
        """Return the seconds of a monotonic clock."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait so long."""
        time.sleep(seconds)  # noqa: ASYNC251 - that is what it is for

    def places(self, count: int) -> Places:
        """Make so many places."""
        return Places(count)

    async def aside(self, work: Callable[[], R]) -> R:
        """Run it."""
        return work()

    async def several(self, work: Iterable[Coroutine[Any, Any, R]]) -> list[R]:
        """Run one after the other."""
        return [await one for one in work]

    def meanwhile(self, prepare: Callable[[], None]) -> None:
        """Let `sent` call `prepare`."""
        self._prepare = prepare

    def sent(self) -> None:
        """Call what is to be prepared: a transport has sent a call, and begins to wait for its answer."""
        prepare, self._prepare = self._prepare, None
        if prepare is not None:
            prepare()
