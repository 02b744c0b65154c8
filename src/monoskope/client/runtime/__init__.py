"""How the client waits: a clock, pauses, semaphores, tasks, and the deadline of a call. Nothing else knows how.

`on_asyncio` has real awaits. With `blocking` coroutines never suspend, for programs without an event loop. So the steps
of a request are written once (docs/adr/0041-walk-without-io.md).
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Protocol, TypeVar

R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)


class Semaphore(Protocol):
    """A semaphore. Callers that wait get it in the order in which they came."""

    async def acquire(self, ends_at: float | None = None) -> None:
        """Take it. Raises `TimeoutError` if it is not free before `ends_at` (of `Runtime.now`); None waits for ever."""

    def release(self) -> None:
        """Give it back."""


class Task(Protocol[R_co]):
    """Work in the background."""

    async def result(self, within_s: float) -> R_co:
        """Return its result, or raise what it raised. Raises `TimeoutError` if it takes longer; the task goes on."""

    def cancel(self) -> None:
        """End it, if the runtime can."""


class Runtime(Protocol):
    """How to wait."""

    @property
    def blocks(self) -> bool:
        """Whether its coroutines never suspend. Then no transport may either."""

    def now(self) -> float:
        """Return the seconds of a monotonic clock."""

    async def sleep(self, seconds: float) -> None:
        """Wait so long; 0 lets a pending cancellation or Ctrl-C be delivered."""

    def semaphore(self, count: int) -> Semaphore:
        """Return a new semaphore that `count` callers can hold."""

    async def run_blocking(self, work: Callable[[], R]) -> R:
        """Run what blocks, such as a call to an issuer, and return its result."""

    async def gather(self, work: Iterable[Coroutine[Any, Any, R]]) -> list[R]:
        """Run several at once, each to its end, and return the results in the same order."""

    def start(self, work: Coroutine[Any, Any, R]) -> Task[R]:
        """Begin `work` in the background."""

    def while_waiting(self, prepare: Callable[[], None]) -> None:
        """Call `prepare`, which takes some milliseconds, while the answer of the next call is awaited."""

    def sent(self) -> None:
        """Note that a call has been sent, and that its answer is awaited: a transport that blocks says so."""


class _Deadline:
    """Until when all that is done in a context has to end, by the clock of `runtime`."""

    def __init__(self, runtime: Runtime, ends_at: float, outer: _Deadline | None) -> None:
        self.runtime = runtime
        self.ends_at = ends_at
        self.outer = outer


_deadline: ContextVar[_Deadline | None] = ContextVar("deadline", default=None)


@contextmanager
def within(runtime: Runtime, seconds: float | None) -> Iterator[None]:
    """Give the block so many seconds, or what is left of the caller's time if that is less; None for any time."""
    ends_at = None if seconds is None else runtime.now() + left(seconds)
    token = _deadline.set(None if ends_at is None else _Deadline(runtime, ends_at, _deadline.get()))
    try:
        yield
    finally:
        _deadline.reset(token)


def left(seconds: float) -> float:
    """Return `seconds`, or what is left of the time that `within` gave if that is less: 0 or less if none is."""
    found = _deadline.get()
    return seconds if found is None else min(seconds, found.ends_at - found.runtime.now())


@contextmanager
def unhurried() -> Iterator[None]:
    """Do not count the time of the block, in which a person is asked or a semaphore is awaited."""
    found = _deadline.get()
    began = 0.0 if found is None else found.runtime.now()
    try:
        yield
    finally:
        while found is not None:
            found.ends_at += found.runtime.now() - began
            found = found.outer


def asyncio_runtime() -> Runtime:
    """Return the runtime of asyncio."""
    from monoskope.client.runtime.on_asyncio import ASYNCIO  # noqa: PLC0415 - a command line that blocks does without asyncio

    return ASYNCIO
