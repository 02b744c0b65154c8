"""How fast requests to one store go, how many at once, and how long one of them may take.

Two limits can refuse a client. m8's are for the calls of one user: `Connection` waits and calls again. A reactor's are
per-second rate limits for requests: `Walk` waits and asks anew. Both say when to come back. That is obeyed within the
time of the call, and up to a minute: a limit by the hour or by the day is told to the user, not waited for. No answer
makes a client come back at once, or without end. `Bulk` does several secrets of one call.
"""

from __future__ import annotations

import _thread
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import TypeVar

from monoskope.client.http.retry import pause_after
from monoskope.client.runtime import Runtime, Semaphore, left, unhurried
from monoskope.client.walk.checks import not_tried
from monoskope.client.walk.target import Target
from monoskope.errors import (
    AwayError,
    Error,
    NotReachedError,
    OutcomeUnknownError,
    TimedOutError,
    UnauthenticatedError,
    let_go,
)
from monoskope.value import Value

AT_ONCE = 32
"""How many requests to one store a client walks at once. Further ones wait."""

_SLOWER = 0.9
_SLOWEST = 5.0
"""Seconds between two requests at most, in first pauses, after a refusal that does not say when to come back."""
_SECOND = 1.0


class Pace:
    """When requests to one store may begin.

    They begin at once until one is refused for its rate, and then as fast as others were taken.
    After a refusal nothing begins until the time that it says. Then requests begin one by one, a little slower than the
    reactors took them before, and a little faster with each that they take.

    Args:
        pause_s: The client's first pause.
        runtime: What it waits with.
    """

    def __init__(self, runtime: Runtime, *, pause_s: float = 0.2) -> None:
        self._pause_s = pause_s
        self._runtime = runtime
        self._turns = runtime.semaphore(1)
        self._taken: deque[float] = deque(maxlen=1_000)
        self._rate = 0.0
        """Requests a second; 0 for no limit known."""
        self._next_at = 0.0
        self._resumes_at = 0.0
        self.semaphore = runtime.semaphore(AT_ONCE)
        """Each request holds it from its beginning to its end."""

    async def turn(self, ends_at: float) -> None:
        """Wait, in order, until one more request may begin. Raises `TimeoutError` if none may before `ends_at`."""
        await self._turns.acquire(ends_at)
        try:
            # Nothing but time lets it go on, and the time may be moved while this waits.
            while (wait_s := self._next_at - self._runtime.now()) > 0:
                left_s = ends_at - self._runtime.now()
                if left_s <= 0:
                    raise TimeoutError
                await self._runtime.sleep(min(wait_s, left_s))
            self._next_at = self._runtime.now() + (1 / self._rate if self._rate else 0.0)
        finally:
            self._turns.release()

    def taken(self) -> None:
        """Note that a request was not refused."""
        self._taken.append(self._runtime.now())
        if self._rate:
            self._rate += 1 / self._rate

    def refused(self, told_s: float, times: int) -> float | None:
        """Let nothing begin for a while; return for how many seconds, None if the refusal is not to be waited for.

        Args:
            told_s: What the refusal says, 0 for nothing.
            times: How many refusals of the same request came before.
        """
        pause_s = pause_after(told_s, times, self._pause_s)
        if pause_s is None:
            return None
        now = self._runtime.now()
        # Those that were refused together make it slower once.
        if now >= self._resumes_at:
            lately = sum(at > now - _SECOND for at in tuple(self._taken))
            self._rate = max(1 / (_SLOWEST * self._pause_s), _SLOWER * (self._rate or lately))
        self._resumes_at = max(self._resumes_at, now + pause_s)
        self._next_at = max(self._next_at, self._resumes_at)
        return pause_s


class RequestTime:
    """The time of one request, from when it asks to be admitted: before that, a person may have been asked.

    Args:
        runtime: How it waits.
        timeout_s: Seconds for everything together.
        pause_s: First pause in seconds before something is asked again; it doubles up to 2.
        pace: When it may begin.
        several: Whether it is one of several of one call: then its time begins when it is its turn.
    """

    def __init__(self, runtime: Runtime, timeout_s: float, pause_s: float, *, pace: Pace, several: bool) -> None:
        self._runtime = runtime
        self._timeout_s = timeout_s
        self._pause_s = pause_s
        self._pace = pace
        self._several = several

    def _begin(self) -> None:
        self.ends_at = self._runtime.now() + left(self._timeout_s)

    def remaining_s(self) -> float:
        """Return the seconds that are left; 0 or less if none."""
        return self.ends_at - self._runtime.now()

    @asynccontextmanager
    async def admitted(self) -> AsyncIterator[None]:
        """Count as one of the requests that may run at once, while the block runs. Raises `TimeoutError`."""
        self._begin()
        if self._several:
            with unhurried():
                await self._pace.semaphore.acquire()
            self._begin()
        else:
            await self._pace.semaphore.acquire(self.ends_at)
        try:
            yield
        finally:
            self._pace.semaphore.release()

    @contextmanager
    def within(self, seconds: float | None) -> Iterator[None]:
        """Let time be over after so many seconds, if that is sooner, while the block runs; None for no difference."""
        before = self.ends_at
        if seconds is not None:
            self.ends_at = min(before, self._runtime.now() + seconds)
        try:
            yield
        finally:
            self.ends_at = before

    def pause_s(self, times: int) -> float:
        """Return the seconds that the next `pause` takes."""
        return min(self._pause_s * float(2 ** min(times, 10)), 2.0)

    async def pause(self, times: int) -> bool:
        """Wait a little longer each time; False, at once, if time would be over."""
        remaining, pause = self.remaining_s(), self.pause_s(times)
        await self._runtime.sleep(max(0.0, min(pause, remaining)))
        return remaining > pause


R = TypeVar("R")

_SILENCE = (NotReachedError, AwayError, TimedOutError, OutcomeUnknownError)
"""Ends that may mean that nothing answers any more: what is away was waited for already."""


class Tally(Value, frozen=True):
    """How far a call about several secrets is. It names none of them."""

    total: int
    """How many there are."""
    done: int = 0
    """How many ended with success."""
    failed: int = 0
    """How many ended otherwise, those that were not tried included."""

    @property
    def ended(self) -> int:
        """How many have ended."""
        return self.done + self.failed


class Bulk:
    """One call about several secrets.

    Each secret's time begins with its turn, so the whole takes as long as it moves on. The secrets whose turn has not
    come are not tried if all that ended since the turn of a secret ended for lack of an answer, and at once if m8 does
    not accept the credential.

    Args:
        runtime: What it waits with.
        uris: Of the secrets, as the caller names them; errors name them so.
        tell: Called at the beginning and whenever one has ended.
    """

    def __init__(self, runtime: Runtime, uris: Sequence[str], *, tell: Callable[[Tally], None] | None) -> None:
        self._runtime = runtime
        self._uris = uris
        self._tally = Tally(len(uris))
        self._tell = tell
        # Of each store: one whose reactors do not answer delays no other.
        self._semaphores: defaultdict[str, Semaphore] = defaultdict(lambda: runtime.semaphore(AT_ONCE))
        self._answered = 0
        self._stopped = False
        self._guard = _thread.allocate_lock()
        """Held while the four above change: they may be several threads'."""

    async def run(self, targets: Sequence[Target | Error], one: Callable[[Target], Awaitable[R]]) -> list[R | Error]:
        """Do `one` for each target, and return for each its result or its error."""
        self._told(self._tally)
        results = await self._runtime.gather(self._walked(target, one) for target in targets)
        for uri, target, result in zip(self._uris, targets, results, strict=True):
            if isinstance(result, Error):
                result.uri = str(target.uri) if isinstance(target, Target) else result.uri or uri
        return results

    async def _walked(self, target: Target | Error, one: Callable[[Target], Awaitable[R]]) -> R | Error:
        result = target if isinstance(target, Error) else await self._in_turn(target, one)
        failed = isinstance(result, Error)
        with self._guard:
            before = self._tally
            self._told(Tally(before.total, before.done + (not failed), before.failed + failed))
        return result

    async def _in_turn(self, target: Target, one: Callable[[Target], Awaitable[R]]) -> R | Error:
        semaphore = self._semaphores[target.uri.store]
        await semaphore.acquire()
        try:
            return await self._result(target, one)
        finally:
            semaphore.release()

    async def _result(self, target: Target, one: Callable[[Target], Awaitable[R]]) -> R | Error:
        if self._stopped:
            return not_tried(target, "nothing answered for the others any more")
        answered = self._answered
        try:
            result = await one(target)
        except Error as error:
            with self._guard:
                silent = isinstance(error, _SILENCE) and answered == self._answered
                self._stopped |= silent or isinstance(error, UnauthenticatedError)
                self._answered += not isinstance(error, _SILENCE)
            return let_go(error)
        with self._guard:
            self._answered += 1
        return result

    def _told(self, tally: Tally) -> None:
        self._tally = tally
        if self._tell is not None and tally.total > 1:
            self._tell(tally)
