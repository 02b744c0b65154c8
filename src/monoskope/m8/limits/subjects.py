"""What one subject may have at once, and have recorded: long calls, open requests, puts an hour, secrets, bytes a day.

And how fast the reactors of one store may speak (`Pace`).

A call that waits costs memory, and a call that follows the log costs time at every event. A reactor keeps a limited
number of keys. So a user who floods m8 makes no other user wait, and no user fills the disk.

What counts what is recorded counts the same in all m8 processes of one log, and a restart changes nothing. What other
processes are recording at the same moment may come on top. Reactors limit puts by the hour, too
(`monoskope.reactor.limits`): m8 protects nothing from itself.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping

from google.protobuf.message import Message

from monoskope.errors import RateLimitedError
from monoskope.event_loop import KeyedLock
from monoskope.m8.domain.principal import Principal
from monoskope.m8.limits.connections import Bucket
from monoskope.m8.readmodels.uploads import DAY_MS, HOUR_MS, Usage, bytes_of
from monoskope.protocol.change import MAX_CHANGE
from monoskope.protocol.grant import ENCAPSULATED_KEY_BYTES, MAX_APPROVALS, TAG_BYTES
from monoskope.protocol.identity import MAX_SIGNATURE
from monoskope.protocol.payload import MAX_PADDED
from monoskope.times import instant

RETRY_AFTER_S = 1.0
"""When a call that was refused may come back. Nobody can say when a place becomes free, so this is a guess."""


class CallPlaces:
    """Counts the places that are held.

    Args:
        what: What is held, in the plural, for people.
        of_subject: How many the tokens of one subject may hold together.
        in_all: How many there are.
        of_token: How many one token may hold; None for as many as its subject.
    """

    def __init__(self, what: str, *, of_subject: int, in_all: int, of_token: int | None = None) -> None:
        self._what = what
        self._most = {"token": of_subject if of_token is None else of_token, "subject": of_subject}
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


SECRETS_RETRY_AFTER_S = 60.0
"""When a user with too many secrets may ask again. Nobody can say when one of them is deleted, so this is a guess."""


class PutLimit:
    """Lets each subject begin only so many puts in an hour of the clock, and have only so many secrets.

    Without the first limit, who may put and see hashes would find a value that is easy to guess, by putting one guess
    after the other at a path of their own.

    Args:
        owns: Returns whether that many secrets that are there were last changed by a subject.
        an_hour: How many puts it may begin; 0 for any number.
        an_hour_of: The same of single subjects.
        secrets: How many secrets it may have; 0 for any number.
        clock: Milliseconds since 1970.
        refused: Called for each put that is too many for its hour.
    """

    def __init__(
        self,
        owns: Callable[[str, int], Awaitable[bool]],
        *,
        an_hour: int,
        an_hour_of: Mapping[str, int],
        secrets: int,
        clock: Callable[[], int],
        refused: Callable[[], object],
    ) -> None:
        self._owns = owns
        self._an_hour = an_hour
        self._an_hour_of = an_hour_of
        self._secrets = secrets
        self._clock = clock
        self._refused = refused

    async def require(self, subject: str, usage: Usage, *, adds: bool) -> None:
        """Raise unless `subject`, which did that much, may begin a put now; `adds` if it is of a new secret.

        Raises:
            RateLimitedError: it may not; the message says of which limit.
        """
        now_ms = self._clock()
        most = self._an_hour_of.get(subject, self._an_hour)
        if most and usage.puts >= most:
            self._refused()
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


LARGEST = ENCAPSULATED_KEY_BYTES + MAX_PADDED + TAG_BYTES
"""Bytes of the largest sealed secret."""

RECORD_BYTES = 2_048
"""Bytes in the record of an event at most, besides its message: its place, the names of stream, type and actor, the URI
and what it says in a few words."""


WITH_CHANGE = bytes_of(RECORD_BYTES + MAX_CHANGE + (MAX_APPROVALS + 1) * MAX_SIGNATURE)
"""Bytes that the execution of a change takes at most, besides what is sealed and the newest receipt: the change itself
and the signatures of requester and approvers."""


def bytes_with(*parts: bytes | Message | None, sealed: int = 0) -> int:
    """Return how many bytes an event with these `parts` takes on disk at most, and `sealed` bytes beside it."""
    sizes = (part.ByteSize() if isinstance(part, Message) else len(part or b"") for part in parts)
    return bytes_of(RECORD_BYTES + sum(sizes), sealed)


class Quota:
    """Lets each subject have only so many bytes recorded in a day (UTC).

    Args:
        most: How many bytes it may.
        clock: Milliseconds since 1970.
    """

    def __init__(self, most: int, clock: Callable[[], int]) -> None:
        self._most = most
        self._clock = clock
        self._being_recorded: Counter[str] = Counter()

    def _require(self, subject: str, usage: Usage, size: int) -> None:
        """Raise unless `subject` may have `size` more bytes recorded today.

        Raises:
            RateLimitedError: it may not; the message says how much was recorded, of how much, and when the next day
                begins.
        """
        now_ms = self._clock()
        day = now_ms // DAY_MS
        used = usage.size + self._being_recorded[subject]
        if used + size > self._most:
            raise RateLimitedError(
                f"{subject} has used {used} of the {self._most} bytes that m8 records for a user in a day (UTC), and "
                f"{size} more would be too many; the next day begins at {instant((day + 1) * DAY_MS)}.",
                fix="Wait until then, or ask an operator to raise `recorded_bytes_per_user_per_day` in m8.toml.",
                retry_after_s=((day + 1) * DAY_MS - now_ms) / 1000,
            )

    @contextlib.contextmanager
    def used(self, subject: str, usage: Usage, size: int, *, later: int = 0) -> Iterator[None]:
        """Count `size` bytes of `subject`, which has just been read to use that much, while the block records them.

        Raises:
            RateLimitedError: it may not have so many more recorded today, and `later` besides.
        """
        self._require(subject, usage, size + later)
        self._being_recorded[subject] += size
        try:
            yield
        finally:
            self._being_recorded[subject] -= size
            if not self._being_recorded[subject]:
                del self._being_recorded[subject]


LOOK_S = 0.1
"""Seconds between two checks whether a request has ended."""

RETRY_AFTER_S = 1.0
"""When a request that was refused may come back: it has waited already, and may go on waiting."""


class RequestLimit:
    """Lets the callers of each subject in one after the other, and only below the limit.

    Args:
        count: Returns how many requests of a subject have not ended, and what else it used.
        most: How many there may be.
    """

    def __init__(self, count: Callable[[str], Awaitable[tuple[int, Usage]]], most: int) -> None:
        self._count = count
        self._most = most
        self._queues: KeyedLock[str] = KeyedLock()

    @contextlib.asynccontextmanager
    async def place(self, subject: str, *, wait_s: float) -> AsyncIterator[Usage]:
        """Wait until `subject` may make one more request, and let no other of its callers in within the block.

        It yields what the subject uses then.

        Raises:
            RateLimitedError: none of its requests ended within `wait_s` seconds.
        """
        async with contextlib.AsyncExitStack() as turn:
            try:
                async with asyncio.timeout(wait_s):
                    await turn.enter_async_context(self._queues.held(subject))
                    # Polled, because another process may end the request; only one caller of each subject polls.
                    while (counted := await self._count(subject))[0] >= self._most:  # noqa: ASYNC110
                        await asyncio.sleep(LOOK_S)
            except TimeoutError:
                raise RateLimitedError(
                    f"{self._most} of your requests have not ended; m8 takes no more until one has.",
                    fix="Upload the secrets that you have keys for, or wait until the keys expire.",
                    retry_after_s=RETRY_AFTER_S,
                ) from None
            yield counted[1]


HEARTBEAT = 10.0
"""What a heartbeat counts, in messages: each is written into the log's database."""

EACH_BYTES = 16_384
"""So many bytes count as one more message: signatures are verified over all of them."""

_LOOK_S = 0.02  # seconds between two looks whether there is room again


class Pace:
    """Counts what reactors say to this process.

    Args:
        a_second: Messages of one store's reactors a second.
        clock: Seconds of a monotonic clock.
    """

    def __init__(self, a_second: float, clock: Callable[[], float]) -> None:
        self._a_second = a_second
        self._clock = clock
        self._stores: dict[str, Bucket] = {}

    async def keep(self, store: str, *, size: int, is_heartbeat: bool) -> None:
        """Wait until a message of `size` bytes may be handled that a reactor of `store`, which exists, has sent."""
        bucket = self._stores.setdefault(store, Bucket(self._a_second, self._clock()))
        while not bucket.has(self._clock()):  # noqa: ASYNC110 - time passes, and nothing tells it
            await asyncio.sleep(_LOOK_S)
        bucket.take(self._clock(), (HEARTBEAT if is_heartbeat else 1.0) + size / EACH_BYTES)
