"""How many requests this process serves, by a monotonic clock, shared fairly among subjects.

Limits are sliding windows: a window of an hour never holds more than its limit, wherever it begins. In each of them a
subject may have at most half, rounded up, of what the others leave: another subject finds room, and subjects that ask
for as much as they can get end up with equal shares. m8 alone says who a subject is, so limits hold for all together.

**Guesses.** What reveals whether a value is the one upstream is limited: 10 an hour for a secret, 60 for a process. A
comparison reveals it. So does a write that STARTED announces and that is then not made, whatever prevented it (m8, the
driver, the engine, the clock): the right value would have been UNCHANGED. So each announced write counts until it is
proven written. Where the window has no room, a write is not compared with what is upstream: whatever it holds is
announced and written, which reveals nothing (docs/protocol.md, Guesses).
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from monoskope.api.secrets.v1 import upload_pb2
from monoskope.protocol.request import Request
from monoskope.reactor.limits.places import has_room
from monoskope.reactor.reasons import FailedError
from monoskope.reactor.settings import ReactorLimits
from monoskope.uri import SecretUri

_SECOND = 1.0
_HOUR = 3_600.0


@dataclass(slots=True, eq=False)
class _Use:
    """One use of a window."""

    at: float
    subject: str
    uri: str


@dataclass(slots=True, eq=False)
class Guess:
    """A write from before it is compared until its end is known."""

    may_compare: bool
    """Whether it may be compared with what is upstream; False where the window of guesses has no room."""
    announced: bool = False
    """Whether STARTED was sent."""
    written: bool = False
    """Whether the write is proven to have happened."""

    @property
    def counts(self) -> bool:
        """Whether its end reveals whether the guess was right."""
        return self.announced and not self.written


class Rates:
    """The windows of this process. The memory of each is bounded by its limit.

    Args:
        limits: As configured.
        now: Monotonic seconds.
    """

    def __init__(self, limits: ReactorLimits, *, now: Callable[[], float] = time.monotonic) -> None:
        self._limits = limits
        self._now = now
        self._uploads: deque[_Use] = deque()
        self._guesses: deque[_Use] = deque()

    def take(self, request: Request, subject: str) -> None:
        """Count `request`, or raise `FailedError` (RATE_LIMITED) and count nothing."""
        use = _Use(self._now(), subject, str(request.uri))
        if request.rules.guesses:
            window, has_room = self._guesses, self._may_guess(use)
        else:
            _forget(self._uploads, use.at - _SECOND)
            window, has_room = self._uploads, _has_room(self._uploads, self._limits.uploads_per_second, subject)
        if not has_room:
            raise FailedError(upload_pb2.REASON_RATE_LIMITED)
        window.append(use)

    @contextmanager
    def guess(self, uri: SecretUri, subject: str) -> Iterator[Guess]:
        """Count one guess while the block runs; go on counting it if the write was announced and not made."""
        use = _Use(self._now(), subject, str(uri))
        guess = Guess(may_compare=self._may_guess(use))
        if guess.may_compare:
            self._guesses.append(use)
        try:
            yield guess
        finally:
            if guess.may_compare and not guess.counts and use in self._guesses:
                self._guesses.remove(use)

    def _may_guess(self, use: _Use) -> bool:
        _forget(self._guesses, use.at - _HOUR)
        of_this = [one for one in self._guesses if one.uri == use.uri]
        return _has_room(self._guesses, self._limits.compares_per_hour, use.subject) and _has_room(
            of_this, self._limits.compares_per_hour_per_uri, use.subject
        )


def _forget(window: deque[_Use], until: float) -> None:
    while window and window[0].at <= until:
        window.popleft()


def _has_room(window: Collection[_Use], most: int, subject: str) -> bool:
    own = sum(use.subject == subject for use in window)
    return has_room(own, len(window) - own, most)
