"""The one rule by which a client waits and sends again (docs/waiting.md). `Connection` has the loop.

What comes back by itself is waited for, up to `retry_for` seconds. What does not is told at once. `absence` decides
which is which, and nothing else does.
"""

from __future__ import annotations

import _thread
import math
from collections.abc import Callable
from typing import NamedTuple

from monoskope.client.http.transport import NotSentError, StaleConnectionError, TurnedAwayError, WrongAddressError
from monoskope.client.runtime import Runtime, left
from monoskope.errors import AwayError, Error, NotReachedError, RateLimitedError, TimedOutError, UnavailableError, again

SAID_AFTER_S = 5.0
"""A client that would wait longer says first what it waits for."""
LONGEST_PAUSE_S = 60.0
"""A limit that lets nothing come back before is an error at once."""
LEAST_LEFT_S = 0.02
"""A call with less time is not sent again: it would end as late, and hide what m8 said."""

_UNKNOWN = 5.0
"""The pause, in first pauses, if a limit does not say when to come back. It doubles each time."""
_LEAST = 2.5
"""The shortest pause after a limit, in first pauses, whatever m8 says."""
_MOST_DOUBLINGS = 4
_MOST_AWAY_DOUBLINGS = 3
_MOST_TURNED_AWAY_DOUBLINGS = 2
_MOST_RESEND_PAUSE_S = 2.0
_JITTER = 1.25
"""Up to so much longer, so that callers that were refused together do not come back together."""


class TimeOverError(TimedOutError):
    """The time for sending a call again is over.

    Attributes:
        said: Why m8 could not take the call the last time; "" if it took it, and waited.
    """

    def __init__(self, said: str) -> None:
        super().__init__("time is over.")
        self.said = said


def pause_after(told_s: float, times: int, pause_s: float) -> float | None:
    """Return the seconds until a call that a limit refused may come back, None if that is too long to wait.

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


class Absence(NamedTuple):
    """Something that is away and comes back by itself."""

    reason: str
    """What tells it from others: a user is told once of each."""
    awaited: str
    """What is waited for, as a user reads it after "waiting for"."""


def absence(error: Error, servers: str, *, repeatable: bool) -> Absence | None:
    """Return what is away, if a call that ended with `error` is worth another try; None if its user is told at once.

    Args:
        error: How the call ended.
        servers: Where m8 was looked for, as a user reads it.
        repeatable: Whether the call may be carried out twice. One that may not is made again only if none of it was
            sent.
    """
    if isinstance(error, WrongAddressError) or not (repeatable or isinstance(error, NotSentError)):
        return None
    if isinstance(error, NotReachedError):
        return Absence("m8", f"m8 at {servers} to come back")
    if isinstance(error, AwayError):
        why = error.message.partition(";")[0].removesuffix(".")
        return Absence(why, f"what m8 needs to come back ({why})")
    return None


def no_key(store: str) -> Absence:
    """Return the absence of reactors of `store`, of which none gave a key."""
    return Absence(f"key/{store}", f"a reactor of the store {store} to answer")


class Patience:
    """For how long one client waits for what is away, and whom it tells.

    Args:
        runtime: How it waits.
        retry_for_s: Seconds; 0 to wait for nothing.
        tell: Called with a sentence that says what is waited for, once for each absence; None for nobody.
    """

    def __init__(self, runtime: Runtime, *, retry_for_s: float, tell: Callable[[str], None] | None) -> None:
        self.runtime = runtime
        self.retry_for_s = retry_for_s
        self._tell = tell
        self._said: set[str] = set()
        self._guard = _thread.allocate_lock()
        """Held while what was said changes: several threads may wait."""

    def say(self, absent: Absence, seconds: float) -> None:
        """Tell that `absent` is waited for, up to so many seconds, unless that was told since it went away."""
        with self._guard:
            is_new = absent.reason not in self._said
            self._said.add(absent.reason)
        if is_new and self._tell is not None:
            self._tell(f"waiting for {absent.awaited}, up to {max(1, round(seconds))} s …")

    def back(self, reasons: set[str]) -> None:
        """Take note that this is over: if it comes again, it is told again."""
        with self._guard:
            self._said -= reasons


class Wait:
    """The waiting of one call, or for one key. It begins with the first absence.

    Args:
        patience: For how long, and whom to tell.
        sent: Whether it is about what was sent. That is waited for until time is over, since to give up would leave its
            end unknown.
    """

    def __init__(self, patience: Patience, *, sent: bool = False) -> None:
        self.sent = sent
        self.runtime = patience.runtime
        self._patience = patience
        self._began: float | None = None
        self._reasons: set[str] = set()

    def goes_on(self, absent: Absence | None, pause_s: float, *, since: float, until: float) -> bool:
        """Return whether there is time to pause, and tell what is waited for if that takes long.

        Args:
            absent: What is waited for, None for nothing that is away.
            pause_s: Seconds until another try.
            since: When it was found away, by the runtime's clock. The first one counts.
            until: When time is over, infinite for never.
        """
        now, ends_at = self.runtime.now(), until
        if absent is not None:
            began = self._began = since if self._began is None else self._began
            ends_at = until if self.sent else min(until, began + self._patience.retry_for_s)
            if now + pause_s - began >= SAID_AFTER_S and now + pause_s < ends_at:
                self._reasons.add(absent.reason)
                self._patience.say(absent, ends_at - began)
        return now + pause_s + LEAST_LEFT_S < ends_at

    def over(self) -> None:
        """Take note that there is an answer."""
        self._patience.back(self._reasons)
        self._began, self._reasons = None, set()


class Pause(NamedTuple):
    """The time between two rounds."""

    seconds: float
    ends_at: float
    """When the call's own time is over, after it: to wait for what is away takes nothing of that."""
    is_last: bool
    """Whether time is over then."""


class Tries:
    """What happened to one call so far, and the rules by which it is sent again.

    Args:
        servers: Where it may be sent.
        repeatable: Whether it may be carried out twice.
        wait: Its waiting.
        pause_s: The client's first pause.
    """

    def __init__(self, servers: tuple[str, ...], *, repeatable: bool, wait: Wait, pause_s: float) -> None:
        self._servers = servers
        self._repeatable = repeatable
        self._wait = wait
        self._pause_s = pause_s
        self._refused = self._turned_away = self._absent = self._unanswered = 0
        self.said = ""
        """Why m8 could not take the call the last time, "" if it took it."""
        self.begin_round()

    def begin_round(self) -> None:
        """Begin a new round: each server may be asked once."""
        self.renewed = self.fresh = False
        self._asked = self._unreached = 0
        self._may_start: NotReachedError | None = None
        """Why a server of this round was not reached that may be starting, as in an update."""

    def told(self, error: Error) -> Error:
        """Return what the caller is told of a call whose last round ended with `error`."""
        if self._unreached == len(self._servers) > 1:
            return NotReachedError(f"m8 does not answer at any of {', '.join(self._servers)}.", fix=error.fix)
        return error

    def wants_fresh(self, error: Error) -> bool:
        """Whether the call is sent to the same server at once, on a new connection."""
        if self.fresh or not self._repeatable or not isinstance(error, StaleConnectionError):
            return False
        self.fresh = True
        return True

    def wants_next(self, error: Error) -> bool:
        """Whether the call is sent to the next server at once."""
        if not isinstance(error, UnavailableError):
            return False
        self._asked += 1
        if isinstance(error, NotReachedError):
            self._unreached += 1
            self._may_start = self._may_start if isinstance(error, WrongAddressError) else again(error)
        return self._asked < len(self._servers) and (self._repeatable or isinstance(error, NotSentError))

    def pause(self, error: Error, *, began: float, ends_at: float) -> Pause | None:
        """Return the pause after which all servers are asked again; None if the caller is told of `error`.

        Args:
            error: How the last call of the round ended.
            began: When that was sent.
            ends_at: When the call's own time is over.
        """
        if isinstance(error, UnavailableError):
            self.said = self.told(error).message
        elif error.by_m8:
            self.said = ""
        absent = self._away(error)
        if absent is None and not (self._wait.sent or isinstance(error, RateLimitedError)):
            return None
        seconds = self._seconds(error)
        if seconds is None:
            return None
        now = self._wait.runtime.now()
        waits = absent is not None and not self._wait.sent
        until = now + left(math.inf) if waits else ends_at
        since = began if isinstance(error, NotSentError) else now
        if self._wait.goes_on(absent, seconds, since=since, until=until):
            return Pause(seconds, min(ends_at + seconds, until) if waits else ends_at, is_last=False)
        return Pause(max(0.0, min(seconds, ends_at - now)), ends_at, is_last=True) if self._wait.sent else None

    def _away(self, error: Error) -> Absence | None:
        """Return what is away, None for nothing that comes back by itself."""
        named = " or ".join(self._servers)
        found = absence(error, named, repeatable=self._repeatable)
        # A server that is starting may take what this one has no room for, or what another name does not lead to.
        may_start = isinstance(error, WrongAddressError) or (type(error) is UnavailableError and self._repeatable)
        if found is None and may_start and self._may_start is not None:
            return absence(self._may_start, named, repeatable=self._repeatable)
        return found

    def _seconds(self, error: Error) -> float | None:
        """Return how many seconds pass between two rounds, None if a limit asks for more than is waited for."""
        if isinstance(error, RateLimitedError):
            self._refused += 1
            return pause_after(error.retry_after_s, self._refused - 1, self._pause_s)
        if isinstance(error, AwayError):
            self._absent += 1
            return pause_after(self._pause_s * 2 ** min(self._absent - 1, _MOST_AWAY_DOUBLINGS), 0, self._pause_s)
        if isinstance(error, TurnedAwayError):
            # m8 takes only so many at once: those that come together are not to come back together.
            self._turned_away += 1
            return pause_after(0.0, min(self._turned_away - 1, _MOST_TURNED_AWAY_DOUBLINGS), self._pause_s)
        self._unanswered += 1
        return min(self._pause_s * float(2 ** min(self._unanswered - 1, 10)), _MOST_RESEND_PAUSE_S)
