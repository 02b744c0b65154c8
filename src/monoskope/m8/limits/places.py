"""How many long calls may be open at once in this process: of one token, of one subject, and in all.

A call that waits costs memory, and a call that follows the log costs time at every event. A call above the limit is
refused at once and not queued, because nobody can say when a place becomes free. A subject may hold at most half of
what the others leave, rounded up, so that a few of them do not keep out all others.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator

from monoskope.errors import RateLimitedError
from monoskope.m8.domain.principal import Principal

RETRY_AFTER_S = 1.0
"""When a call that was refused may come back. Nobody can say when a place becomes free, so this is a guess."""


class CallPlaces:
    """Counts the places that are held.

    Args:
        what: What is held, in the plural, for people.
        of_token: How many one token may hold.
        of_subject: How many the tokens of one subject may hold together.
        in_all: How many there are.
    """

    def __init__(self, what: str, *, of_token: int, of_subject: int, in_all: int) -> None:
        self._what = what
        self._most = {"token": of_token, "subject": of_subject}
        self._in_all = in_all
        self._held: Counter[tuple[str, str]] = Counter()

    def __len__(self) -> int:
        """How many places are held in all."""
        return self._held[("", "")]

    @contextlib.contextmanager
    def held(self, principal: Principal) -> Iterator[None]:
        """Hold a place of `principal` as long as the block runs.

        Raises:
            RateLimitedError: all places of the token or of the subject are held, or half of what others leave.
        """
        holders = (("token", principal.token_id), ("subject", principal.subject), ("", ""))
        for holder in holders[:2]:
            if self._held[holder] >= self._most[holder[0]]:
                raise self._refusal(holder[0])
        own = self._held[holders[1]]
        if 2 * own >= self._in_all - (len(self) - own):
            raise RateLimitedError(
                f"this m8 has room for {self._in_all} {self._what}, and you have half of what others leave.",
                fix="Try again later, or ask another m8 server.",
                retry_after_s=RETRY_AFTER_S,
            )
        self._held.update(holders)
        try:
            yield
        finally:
            self._held.subtract(holders)
            for holder in holders:
                if not self._held[holder]:
                    del self._held[holder]

    def _refusal(self, whose: str) -> RateLimitedError:
        return RateLimitedError(
            f"your {whose} has {self._most[whose]} {self._what} already, and may not have more at once.",
            fix="End some of them, and wait for those that end by themselves.",
            retry_after_s=RETRY_AFTER_S,
        )
