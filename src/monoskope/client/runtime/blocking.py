"""Waiting by blocking: the `Runtime` of programs without an event loop, such as `monoctl` and users of `SyncClient`.

Coroutines are then a way to write steps, and no more: nothing in them suspends. Any number of threads may use one
runtime. Ctrl-C is `KeyboardInterrupt`, raised wherever the main thread is, also in a pause or in a read from a socket.
"""

from __future__ import annotations

import _thread
import contextvars
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterable, Iterator
from typing import Any, Generic, TypeVar

R = TypeVar("R")

MOST_THREADS = 32
"""How many threads do the work of one `gather`."""


class SuspendedError(RuntimeError):
    """A coroutine awaited something of asyncio, where there is no event loop."""


def run(work: Coroutine[Any, Any, R]) -> R:
    """Run `work` to its end and return its result. Raises `SuspendedError`."""
    # In a context of its own, for Ctrl-C can come before a deadline that was set there is taken back.
    context = contextvars.copy_context()
    try:
        context.run(work.send, None)
    except StopIteration as end:
        result: R = end.value
        return result
    context.run(work.close)
    raise SuspendedError("a coroutine suspended where nothing can wait for it")


def iterate(items: AsyncGenerator[R]) -> Iterator[R]:
    """Yield the items; each is asked for when it is needed."""

    async def step() -> R:
        return await anext(items)

    try:
        while True:
            try:
                item = run(step())
            except StopAsyncIteration:
                return
            yield item
    finally:
        run(_close(items))


async def _close(items: AsyncGenerator[Any]) -> None:
    await items.aclose()


class Semaphore:
    """A semaphore for threads. Its promises are those of `runtime.Semaphore`."""

    def __init__(self, count: int) -> None:
        self._free = count
        self._guard = _thread.allocate_lock()
        self._turns: deque[_thread.LockType] = deque()
        """One lock for each thread that waits; who releases the semaphore releases the first of them."""

    async def acquire(self, ends_at: float | None = None) -> None:
        """Take the semaphore."""
        with self._guard:
            if self._free:
                self._free -= 1
                return
            turn = _thread.allocate_lock()
            turn.acquire()
            self._turns.append(turn)
        has_it = False
        try:
            has_it = turn.acquire(timeout=-1 if ends_at is None else max(ends_at - time.monotonic(), 0.0))
        finally:
            if not has_it:
                self._give_up(turn)
        if not has_it:
            raise TimeoutError

    def _give_up(self, turn: _thread.LockType) -> None:
        with self._guard:
            waits = turn in self._turns
            if waits:
                self._turns.remove(turn)
        if not waits:  # it is this thread's turn, after all
            self.release()

    def release(self) -> None:
        """Give it back."""
        with self._guard:
            if self._turns:
                self._turns.popleft().release()
            else:
                self._free += 1


class Task(Generic[R]):
    """Work in a thread of its own. Its promises are those of `runtime.Task`.

    `threading` is not used, since a command loads it for nothing else. The process does not wait for the thread.
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

    async def result(self, within_s: float) -> R:
        """Return its result."""
        if not self._ended.acquire(timeout=max(within_s, 0.0)):
            raise TimeoutError
        self._ended.release()
        if self._error is not None:
            raise self._error
        return self._result  # type: ignore[return-value]  # without an error there is a result

    def cancel(self) -> None:
        """Do nothing: it ends by itself, or with the process."""


class _Group(Generic[R]):
    """Several coroutines, done by a few threads."""

    def __init__(self, work: list[Coroutine[Any, Any, R]]) -> None:
        self._left = deque(enumerate(work))
        self._results: dict[int, R] = {}
        self._error: BaseException | None = None
        self.cancelled = False

    def run(self) -> list[R]:
        """Return the results in the order of the coroutines. Raises the first error, which cancels the rest."""
        total = len(self._left)
        threads = [_thread.allocate_lock() for _ in range(min(total, MOST_THREADS))]
        try:
            for ended in threads:
                ended.acquire()
                context = contextvars.copy_context()
                context.run(_group.set, self)
                _thread.start_new_thread(context.run, (self._serve, ended))
            for ended in threads:
                self._wait(ended)
        finally:
            self.cancelled = True
            while self._left:
                self._left.popleft()[1].close()
        error, self._error = self._error, None
        if error is not None:
            try:
                raise error
            finally:
                del error  # its traceback has this frame: they would keep each other
        return [self._results[index] for index in range(total)]

    def _wait(self, ended: _thread.LockType) -> None:
        """Wait until a thread has ended. Ctrl-C interrupts it."""
        ended.acquire()

    def _serve(self, ended: _thread.LockType) -> None:
        try:
            while not self.cancelled:
                try:
                    index, one = self._left.popleft()
                except IndexError:
                    return
                self._results[index] = run(one)
        except BaseException as error:  # noqa: BLE001 - the thread that waits is to have it
            self._error = self._error or error
            self.cancelled = True
        finally:
            ended.release()


_group: contextvars.ContextVar[_Group[Any] | None] = contextvars.ContextVar("group", default=None)


class BlockingRuntime:
    """Its promises are those of `runtime.Runtime`."""

    blocks = True

    def __init__(self) -> None:
        self._prepare: dict[int, Callable[[], None]] = {}
        """By thread: what to call once a call has been sent."""

    def now(self) -> float:
        """Return the seconds of a monotonic clock."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait so long. In a thread of `gather` it raises `KeyboardInterrupt` if the caller was interrupted."""
        group = _group.get()
        if group is not None and group.cancelled:
            raise KeyboardInterrupt
        time.sleep(seconds)  # noqa: ASYNC251 - that is what it is for

    def semaphore(self, count: int) -> Semaphore:
        """Return a new semaphore."""
        return Semaphore(count)

    async def run_blocking(self, work: Callable[[], R]) -> R:
        """Run it."""
        return work()

    async def gather(self, work: Iterable[Coroutine[Any, Any, R]]) -> list[R]:
        """Run them in threads. If the caller is interrupted, no other one begins, and none of them sends a secret."""
        all_of_it = list(work)
        if len(all_of_it) > 1:
            return _Group(all_of_it).run()
        return [await one for one in all_of_it]

    def start(self, work: Coroutine[Any, Any, R]) -> Task[R]:
        """Run it in a thread of its own."""
        return Task(work)

    def while_waiting(self, prepare: Callable[[], None]) -> None:
        """Have `sent` call `prepare`."""
        self._prepare[_thread.get_ident()] = prepare

    def sent(self) -> None:
        """Call what this thread wants prepared: it has sent a call, and begins to wait for the answer."""
        prepare = self._prepare.pop(_thread.get_ident(), None)
        if prepare is not None:
            prepare()
