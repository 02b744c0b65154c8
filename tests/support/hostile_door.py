"""The door of a hostile m8: how calls and reactors come to it, and how a call fails."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from monoskope.errors import Error
from monoskope.http.messages import Body, Head, Response, Streamed, WebSocket
from monoskope.m8.http import refused
from monoskope.m8.http.requests import only_message
from monoskope.m8.methods import MAX_MESSAGE
from tests.support.hostile_rules import METHODS

if TYPE_CHECKING:
    from tests.support.hostile_m8 import HostileM8
    from tests.support.hostile_session import Session

STREAM = ("Content-Type", "application/connect+proto")

Failure = Error | str | dict[str, object]
"""How a call fails: as m8 refuses; with one of Connect's codes alone, as "unavailable" for a connection that broke; or
with any error of Connect's."""


def as_response(failure: Failure) -> Response:
    """Return the answer to a call that fails so."""
    if isinstance(failure, Error):
        return refused.response(failure)
    said = {"code": failure, "message": "broken"} if isinstance(failure, str) else failure
    return Response(refused.HTTP_STATUS[str(said["code"])], (refused.JSON,), refused.encoded(said))


@dataclass(slots=True)
class OneCall:
    """One call (`http.messages.Accepted`)."""

    m8: HostileM8
    head: Head
    most_body: int = 8 * MAX_MESSAGE

    async def answer(self, body: Body) -> Response | Streamed:
        content = await body()
        if METHODS[self.head.path].streams:
            return Streamed(200, (STREAM,), self.m8.streamed(self.m8.taken(self.head, only_message(content))))
        return await self.m8.answered(self.m8.taken(self.head, content))


@dataclass(slots=True)
class Attach:
    """A reactor's stream (`http.messages.Upgrade`)."""

    session: Session
    most_message: int = MAX_MESSAGE

    async def serve(self, socket: WebSocket) -> None:
        await self.session.serve(socket)
