"""A lock for each key, kept only while a task holds it or waits for it."""

from __future__ import annotations

import asyncio
from collections.abc import Hashable
from typing import Generic, TypeVar
from weakref import WeakValueDictionary

K = TypeVar("K", bound=Hashable)


class KeyedLock(Generic[K]):
    """Locks by key: tasks that ask for the same key run one after the other, in order. For one event loop."""

    def __init__(self) -> None:
        self._locks: WeakValueDictionary[K, asyncio.Lock] = WeakValueDictionary()

    def __len__(self) -> int:
        return len(self._locks)

    def held(self, key: K) -> asyncio.Lock:
        """Return the lock of `key`, for `async with`; it is removed once no task uses it."""
        return self._locks.setdefault(key, asyncio.Lock())
