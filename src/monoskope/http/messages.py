"""What a server of this package and its application say to each other about one request."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from monoskope.value import Unshared


@dataclass(frozen=True, slots=True)
class Head(Unshared):
    """The head of a request (RFC 9112, 3 and 5), whose framing the server has checked.

    Attributes:
        method: As it was sent, for example `POST`.
        path: The path of the target, without the query. It begins with `/`.
        query: What follows the `?`, "" for nothing.
        headers: Each name in lower case, and each value without the space around it, in the order in which they came.
        peer: Who sent it, as `host_port.peer_name` names it.
    """

    method: str
    path: str
    query: str
    headers: tuple[tuple[str, str], ...]
    peer: str

    def header(self, name: str) -> str:
        """Return the value of `name`; "" if there is none, or more than one, since those may contradict each other."""
        values = [value for known, value in self.headers if known == name]
        return values[0] if len(values) == 1 else ""

    @property
    def length(self) -> int:
        """Bytes of the body, as `Content-Length` says, which the server has checked."""
        return int(self.header("content-length") or "0")

    @property
    def media_type(self) -> str:
        """The type of the body, in lower case; "" for one with another parameter than UTF-8."""
        media, _, parameter = self.header("content-type").partition(";")
        is_utf8 = parameter.strip(" \t").lower() in {"", "charset=utf-8", 'charset="utf-8"'}
        return media.strip(" \t").lower() if is_utf8 else ""

    def __repr__(self) -> str:
        # A header may hold a token.
        return f"<Head {self.method} {self.path}>"


@dataclass(frozen=True, slots=True)
class Response:
    """An answer whose body is known. The server adds what frames it.

    Attributes:
        status: As HTTP has it.
        headers: Names and values.
        body: All of it.
    """

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""


Send: TypeAlias = Callable[[bytes], Awaitable[None]]
"""Sends a piece of a body; returns when the peer has read most of what was sent."""


@dataclass(frozen=True, slots=True)
class Streamed:
    """An answer whose body comes piece by piece.

    Attributes:
        status: As HTTP has it.
        headers: Names and values.
        write: Sends the whole body. It is cancelled when the peer is gone or the server stops.
    """

    status: int
    headers: tuple[tuple[str, str], ...]
    write: Callable[[Send], Awaitable[None]]


Body: TypeAlias = Callable[[], Awaitable[bytes]]
"""Reads the body of a request: returns it once all of it is here. To be called once at most."""


class Accepted(Protocol):
    """A request whose body may be read.

    Attributes:
        most_body: How many bytes the body may have. A larger one is refused before it is read.
    """

    most_body: int

    async def answer(self, body: Body) -> Response | Streamed:
        """Return the answer. Nothing of the body is read, and so nothing of it is held, before `body` is called."""


class WebSocket(Protocol):
    """An open WebSocket (RFC 6455), at the server's side.

    Attributes:
        most_message: How many bytes the next message may have; a larger one closes the connection.
    """

    most_message: int

    async def receive(self) -> bytes | str:
        """Return the next message: bytes of a binary one, text of a text one. Raises `EndedError` at the end."""

    async def send(self, message: bytes | str) -> None:
        """Send a message; waits while the peer does not read. Raises `EndedError` if the connection has ended."""

    async def close(self, code: int = 1000) -> None:
        """Close the connection with a code of RFC 6455, 7.4.1."""


class Upgrade(Protocol):
    """A request that becomes a WebSocket.

    Attributes:
        most_message: How many bytes the first message may have.
    """

    most_message: int

    async def serve(self, socket: WebSocket) -> None:
        """Serve it until it ends. The server closes it afterwards."""


class EndedError(Exception):
    """The connection has ended: the peer closed it, it broke, or the server stops."""


Decision: TypeAlias = Accepted | Upgrade | Response
"""What becomes of a request: its body may be read, it becomes a WebSocket, or it is answered without its body."""


class Application(Protocol):
    """What a server serves."""

    async def accept(self, head: Head) -> Decision:
        """Decide about a request by its head alone, before any of its body is read."""
