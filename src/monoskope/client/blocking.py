"""Waiting by blocking: the `Runtime` of a program that does one thing at a time, without an event loop.

Coroutines are then a way to write steps, and no more: nothing in them suspends. Ctrl-C is `KeyboardInterrupt`, raised
wherever the program is, in the middle of a pause or of a read from a socket, too.
"""

from __future__ import annotations

import _thread
import contextvars
import time
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, Generic, TypeVar

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


class Beside(Generic[R]):
    """Work in a thread of its own. Its promises are those of `runtime.Begun`.

    It is no thread of `threading`, which a command loads for nothing else, and the process does not wait for it.
    """

    def __init__(self, work: Coroutine[Any, Any, R]) -> None:
        self._ended = _thread.allocate_lock()
        self._ended.acquire()
        self._result: R | None = None
        self._error: BaseException | None = None
        _thread.start_new_thread(contextvars.copy_context().run, (self._run, work))

    def _run(self, work: Coroutine[Any, Any, R]) -> None:
        try:
            self._result = run(work)
        except BaseException as error:  # noqa: BLE001 - its caller is to have it
            self._error = error
        self._ended.release()

    async def end(self, within_s: float) -> R:
        """Return its result."""
        if not self._ended.acquire(timeout=max(within_s, 0.0)):
            raise TimeoutError
        self._ended.release()
        if self._error is not None:
            raise self._error
        return self._result  # type: ignore[return-value]  # without an error there is a result

    def stop(self) -> None:
        """Leave it alone: it ends by itself, or with the process."""


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

    def alone(self) -> BlockingRuntime:
        """Return another one."""
        return BlockingRuntime()

    def beside(self, work: Coroutine[Any, Any, R]) -> Beside[R]:
        """Begin it in a thread. It must use nothing that the caller uses meanwhile."""
        return Beside(work)

    def meanwhile(self, prepare: Callable[[], None]) -> None:
        """Let `sent` call `prepare`."""
        self._prepare = prepare

    def sent(self) -> None:
        """Call what is to be prepared: a transport has sent a call, and begins to wait for its answer."""
        prepare, self._prepare = self._prepare, None
        if prepare is not None:
            prepare()
