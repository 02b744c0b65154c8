"""What a hostile m8 does with the calls of its clients. See `tests.support.hostile_m8`."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

from google.protobuf.message import Message

from monoskope.api.gateway.v1 import commands_pb2, views_pb2
from monoskope.api.secrets.v1 import upload_pb2
from monoskope.errors import Error
from tests.support import http_calls
from tests.support.hostile_rules import DEADLINE_S, Answer, Rule, Rules, as_bytes, unsigned_end
from tests.support.http_calls import CallError
from tests.support.passing import Call, Which

Change = Callable[[Call, bytes], Message | bytes | None]


Failure = Error | CallError
"""How a call fails: as m8 refuses, or with any error at all."""

BROKEN = CallError("unavailable", "broken")
"""What a client takes for a broken connection."""


@dataclass(frozen=True)
class _Forwarded(http_calls.Call):
    """A call whose messages stay bytes."""

    content: bytes = b""

    def written(self) -> bytes:
        return self.content

    def read(self, body: bytes) -> Any:
        return body


class CallRules:
    """The part of `HostileM8` that clients speak to."""

    def __init__(self) -> None:
        self.calls: Rules[Call] = Rules()
        self.seen: list[bytes] = []
        self.upstream = ""
        self.tls: ssl.SSLContext | None = None

    # --- what it can be told ---

    def on_call(
        self,
        name: str,
        act: Callable[[Call, Rule[Call]], Any],
        *,
        times: int | None = 1,
        **which: Any,
    ) -> Rule[Call]:
        """Answer a call with the bytes that `act` returns when it is awaited; `forward` asks the real m8."""
        return self.calls.add(Which(name, **which), act, times=times)

    def answer(self, name: str, answer: Answer, **more: Any) -> Rule[Call]:
        """Answer in m8's place; m8 never hears of the call."""

        async def act(call: Call, _: Rule[Call]) -> bytes:
            return as_bytes(answer, call)

        return self.on_call(name, act, **more)

    def refuse(self, name: str, failure: Failure, **more: Any) -> Rule[Call]:
        """Refuse in m8's place."""

        async def act(_: Call, __: Rule[Call]) -> bytes:
            raise failure

        return self.on_call(name, act, **more)

    def hold(self, name: str, **more: Any) -> Rule[Call]:
        """Keep a call from m8, and its caller waiting, until the rule is released."""

        async def act(call: Call, rule: Rule[Call]) -> bytes:
            await rule.released()
            return await self.forward(call)

        return self.on_call(name, act, **more)

    def change(self, name: str, change: Change, **more: Any) -> Rule[Call]:
        """Change what m8 answers: each message of a stream, where None leaves one out."""

        async def act(call: Call, _: Rule[Call]) -> bytes:
            changed = change(call, await self.forward(call))
            assert changed is not None, "a call has an answer"
            return changed if isinstance(changed, bytes) else changed.SerializeToString(deterministic=True)

        rule = self.on_call(name, act, **more)
        rule.change = change
        return rule

    def lose_answer(self, name: str, **more: Any) -> Rule[Call]:
        """Let m8 act, and break the connection in place of its answer."""

        async def act(call: Call, _: Rule[Call]) -> bytes:
            await self.forward(call)
            raise BROKEN

        return self.on_call(name, act, **more)

    def withhold(self, *, reason: upload_pb2.Reason = upload_pb2.REASON_KEY_LOST, **which: Any) -> Ghost:
        """Keep the next sealed secret, and say from then on that its request has ended for `reason`, unsigned.

        Args:
            reason: What is said.
            which: As for `Which`: `of`, `purpose`, `when`.
        """
        return self._lie(reason, which, at_once=False)

    def belie(self, *, reason: upload_pb2.Reason = upload_pb2.REASON_KEY_LOST, **which: Any) -> Ghost:
        """Give the next sealed secret to the real m8, but say at once, and from then on, that its request has ended."""
        return self._lie(reason, which, at_once=True)

    def _lie(self, reason: upload_pb2.Reason, which: dict[str, Any], *, at_once: bool) -> Ghost:
        lie = unsigned_end(reason)

        async def act(call: Call, _: Rule[Call]) -> bytes:
            if at_once:
                ghost.deliver_soon(call)
            return as_bytes(lie, call)

        ghost = Ghost(self, self.on_call("RequestUploadSecret", act, **which))
        for name in ("RequestUploadSecret", "GetSecretUpload"):
            self.answer(name, lie, times=None, when=ghost.is_about)
        return ghost

    # --- what it does ---

    def _to_real(self, call: Call, time_s: float | None = None) -> _Forwarded:
        message, time_s = call.method.request(), time_s or call.time_s
        return _Forwarded(self.upstream, message, call.headers, time_s, "proto", self.tls, call.content)

    async def forward(self, call: Call, *, time_s: float | None = None) -> bytes:
        """Ask the real m8, and return its answer. Raises `CallError`."""
        answer: bytes = await self._to_real(call, time_s).answer()
        return answer

    async def answered(self, call: Call) -> bytes:
        """Answer a call: as the real m8 does, or as a rule says. Raises `Error` or `CallError`."""
        rule = self.calls.find(call)
        answer = await self.forward(call) if rule is None else await rule.act(call, rule)
        self.seen.append(answer)
        return bytes(answer)

    async def streamed(self, call: Call) -> AsyncIterator[bytes]:
        """Answer a call whose answer is a stream."""
        rule = self.calls.find(call)
        change: Change | None = None if rule is None else rule.change
        stream = self._to_real(call).stream()
        try:
            async for answer in stream:
                self.seen.append(answer)
                changed = answer if change is None else change(call, answer)
                if changed is not None:
                    yield changed if isinstance(changed, bytes) else changed.SerializeToString(deterministic=True)
        finally:
            stream.cancel()


@dataclass(eq=False)
class Ghost:
    """A sealed secret whose client was told that it is lost."""

    m8: CallRules
    rule: Rule[Call]
    _delivered: asyncio.Task[bytes] | None = None

    def is_about(self, call: Any) -> bool:
        """Whether a call asks for that request."""
        return any(call.request_id == taken.request_id for taken in self.rule.taken)

    @property
    def request_id(self) -> bytes:
        """The request's id."""
        return self.rule.taken[0].request_id

    def deliver_soon(self, call: Call) -> None:
        """Begin to give it to the real m8, in its user's name."""
        self._delivered = asyncio.ensure_future(self.m8.forward(call, time_s=DEADLINE_S))

    async def deliver(self) -> views_pb2.SecretUpload:
        """Give it to the real m8 after all, if that was not done, and return how the request ended."""
        call = await self.rule.arrived()
        if self._delivered is None:
            self.deliver_soon(call)
        assert self._delivered is not None, "it was begun"
        async with asyncio.timeout(DEADLINE_S):
            return commands_pb2.RequestUploadSecretResponse.FromString(await self._delivered).upload
