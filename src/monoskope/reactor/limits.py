"""How much this process serves at once and in a time, shared fairly among subjects.

**Places** are a semaphore of which a subject may hold at most half, rounded up, of what the others leave. Waiting
requests get places in their order, each as soon as its subject has room.

**Windows.** Limits over time are sliding windows of a monotonic clock: a window of an hour never holds more than its
limit, wherever it begins. In each of them a subject may have at most half, rounded up, of what the others leave:
another subject finds room, and subjects that ask for as much as they can get end up with equal shares. m8 alone says
who a subject is, so limits hold for all together.

**Guesses.** What reveals whether a value is the one upstream is limited: 10 an hour for a secret, 60 for a process. A
comparison reveals it. So does a write that STARTED announces and that is then not made, whatever prevented it (m8, the
driver, the engine, the clock): the right value would have been UNCHANGED. So each announced write counts until the
engine says that it was written. So does content that is not the one whose fingerprint was approved. Where the window
has no room, a write is not compared with what is upstream: whatever it holds is announced and written, which reveals
nothing (docs/protocol.md, Guesses); but where a fingerprint was approved, it is not written.

**Puts.** Who may put and see hashes can test a guess by putting it at a path of their own: the hash says whether it is
another secret's value. So the puts of an hour are limited for each subject, and for each signer: m8 can name other
subjects, and no other signers. It is no share of what others leave, because a limit for all would let one user use it
up.

**Signed requests.** Where a signature is required, a guess counts once that is verified, and in the name of its signer.
So unsigned requests use up no guesses of those who sign theirs.
"""

from __future__ import annotations

import asyncio
import math
import time
from array import array
from bisect import bisect_right
from collections import Counter, OrderedDict, deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field

from monoskope.api.secrets.v1 import upload_pb2
from monoskope.protocol.request import Request
from monoskope.reactor.reasons import FailedError
from monoskope.reactor.settings import ReactorLimits
from monoskope.uri import SecretUri


def has_room(own: int, others: int, most: int) -> bool:
    """Whether a subject that has `own` of `most` may have one more while the others have `others`."""
    return 2 * own < most - others


class FairPlaces:
    """A number of places, for one event loop.

    Args:
        most: How many there are.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._held: Counter[str] = Counter()
        self._waiting: list[tuple[str, asyncio.Future[None]]] = []

    @asynccontextmanager
    async def held(self, subject: str) -> AsyncIterator[None]:
        """Hold a place in the name of `subject`, waiting for it as long as that takes."""
        await self._take(subject)
        try:
            yield
        finally:
            self._give_back(subject)

    async def _take(self, subject: str) -> None:
        if self._has_room(subject):
            self._held[subject] += 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((subject, turn))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.cancelled():
                self._waiting.remove((subject, turn))
            else:  # its turn came at the same moment
                self._give_back(subject)
            raise

    def _give_back(self, subject: str) -> None:
        self._held[subject] -= 1
        if not self._held[subject]:
            del self._held[subject]
        for waiting in list(self._waiting):
            whose, turn = waiting
            if not turn.done() and self._has_room(whose):
                self._held[whose] += 1
                self._waiting.remove(waiting)
                turn.set_result(None)

    def _has_room(self, subject: str) -> bool:
        own = self._held.get(subject, 0)
        return has_room(own, self._held.total() - own, self._most)


_SECOND = 1.0
_HOUR = 3_600.0
_MOST_PUTTING = 10_000
"""Whose puts are remembered, the latest. m8 can name as many subjects as it likes, but it cannot name signers."""
_TOO_MANY_PUTS = "this user has begun as many puts in an hour as the store's reactor takes (puts_per_hour)."


@dataclass(frozen=True, slots=True)
class Signer:
    """A principal of this reactor's list who signed the request: m8 cannot pass off another user as one."""

    name: str


Who = str | Signer
"""In whose name a use counts: of the signer where a signature was verified, else of the subject that m8 names."""


@dataclass(slots=True, eq=False)
class _Use:
    """One use of a window."""

    at: float
    who: Who
    uri: str


@dataclass(slots=True, eq=False)
class Guess:
    """A write from before it is compared until its end is known."""

    may_compare: bool
    """Whether it may be compared with what is upstream; False where the window of guesses has no room."""
    room_after_s: float = 0.0
    """Where it may not: after how many seconds there is room again."""
    announced: bool = False
    """Whether STARTED was sent."""
    written: bool = False
    """Whether the engine said that the write happened."""
    missed: bool = False
    """Whether the content was found to be another one than was approved."""

    @property
    def counts(self) -> bool:
        """Whether its end reveals whether the guess was right."""
        return self.missed or (self.announced and not self.written)


@dataclass(slots=True)
class Rates:
    """The windows of this process. The memory of each is bounded by its limit."""

    limits: ReactorLimits
    """As configured."""
    now: Callable[[], float] = time.monotonic
    refused: Callable[[], None] = lambda: None
    """Called for each put that was too much for its hour."""
    _puts: OrderedDict[Who, array[float]] = field(default_factory=OrderedDict)
    _signed_puts: OrderedDict[Who, array[float]] = field(default_factory=OrderedDict)
    _uploads: deque[_Use] = field(default_factory=deque)
    _guesses: deque[_Use] = field(default_factory=deque)

    def take(self, request: Request, subject: str, *, must_be_signed: bool = False) -> None:
        """Count `request`, or raise `FailedError` (RATE_LIMITED, with when there is room again) and count nothing.

        A comparison that must be signed is no guess yet: `compared` counts it once its signature is verified. Until
        then it counts as any other request, and is refused if there is no room for guesses.
        """
        use = _Use(self.now(), subject, str(request.uri))
        if request.rules.guesses and not must_be_signed:
            self._take_guess(use)
            return
        _check_room(_room_after(self._uploads, self.limits.uploads_per_second, use, _SECOND))
        if request.rules.guesses:
            _check_room(self._guess_after(use))
        if request.rules.puts:
            self._take_put(self._puts, subject, subject)
        self._uploads.append(use)

    def signed(self, request: Request, signer: Signer) -> None:
        """Count a comparison or a put that `signer` signed. Raises as `take`."""
        if request.rules.guesses:
            self._take_guess(_Use(self.now(), signer, str(request.uri)))
        elif request.rules.puts:
            self._take_put(self._signed_puts, signer, signer.name)

    def _take_put(self, windows: OrderedDict[Who, array[float]], who: Who, name: str) -> None:
        """Count one more put in the window of `who`: the times of its puts, eight bytes each."""
        now, most = self.now(), self.limits.puts_per_hour_of.get(name, self.limits.puts_per_hour)
        window = windows.pop(who, None) or array("d")
        del window[: bisect_right(window, now - _HOUR)]
        windows[who] = window
        if len(windows) > _MOST_PUTTING:
            windows.popitem(last=False)
        if len(window) >= most:
            self.refused()
            raise FailedError(
                upload_pb2.REASON_RATE_LIMITED,
                detail=_TOO_MANY_PUTS,
                retry_after_s=math.ceil(window[-most] + _HOUR - now),
            )
        window.append(now)

    def _take_guess(self, use: _Use) -> None:
        _check_room(self._guess_after(use))
        self._guesses.append(use)

    @contextmanager
    def guess(self, uri: SecretUri, who: Who) -> Iterator[Guess]:
        """Count one guess while the block runs; go on counting it if the write was announced and not made."""
        use = _Use(self.now(), who, str(uri))
        room_after_s = self._guess_after(use)
        guess = Guess(may_compare=not room_after_s, room_after_s=room_after_s)
        if guess.may_compare:
            self._guesses.append(use)
        try:
            yield guess
        finally:
            if not guess.counts and use in self._guesses:
                self._guesses.remove(use)

    def _guess_after(self, use: _Use) -> float:
        """Return the seconds after which `use` may be one more guess; 0 if it may be one now."""
        in_all = _room_after(self._guesses, self.limits.compares_per_hour, use, _HOUR)
        of_this = deque(one for one in self._guesses if one.uri == use.uri)
        return max(in_all, _room_after(of_this, self.limits.compares_per_hour_per_uri, use, _HOUR))


def _check_room(wait_s: float) -> None:
    if wait_s:
        raise FailedError(upload_pb2.REASON_RATE_LIMITED, retry_after_s=math.ceil(wait_s))


def _room_after(window: deque[_Use], most: int, use: _Use, lasts_s: float) -> float:
    """Forget what is too old, and return the seconds after which `window` has room for `use`; 0 if it has room now."""
    while window and window[0].at <= use.at - lasts_s:
        window.popleft()
    subjects, previous = [one.who for one in window], use.at
    for index, one in enumerate(window):
        own = subjects[index:].count(use.who)
        if has_room(own, len(subjects) - index - own, most):
            return 0.0 if index == 0 else previous + lasts_s - use.at
        previous = one.at
    return previous + lasts_s - use.at if window else 0.0
