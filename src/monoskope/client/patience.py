"""The time that one request has, and what is sent again within it (docs/protocol.md, The walk)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import TypeVar

from google.protobuf.message import Message

from monoskope.client.connection import Connection, LogUse, PartlyReachedError
from monoskope.client.methods import Method
from monoskope.client.pace import Pace
from monoskope.client.runtime import left, unhurried
from monoskope.errors import NotReachedError, TimedOutError, UnavailableError

R = TypeVar("R", bound=Message)


class Patience:
    """The time of one request, from its making on.

    Args:
        connection: To m8.
        timeout_s: Seconds for everything together.
        pause_s: First pause in seconds before something is sent or asked again; it doubles up to 2.
        pace: When it may begin, and its place.
        several: Whether it is one of several that were asked for together: then its time begins when it has its place.
    """

    def __init__(
        self,
        connection: Connection,
        timeout_s: float,
        pause_s: float,
        *,
        pace: Pace,
        several: bool = False,
    ) -> None:
        self._connection = connection
        self._runtime = connection.runtime
        self._timeout_s = timeout_s
        self._pause_s = pause_s
        self._pace = pace
        self._several = several
        self._said = ""
        self._begin()

    def _begin(self) -> None:
        self.ends_at = self._runtime.now() + left(self._timeout_s)

    def remaining_s(self) -> float:
        """Return the seconds that are left; 0 or less if none."""
        return self.ends_at - self._runtime.now()

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """Hold a place while the block runs. Raises `TimeoutError` if there is none in time."""
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

    async def turn(self) -> None:
        """Wait until the pace lets a request begin. Raises `TimeoutError`."""
        await self._pace.turn(self.ends_at)

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

    async def resend(
        self, method: Method[R], message: Message, resends: int | None = None, *, log: LogUse = LogUse.NONE
    ) -> R:
        """Call, and send the same bytes again when the connection breaks. Without `resends` until time is over.

        The same if one of several servers refused it while another was not reached, whichever was asked last.

        If m8 answers that its own time is over, ours may not be: then it is asked again.

        By default it is about what was sent: that is asked for whatever m8's log is like.
        """
        sent = 0
        while True:
            remaining = self.remaining_s()
            if remaining <= 0:
                raise TimedOutError("time is over.")
            try:
                answer = await self._connection.call(method, message, remaining, log=log)
            except TimedOutError as error:
                self._said = "" if error.by_m8 else self._said  # m8 had taken it, and waited
            except UnavailableError as error:
                may_be_back = isinstance(error, NotReachedError | PartlyReachedError)
                if resends is not None and (sent >= resends or not may_be_back):
                    raise
                self._said = error.message
            else:
                self._said = ""
                return answer
            await self.pause(sent)
            sent += 1

    @property
    def last_said(self) -> str:
        """Why m8 could not take the last call, as the end of a sentence; "" if it took it."""
        return f" ({self._said.removesuffix('.')})" if self._said else ""

    async def pause(self, times: int) -> bool:
        """Wait a little longer each time; False, at once, if time would be over."""
        remaining = self.remaining_s()
        pause = min(self._pause_s * float(2 ** min(times, 10)), 2.0)
        await self._runtime.sleep(max(0.0, min(pause, remaining)))
        return remaining > pause
