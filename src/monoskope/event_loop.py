"""The event loop of servers and reactors: uvloop if it is installed, else asyncio's own, as on Windows. Its tasks."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

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
