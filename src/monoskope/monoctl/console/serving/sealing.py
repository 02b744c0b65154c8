"""What every call of a session has in common: its body is sealed, and its answer is proven."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TypeVar

from monoskope.http.messages import Accepted, Body, Response, Streamed
from monoskope.monoctl.console.serving.sealed import OVERHEAD, PROOF_HEADER, Channel, NotThePageError

Prove = Callable[[int, bytes], str]
"""Makes the proof of an answer with this status and body."""

R = TypeVar("R", Response, Response | Streamed)


class SealedCall:
    """A call of which `inner` sees the opened body (`http.messages.Accepted`).

    Args:
        inner: What answers it.
        operation: Its name.
        channel: The session's.
        prove: Makes the proof of its answer.
        refused: Makes the answer to a body that the session's page did not seal.
    """

    def __init__(
        self,
        inner: Accepted,
        operation: str,
        channel: Channel,
        prove: Prove,
        refused: Callable[[NotThePageError], Response],
    ) -> None:
        self.most_body = inner.most_body + OVERHEAD
        self._inner = inner
        self._operation = operation
        self._channel = channel
        self._prove = prove
        self._refused = refused

    async def answer(self, body: Body) -> Response | Streamed:
        """Open the body, answer, and hold nothing of it meanwhile."""

        async def opened() -> bytes:
            return self._channel.open(self._operation, await body())

        try:
            return proven(await self._inner.answer(opened), self._prove)
        except NotThePageError as error:
            return proven(self._refused(error), self._prove)


def proven(answer: R, prove: Prove) -> R:
    """Return an answer with its proof. That of a stream is over its head: the connection is then ours."""
    body: bytes = getattr(answer, "body", b"")
    return dataclasses.replace(answer, headers=(*answer.headers, (PROOF_HEADER, prove(answer.status, body))))
