"""What the client waits with: a clock, pauses and places. Nothing else in it knows how waiting is done.

`monoskope.client.on_asyncio` has real awaits. `monoskope.client.blocking` is for a command line that does one thing at
a time: its coroutines never suspend. So the steps of a request are written once (docs/adr/0041-walk-without-io.md).
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable
from typing import Any, Protocol, TypeVar

R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)


class Places(Protocol):
    """So many places; who comes when all are taken waits for one, in order."""

    async def acquire(self, ends_at: float | None = None) -> None:
        """Take a place. Raises `TimeoutError` if there is none before `ends_at` (of `Runtime.now`), None for ever."""

    def release(self) -> None:
        """Give it back."""


class Begun(Protocol[R_co]):
    """Work that was begun beside its caller's."""

    async def end(self, within_s: float) -> R_co:
        """Return its result, or raise what it raised. Raises `TimeoutError` if it takes longer; it goes on then."""

    def stop(self) -> None:
        """Let nobody wait for it any more."""


class Runtime(Protocol):
    """How to wait."""

    @property
    def blocks(self) -> bool:
        """Whether its coroutines never suspend. Then no transport may either."""

    def now(self) -> float:
        """Return the seconds of a monotonic clock."""

    async def sleep(self, seconds: float) -> None:
        """Wait so long; 0 lets a pending cancellation or Ctrl-C be delivered."""

    def places(self, count: int) -> Places:
        """Make so many places."""

    async def aside(self, work: Callable[[], R]) -> R:
        """Run what blocks, such as a call to an issuer, and return its result; other work goes on if it can."""

    async def several(self, work: Iterable[Coroutine[Any, Any, R]]) -> list[R]:
        """Run each to its end, at once if that is possible, and return the results in the same order."""

    def alone(self) -> Runtime:
        """Return what work in a thread of its own waits with; this itself where nothing has a thread of its own."""

    def beside(self, work: Coroutine[Any, Any, R]) -> Begun[R]:
        """Begin `work`, which goes on while its caller does something else. If this blocks: in a thread of its own."""

    def meanwhile(self, prepare: Callable[[], None]) -> None:
        """Call `prepare`, which takes some milliseconds, while the answer of the next call is awaited."""

    def sent(self) -> None:
        """Note that a call has been sent, and that its answer is awaited: a transport that blocks says so."""


def on_asyncio() -> Runtime:
    """Return asyncio's."""
    from monoskope.client.on_asyncio import ASYNCIO  # noqa: PLC0415 - a command line that blocks does without asyncio

    return ASYNCIO
