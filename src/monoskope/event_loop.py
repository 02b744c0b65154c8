"""What servers and reactors need of asyncio: a loop, tasks that run together, and a lock for each key.

The loop is uvloop if that is installed, else asyncio's own, as on Windows.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Coroutine, Hashable
from typing import Any, Generic, TypeVar
from weakref import WeakValueDictionary

T = TypeVar("T")


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run `main` on a loop of its own and return its result, as `asyncio.run` does."""
    try:
        import uvloop  # noqa: PLC0415 - not everywhere, and slow to load
    except ImportError:
        return asyncio.run(main)
    return uvloop.run(main)


def heeded(task: asyncio.Future[Any]) -> None:
    """Take note of how `task` fails, even if all who waited for it have gone: asyncio would print a traceback."""
    task.add_done_callback(_heed)


def _heed(task: asyncio.Future[Any]) -> None:
    if not task.cancelled():
        task.exception()


K = TypeVar("K", bound=Hashable)


async def first_of(*jobs: Awaitable[None]) -> None:
    """Run `jobs` until one ends, stop the others, and raise what the first raised."""
    tasks = [asyncio.ensure_future(job) for job in jobs]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class KeyedLock(Generic[K]):
    """Locks by key: tasks that ask for the same key run one after the other, in order. For one event loop."""

    def __init__(self) -> None:
        self._locks: WeakValueDictionary[K, asyncio.Lock] = WeakValueDictionary()

    def __len__(self) -> int:
        return len(self._locks)

    def held(self, key: K) -> asyncio.Lock:
        """Return the lock of `key`, for `async with`; it is removed once no task uses it."""
        return self._locks.setdefault(key, asyncio.Lock())
