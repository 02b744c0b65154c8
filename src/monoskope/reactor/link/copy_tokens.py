"""Tokens for copies: each is asked for once, on the session with m8. Without a session there are none."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable

from monoskope.api.gateway.v1 import reactor_pb2
from monoskope.api.secrets.v1 import upload_pb2
from monoskope.reactor.reasons import FailedError

Send = Callable[[reactor_pb2.AttachRequest], None]

MAX_TOKEN_LENGTH = 8_192
"""Characters of a token at most."""
_JWT = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+", re.ASCII)


class CopyTokens:
    """Numbers the requests for tokens and matches the answers."""

    def __init__(self) -> None:
        # Reasons, never exceptions: an exception would keep the frame in which it is raised, and the value in it.
        self._asked: dict[int, asyncio.Future[str | upload_pb2.Reason]] = {}
        self._last_call = 0
        self._send: Send | None = None

    async def ask(self, request_id: bytes, *, within: float) -> str:
        """Return m8's token for a COPY that this process started.

        Raises:
            FailedError: UPSTREAM_REFUSED, m8 refuses, or what it gives cannot be a token; UPSTREAM_UNAVAILABLE, it does
                not answer `within` seconds.
        """
        if self._send is None:
            raise FailedError(upload_pb2.REASON_UPSTREAM_UNAVAILABLE)
        self._last_call += 1
        call = self._last_call
        answer: asyncio.Future[str | upload_pb2.Reason] = asyncio.get_running_loop().create_future()
        self._asked[call] = answer
        self._send(
            reactor_pb2.AttachRequest(authorize_copy=reactor_pb2.AuthorizeCopy(call=call, request_id=request_id))
        )
        await asyncio.wait({answer}, timeout=within)
        del self._asked[call]
        said = answer.result() if answer.done() else upload_pb2.REASON_UPSTREAM_UNAVAILABLE
        if isinstance(said, int):
            raise FailedError(said)
        return said

    def connected(self, send: Send) -> None:
        """Use `send` from now on."""
        self._send = send

    def disconnected(self) -> None:
        """End the requests without an answer: a token that was on its way is lost, and m8 gives it only once."""
        self._send = None
        for answer in self._asked.values():
            if not answer.done():
                answer.set_result(upload_pb2.REASON_UPSTREAM_UNAVAILABLE)

    def answered(self, answer: reactor_pb2.CopyAuthorized) -> None:
        """Take in m8's answer; unknown calls are ignored."""
        asked = self._asked.get(answer.call)
        if asked is None or asked.done():
            return
        if answer.error or len(answer.token) > MAX_TOKEN_LENGTH or _JWT.fullmatch(answer.token) is None:
            asked.set_result(upload_pb2.REASON_UPSTREAM_REFUSED)
        else:
            asked.set_result(answer.token)
