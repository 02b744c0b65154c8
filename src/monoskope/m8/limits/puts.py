"""How many puts one subject may begin in a minute, and how many secrets it may have in all.

Both count what is recorded, so all m8 processes of one log agree, and a restart changes nothing. What is being recorded
at the same moment may come on top: at most as many requests as one subject may have open.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from monoskope.errors import RateLimitedError
from monoskope.m8.readmodels.puts import MINUTE_MS

SECRETS_RETRY_AFTER_S = 60.0
"""When a user with too many secrets may ask again. Nobody can say when one of them is deleted, so this is a guess."""


class PutLimit:
    """Lets each subject begin only so many puts in a minute of the clock, and have only so many secrets.

    Args:
        begun: Returns how many puts a subject began in the minute of that number since 1970.
        owns: Returns whether that many secrets that are there were last changed by a subject.
        a_minute: How many puts it may begin; 0 for any number.
        secrets: How many secrets it may have; 0 for any number.
        clock: Milliseconds since 1970.
    """

    def __init__(
        self,
        begun: Callable[[str, int], Awaitable[int]],
        owns: Callable[[str, int], Awaitable[bool]],
        *,
        a_minute: int,
        secrets: int,
        clock: Callable[[], int],
    ) -> None:
        self._begun = begun
        self._owns = owns
        self._a_minute = a_minute
        self._secrets = secrets
        self._clock = clock

    async def require(self, subject: str, *, adds: bool) -> None:
        """Raise unless `subject` may begin a put now; `adds` if it is of a secret that is not there yet.

        Raises:
            RateLimitedError: it may not; the message says of which limit.
        """
        now_ms = self._clock()
        minute = now_ms // MINUTE_MS
        if self._a_minute and await self._begun(subject, minute) >= self._a_minute:
            raise RateLimitedError(
                f"{subject} has begun as many puts in this minute as a user may: {self._a_minute:,}.",
                fix="Wait for the next minute, or ask an operator to raise `puts_per_minute_per_user` in m8.toml.",
                retry_after_s=((minute + 1) * MINUTE_MS - now_ms) / 1000,
            )
        if adds and self._secrets and await self._owns(subject, self._secrets):
            raise RateLimitedError(
                f"{subject} has as many secrets as a user may have: {self._secrets:,}.",
                fix="Ask an operator to raise `secrets_per_user` in m8.toml.",
                retry_after_s=SECRETS_RETRY_AFTER_S,
            )
