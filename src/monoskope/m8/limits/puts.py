"""How many puts one subject may begin in an hour, and how many secrets it may have in all.

Both count what is recorded, so all m8 processes of one log agree, and a restart changes nothing. What other processes
are recording at the same moment may come on top. Reactors limit puts by the hour, too (`monoskope.reactor.limits`): m8
protects nothing from itself.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from prometheus_client import Counter

from monoskope.errors import RateLimitedError
from monoskope.m8.readmodels.usage import HOUR_MS, Usage

SECRETS_RETRY_AFTER_S = 60.0
"""When a user with too many secrets may ask again. Nobody can say when one of them is deleted, so this is a guess."""


class PutLimit:
    """Lets each subject begin only so many puts in an hour of the clock, and have only so many secrets.

    Without the first limit, who may put and see hashes would find a value that is easy to guess, by putting one guess
    after the other at a path of their own.

    Args:
        recorded: Returns what a subject did in the hour of that time, milliseconds since 1970.
        owns: Returns whether that many secrets that are there were last changed by a subject.
        an_hour: How many puts it may begin; 0 for any number.
        an_hour_of: The same of single subjects.
        secrets: How many secrets it may have; 0 for any number.
        clock: Milliseconds since 1970.
        refused: Counts puts that were too many for their hour.
    """

    def __init__(
        self,
        recorded: Callable[[str, int], Awaitable[Usage]],
        owns: Callable[[str, int], Awaitable[bool]],
        *,
        an_hour: int,
        an_hour_of: Mapping[str, int],
        secrets: int,
        clock: Callable[[], int],
        refused: Counter,
    ) -> None:
        self._recorded = recorded
        self._owns = owns
        self._an_hour = an_hour
        self._an_hour_of = an_hour_of
        self._secrets = secrets
        self._clock = clock
        self._refused = refused

    async def require(self, subject: str, *, adds: bool) -> None:
        """Raise unless `subject` may begin a put now; `adds` if it is of a secret that is not there yet.

        Raises:
            RateLimitedError: it may not; the message says of which limit.
        """
        now_ms = self._clock()
        most = self._an_hour_of.get(subject, self._an_hour)
        if most and (await self._recorded(subject, now_ms)).puts >= most:
            self._refused.inc()
            raise RateLimitedError(
                f"{subject} has begun as many puts in this hour as a user may: {most:,}.",
                fix="Wait for the next hour. For a bulk import let an operator raise the limit of this one user: "
                "`puts_per_hour_of` in m8.toml and in reactor.toml.",
                retry_after_s=(HOUR_MS - now_ms % HOUR_MS) / 1000,
            )
        if adds and self._secrets and await self._owns(subject, self._secrets):
            raise RateLimitedError(
                f"{subject} has as many secrets as a user may have: {self._secrets:,}.",
                fix="Ask an operator to raise `secrets_per_user` in m8.toml.",
                retry_after_s=SECRETS_RETRY_AFTER_S,
            )
