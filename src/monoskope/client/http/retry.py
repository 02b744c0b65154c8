"""The rules by which a call is sent again: to which server, and after how long. `Connection` has the loop."""

from __future__ import annotations

from monoskope.client.http.transport import NotSentError, StaleConnectionError, TurnedAwayError
from monoskope.errors import AwayError, Error, NotReachedError, RateLimitedError, TimedOutError, UnavailableError

LONGEST_PAUSE_S = 60.0
"""A limit that lets nothing come back before is an error at once."""
MOST_TURNED_AWAY = 4
"""How often a call is sent again whose connection m8 ended before TLS, after 1, 2, 4 and 8 seconds or a little more:
where a thousand come at once from one address, m8 begins 50 a second."""
LEAST_LEFT_S = 0.02
"""A call with less time is not sent again: it would end as late, and hide what m8 said."""

_UNKNOWN = 5.0
"""The pause, in first pauses, if a limit does not say when to come back. It doubles each time."""
_LEAST = 2.5
"""The shortest pause after a limit, in first pauses, whatever m8 says."""
_MOST_DOUBLINGS = 4
_MOST_AWAY_DOUBLINGS = 3
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


class Tries:
    """What happened to one call so far, and the rules by which it is sent again.

    Args:
        servers: How many there are.
        repeatable: Whether it may be carried out twice.
        resends: How often it is sent again because m8 was not reached; None for any number.
        pause_s: The client's first pause.
    """

    def __init__(self, servers: int, *, repeatable: bool, resends: int | None, pause_s: float) -> None:
        self._servers = servers
        self._repeatable = repeatable
        self._resends = resends
        self._pause_s = pause_s
        self._refused = self._turned_away = self._absent = self._resent = 0
        self.begin_round()

    def begin_round(self) -> None:
        """Begin a new round: each server may be asked once."""
        self.renewed = self.fresh = False
        self._asked = self._unreached = 0

    @property
    def all_unreached(self) -> bool:
        """Whether none of several servers was reached in this round."""
        return self._unreached == self._servers > 1

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
        self._unreached += isinstance(error, NotReachedError)
        return self._asked < self._servers and (self._repeatable or isinstance(error, NotSentError))

    def pause(self, error: Error) -> float | None:
        """Return after how many seconds all servers are asked again; None if they are not."""
        if isinstance(error, RateLimitedError):
            self._refused += 1
            return pause_after(error.retry_after_s, self._refused - 1, self._pause_s)
        if isinstance(error, AwayError) and self._repeatable:
            self._absent += 1
            return pause_after(self._pause_s * 2 ** min(self._absent - 1, _MOST_AWAY_DOUBLINGS), 0, self._pause_s)
        if isinstance(error, TurnedAwayError) and self._turned_away < MOST_TURNED_AWAY:
            self._turned_away += 1
            return pause_after(0.0, self._turned_away - 1, self._pause_s)
        if self._resends is None or self._may_be_back(error, self._resends):
            self._resent += 1
            return min(self._pause_s * float(2 ** min(self._resent - 1, 10)), _MOST_RESEND_PAUSE_S)
        return None

    def _may_be_back(self, error: Error, resends: int) -> bool:
        if isinstance(error, TimedOutError):
            return resends > 0
        # Another m8 that was not reached may be starting, as in an update, and take what this one refused.
        may_start = type(error) is UnavailableError and self._unreached > 0
        return self._resent < resends and (may_start or isinstance(error, NotReachedError))

    def ends_with(self, error: Error) -> bool:
        """Whether a call whose time is over ends with `error`, and not with the time."""
        if self._resends == 0 or isinstance(error, RateLimitedError):
            return True
        return isinstance(error, AwayError) and self._resends is not None
