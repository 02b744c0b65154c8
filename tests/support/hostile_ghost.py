"""A sealed secret that a hostile m8 keeps back, or belies, and gives to the real m8 after all."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from monoskope.api.gateway.v1 import commands_pb2, views_pb2
from tests.support.hostile_rules import DEADLINE_S, Call, Rule

if TYPE_CHECKING:
    from tests.support.hostile_m8 import HostileM8


@dataclass(eq=False)
class Ghost:
    """A sealed secret whose client was told that it is lost."""

    m8: HostileM8
    rule: Rule[Call]
    _delivered: asyncio.Task[bytes] | None = None

    def is_about(self, call: Any) -> bool:
        """Whether a call asks for that request."""
        return any(call.request_id == taken.request_id for taken in self.rule.taken)

    @property
    def request_id(self) -> bytes:
        return self.rule.taken[0].request_id

    def deliver_soon(self, call: Call) -> None:
        """Begin to give it to the real m8, in its user's name."""
        token = tuple(pair for pair in call.headers if pair[0] == "authorization")
        self._delivered = asyncio.ensure_future(self.m8.forward(Call(call.path, call.content, token)))

    async def deliver(self) -> views_pb2.SecretUpload:
        """Give it to the real m8 after all, if that was not done, and return how the request ended."""
        call = await self.rule.arrived()
        if self._delivered is None:
            self.deliver_soon(call)
        assert self._delivered is not None, "it was begun"
        async with asyncio.timeout(DEADLINE_S):
            return commands_pb2.RequestUploadSecretResponse.FromString(await self._delivered).upload
