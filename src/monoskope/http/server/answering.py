"""One request, from its head to the end of its answer: what the application decides is done here."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Protocol, TypeAlias, TypeGuard

from monoskope.http.messages import Accepted, Application, Decision, EndedError, Head, Response, Streamed, Upgrade
from monoskope.http.server import answers
from monoskope.http.server.carrier import Carrier as SocketCarrier
from monoskope.http.server.heads import Framing

if TYPE_CHECKING:
    from monoskope.http.server.websocket import ServedSocket  # needs a package that monoctl does not have

Tell: TypeAlias = Callable[[Exception], None]
"""What hears of a defect of the application."""


class Carrier(SocketCarrier, Protocol):
    """What a request needs of its connection.

    Attributes:
        is_last: The connection ends with the answer.
        is_streaming: A part of an answer was sent, and its end was not.
    """

    is_last: bool
    is_streaming: bool

    @property
    def is_answerable(self) -> bool:
        """Whether the answer is still awaited: the peer is there, and was not told anything else."""

    @property
    def is_unread(self) -> bool:
        """Whether a part of the body has not been read."""

    async def send(self, data: bytes) -> None:
        """Send `data` as fast as the peer reads."""

    async def whole_body(self, framing: Framing) -> bytes:
        """Return the body, once all of it is here."""

    def upgrade(self, most_message: int) -> ServedSocket:
        """Return the WebSocket that has what comes from now on."""

    def next(self) -> None:
        """Read the next request, or end: the answer is sent."""


# Arguments live as long as their call, and hold tokens: so they are passed on, and dropped before anything that lasts.


async def serve(carrier: Carrier, application: Application, tell: Tell, head: Head, framing: Framing) -> None:
    """Let the application decide about a request, and do that. A defect ends the connection, and nothing else."""
    try:
        decision = await application.accept(head)
        if _is_upgrade(decision):
            from monoskope.http.server.websocket import agreed  # noqa: PLC0415 - as above

            key = agreed(head) if not framing.length and not carrier.is_last else answers.refusal(400)
            del head
            if not isinstance(key, Response):
                await _serve_socket(carrier, decision, key, tell)
                return
            carrier.is_last, decision = True, key
        else:
            del head
        answer = await _answer(carrier, decision, framing)
        del decision
        await _send(carrier, answer, framing)
    except Exception as error:  # noqa: BLE001 - a defect of one request ends nothing else
        tell(error)
        _fail(carrier)
    carrier.next()


async def _answer(carrier: Carrier, decision: Decision, framing: Framing) -> Response | Streamed:
    if isinstance(decision, Response):
        return decision
    if not _is_accepted(decision):
        raise TypeError("a decision is a Response, an Accepted or an Upgrade")
    if framing.length > decision.most_body:
        return answers.refusal(413)
    return await decision.answer(functools.partial(carrier.whole_body, framing))


async def _send(carrier: Carrier, answer: Response | Streamed, framing: Framing) -> None:
    carrier.is_last |= carrier.is_unread
    if isinstance(answer, Response):
        if carrier.is_answerable:
            await carrier.send(answers.serialised(answer, is_last=carrier.is_last, is_head=framing.is_head))
        return
    try:
        await _stream(carrier, answer, framing)
    finally:
        await _close(answer.pieces)


async def _stream(carrier: Carrier, answer: Streamed, framing: Framing) -> None:
    carrier.is_last |= framing.is_old
    kind = b"" if framing.is_old else b"Transfer-Encoding: chunked\r\n"
    begin = answers.head(answer.status, answer.headers, kind, is_last=carrier.is_last)
    carrier.is_streaming = True
    carrier.transport.write(begin)
    if not framing.is_head:
        async for piece in answer.pieces:
            if piece:
                await carrier.send(piece if framing.is_old else answers.chunk(piece))
        if not framing.is_old:
            await carrier.send(answers.LAST_CHUNK)
    carrier.is_streaming = False


def _fail(carrier: Carrier) -> None:
    """Say that there is a defect. If a part of the answer is sent already, only its missing end can say it."""
    carrier.is_last = True
    if not carrier.is_streaming and carrier.is_answerable:
        carrier.transport.write(answers.serialised(answers.refusal(500), is_last=True))


async def _serve_socket(carrier: Carrier, upgrade: Upgrade, key: str, tell: Tell) -> None:
    served = carrier.upgrade(upgrade.most_message)
    served.open(key)
    try:
        await upgrade.serve(served)
    except EndedError:
        pass
    except Exception as error:  # noqa: BLE001 - as for every request
        tell(error)
        served.finish(1011)
    served.finish(1000)


async def _close(pieces: AsyncIterator[bytes]) -> None:
    close = getattr(pieces, "aclose", None)
    if close is not None:
        await close()


def _is_upgrade(decision: Decision) -> TypeGuard[Upgrade]:
    return hasattr(decision, "serve")


def _is_accepted(decision: Decision) -> TypeGuard[Accepted]:
    return hasattr(decision, "most_body")
