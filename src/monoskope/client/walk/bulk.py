"""Several secrets of one call: a few of each store at once, each with its own time, with their progress."""

from __future__ import annotations

import _thread
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from monoskope.client.http.errors import let_go
from monoskope.client.runtime import Runtime, Semaphore
from monoskope.client.walk.checks import not_tried
from monoskope.client.walk.pace import AT_ONCE
from monoskope.client.walk.target import Target
from monoskope.errors import Error, NotReachedError, OutcomeUnknownError, TimedOutError, UnauthenticatedError
from monoskope.value import Value

R = TypeVar("R")

_SILENCE = (NotReachedError, TimedOutError, OutcomeUnknownError)
"""Ends that may mean that m8 does not answer any more."""


class Tally(Value, frozen=True):
    """How far a call about several secrets is. It names none of them."""

    total: int
    """How many there are."""
    done: int = 0
    """How many ended with success."""
    failed: int = 0
    """How many ended otherwise, those that were not tried included."""

    @property
    def ended(self) -> int:
        """How many have ended."""
        return self.done + self.failed


class Bulk:
    """One call about several secrets.

    Each secret's time begins with its turn, so the whole takes as long as it moves on. The secrets whose turn has not
    come are not tried if all that ended since the turn of a secret ended for lack of an answer, and at once if m8 does
    not accept the credential.

    Args:
        runtime: What it waits with.
        uris: Of the secrets, as the caller names them; errors name them so.
        tell: Called at the beginning and whenever one has ended.
    """

    def __init__(self, runtime: Runtime, uris: Sequence[str], *, tell: Callable[[Tally], None] | None) -> None:
        self._runtime = runtime
        self._uris = uris
        self._tally = Tally(len(uris))
        self._tell = tell
        # Of each store: one whose reactors do not answer delays no other.
        self._semaphores: defaultdict[str, Semaphore] = defaultdict(lambda: runtime.semaphore(AT_ONCE))
        self._answered = 0
        self._stopped = False
        self._guard = _thread.allocate_lock()
        """Held while the four above change: they may be several threads'."""

    async def run(self, targets: Sequence[Target | Error], one: Callable[[Target], Awaitable[R]]) -> list[R | Error]:
        """Do `one` for each target, and return for each its result or its error."""
        self._told(self._tally)
        results = await self._runtime.gather(self._walked(target, one) for target in targets)
        for uri, target, result in zip(self._uris, targets, results, strict=True):
            if isinstance(result, Error):
                result.uri = str(target.uri) if isinstance(target, Target) else result.uri or uri
        return results

    async def _walked(self, target: Target | Error, one: Callable[[Target], Awaitable[R]]) -> R | Error:
        result = target if isinstance(target, Error) else await self._in_turn(target, one)
        failed = isinstance(result, Error)
        with self._guard:
            before = self._tally
            self._told(Tally(before.total, before.done + (not failed), before.failed + failed))
        return result

    async def _in_turn(self, target: Target, one: Callable[[Target], Awaitable[R]]) -> R | Error:
        semaphore = self._semaphores[target.uri.store]
        await semaphore.acquire()
        try:
            return await self._result(target, one)
        finally:
            semaphore.release()

    async def _result(self, target: Target, one: Callable[[Target], Awaitable[R]]) -> R | Error:
        if self._stopped:
            return not_tried(target, "nothing answered for the others any more")
        answered = self._answered
        try:
            result = await one(target)
        except Error as error:
            with self._guard:
                silent = isinstance(error, _SILENCE) and answered == self._answered
                self._stopped |= silent or isinstance(error, UnauthenticatedError)
                self._answered += not isinstance(error, _SILENCE)
            return let_go(error)
        with self._guard:
            self._answered += 1
        return result

    def _told(self, tally: Tally) -> None:
        self._tally = tally
        if self._tell is not None and tally.total > 1:
            self._tell(tally)
