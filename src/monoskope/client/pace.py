"""How fast a client goes: how much at once, and how it goes on after a limit refused it.

Two limits can refuse it. m8's are for the calls of one user (`Connection.call` waits and calls again), a reactor's are
for the requests of a second (`Walk` waits and asks anew). Both say when to come back. What
they say is obeyed within the time that the call has, and up to a minute: a limit by the hour or by the day is
told to the user, not waited for. No answer makes a client come back at once, or without end.
"""

from __future__ import annotations

from collections import deque

from monoskope.client.runtime import Runtime

AT_ONCE = 32
"""How many requests to one store a client walks at once. Further ones wait."""

CALLS_AT_ONCE = 80
"""How many calls one connection has open, those that wait for an answer included.

m8 takes 100 of a connection; the rest is for what it streams.
"""

LONGEST_PAUSE_S = 60.0
"""A limit that lets nobody come back before is an error at once."""

_UNKNOWN = 5.0
"""The pause, in first pauses, if nobody says when to come back. It doubles each time."""
_LEAST = 2.5
"""The shortest pause, in first pauses, whatever is said."""
_MOST_DOUBLINGS = 4
_JITTER = 1.25
"""Up to so much longer, so that those who were refused together do not come back together."""

_SLOWER = 0.9
_SECOND = 1.0


def pause_after(told_s: float, times: int, pause_s: float) -> float | None:
    """Return the seconds until a refused call may come back, None if that is too long to wait.

    Args:
        told_s: What the refusal says, 0 or less for nothing.
        times: How many refusals in a row came before.
        pause_s: The client's first pause.
    """
    if told_s > LONGEST_PAUSE_S:
        return None
    unknown = _UNKNOWN * pause_s * float(2 ** min(times, _MOST_DOUBLINGS))
    import random  # noqa: PLC0415 - seldom needed, and a command line starts faster without

    # Not for secrets: it only spreads clients over time.
    return max(_LEAST * pause_s, told_s if told_s > 0 else unknown) * random.uniform(1.0, _JITTER)  # noqa: S311


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
            self._rate = max(1 / (_UNKNOWN * self._pause_s), _SLOWER * (self._rate or lately))
        self._resumes_at = max(self._resumes_at, now + pause_s)
        self._next_at = max(self._next_at, self._resumes_at)
        return pause_s


class Paces:
    """What all requests of one client share: the pace of each store.

    Args:
        runtime: What it waits with.
        pause_s: The client's first pause.
    """

    def __init__(self, runtime: Runtime, *, pause_s: float = 0.2) -> None:
        self._runtime = runtime
        self._pause_s = pause_s
        self._stores: dict[str, Pace] = {}

    def of(self, store: str) -> Pace:
        """Return the pace of a store."""
        return self._stores.setdefault(store, Pace(self._runtime, pause_s=self._pause_s))
