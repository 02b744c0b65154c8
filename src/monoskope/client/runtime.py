"""What the client waits with: a clock, pauses and places. Nothing else in it knows how waiting is done.

On asyncio they are real awaits. A command line that does one thing at a time has a second implementation whose
coroutines never suspend (docs/adr/0041-walk-without-io.md), so that the steps of a request are written once.
"""

from __future__ import annotations

from typing import Protocol


class Places(Protocol):
    """So many places; who comes when all are taken waits for one."""

    async def acquire(self, ends_at: float | None) -> None:
        """Take a place. Raises `TimeoutError` if there is none before `ends_at` (of `Runtime.now`), None for ever."""

    def release(self) -> None:
        """Give it back."""


class Runtime(Protocol):
    """How to wait."""

    def now(self) -> float:
        """Return the seconds of a monotonic clock."""

    async def sleep(self, seconds: float) -> None:
        """Wait so long; 0 lets a pending cancellation or Ctrl-C be delivered."""

    def places(self, count: int) -> Places:
        """Make so many places."""
