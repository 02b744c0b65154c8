"""Cancelling a write that waits for a lock of its store."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any

import pytest


async def cancel_while_it_waits(writing: Coroutine[Any, Any, object], store: type, patch: pytest.MonkeyPatch) -> None:
    """Cancel a write whose lock somebody else holds, and see that it stops waiting long before the lock's time is over.

    Args:
        writing: The write, which waits for its lock for 25 seconds.
        store: The class whose `_write` does it, in a thread.
        patch: Lets the thread be watched.
    """
    waiting, gave_up = threading.Event(), threading.Event()
    real = store._write  # type: ignore[attr-defined]

    def spied(*words: Any) -> str:
        waiting.set()
        try:
            return str(real(*words))
        finally:
            gave_up.set()

    patch.setattr(store, "_write", spied)
    task = asyncio.ensure_future(writing)
    assert await asyncio.to_thread(waiting.wait, 60)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await asyncio.to_thread(gave_up.wait, 20)  # less than the lock is waited for
