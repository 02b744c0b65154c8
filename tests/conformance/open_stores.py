"""Stores that a test opens and need not close."""

from __future__ import annotations

from collections.abc import Awaitable
from contextlib import AsyncExitStack
from typing import TypeVar

from monoskope.stores.driver import StoreDriver

Store = TypeVar("Store", bound=StoreDriver)


class OpenStores(AsyncExitStack):
    """Closes the stores that were added to it at its end, whether or not they were closed before."""

    async def add(self, opening: Awaitable[Store]) -> Store:
        store = await opening
        self.push_async_callback(store.close)
        return store
