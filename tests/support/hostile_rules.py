"""What a hostile m8 does with a call or a message that it was told to look out for."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from google.protobuf.message import Message

from monoskope.api.gateway.v1 import commands_pb2, queries_pb2, views_pb2
from monoskope.api.secrets.v1 import upload_pb2
from tests.support.passing import Call, Passing, Which

DEADLINE_S = 30.0
"""For everything that a test waits for."""

One = TypeVar("One", bound=Call | Passing)
Answer = Message | bytes | Callable[[Call], Message | bytes]


@dataclass(eq=False)
class Rule(Generic[One]):
    """One thing to look out for, and what is done with it.

    Attributes:
        which: What it is about.
        act: Does it.
        times: How many more it takes; None for all.
        taken: What it took, in order.
        change: With `CallRules.change`, what is done with each answer.
    """

    which: Which
    act: Callable[[One, Rule[One]], Any]
    times: int | None = 1
    taken: list[One] = field(default_factory=list)
    change: Any = None
    _news: asyncio.Event = field(default_factory=asyncio.Event)
    _released: asyncio.Event = field(default_factory=asyncio.Event)

    def take(self, one: One) -> bool:
        """Whether it is for this rule; counts it."""
        if self.times == 0 or not self.which.fits(one):
            return False
        if self.times is not None:
            self.times -= 1
        self.taken.append(one)
        self._news.set()
        return True

    async def arrived(self, count: int = 1) -> One:
        """Wait until it took `count`, and return the last of them. Raises `TimeoutError`."""
        async with asyncio.timeout(DEADLINE_S):
            while len(self.taken) < count:
                self._news.clear()
                await self._news.wait()
        return self.taken[count - 1]

    def release(self) -> None:
        """Let go what is held, and whatever this rule takes from now on."""
        self._released.set()

    async def released(self) -> None:
        """Wait until it is released: what `act` does that holds something."""
        await self._released.wait()

    def disarm(self) -> None:
        """Take nothing more; what is held stays held."""
        self.times = 0


class Rules(Generic[One]):
    """All that a hostile m8 looks out for. The first rule that takes something is the only one."""

    def __init__(self) -> None:
        self._rules: list[Rule[One]] = []

    def add(self, which: Which, act: Callable[[One, Rule[One]], Any], *, times: int | None = 1) -> Rule[One]:
        """Look out for something from now on."""
        rule = Rule(which, act, times)
        self._rules.append(rule)
        return rule

    def find(self, one: One) -> Rule[One] | None:
        """Return the rule that takes `one`, None if it passes as it is."""
        return next((rule for rule in self._rules if rule.take(one)), None)

    def clear(self) -> None:
        """Be honest again: let go what is held, and look out for nothing."""
        for rule in self._rules:
            rule.disarm()
            rule.release()
        self._rules.clear()


def as_bytes(answer: Answer, call: Call) -> bytes:
    """Return what is answered to `call`."""
    made = answer(call) if callable(answer) else answer
    return made if isinstance(made, bytes) else made.SerializeToString(deterministic=True)


def unsigned_end(reason: upload_pb2.Reason) -> Callable[[Call], Message]:
    """Say that a request has ended for `reason`, without a receipt: as an m8 does whose reactor is gone.

    Answers RequestUploadSecret, GetSecretUpload and, for a request without a key, GetSecretUploadKey.
    """

    def answer(call: Call) -> Message:
        ended = views_pb2.UPLOAD_STATE_ENDED
        if call.name == "GetSecretUploadKey":
            return queries_pb2.GetSecretUploadKeyResponse(state=ended, reason=reason)
        known = call.request or upload_pb2.UploadRequest()
        upload = views_pb2.SecretUpload(
            request_id=call.request_id, uri=known.uri, purpose=known.purpose, state=ended, reason=reason
        )
        if call.name == "GetSecretUpload":
            return queries_pb2.GetSecretUploadResponse(upload=upload)
        return commands_pb2.RequestUploadSecretResponse(upload=upload)

    return answer


async def within(what: Awaitable[Any], *, seconds: float = DEADLINE_S) -> Any:
    """Await `what`, with a deadline. Raises `TimeoutError`."""
    async with asyncio.timeout(seconds):
        return await what


def failures(errors: Iterable[BaseException]) -> None:
    """Raise what went wrong inside the proxy, if anything did."""
    found = [error for error in errors if isinstance(error, Exception)]
    if found:
        raise ExceptionGroup("the hostile m8 itself failed", found)
