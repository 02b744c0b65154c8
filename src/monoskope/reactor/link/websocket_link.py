"""A link over a WebSocket: each binary message is one protobuf message, and a text message ends its sender's side.

The text is `{}` for a clean end, or `{"error": ...}` as the Connect protocol has it (ADR 42).
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, Protocol, cast

import msgspec
from google.protobuf.message import DecodeError
from google.rpc import code_pb2, error_details_pb2  # type: ignore[import-untyped]

from monoskope.api.gateway.v1 import reactor_pb2
from monoskope.errors import UsageError
from monoskope.host_port import HostPort
from monoskope.http import CIPHERS
from monoskope.http.client.websocket_client import NoWebSocketError, connect
from monoskope.http.messages import EndedError
from monoskope.protocol import elements
from monoskope.protocol.login import LoginRefusal, read_login_refusal
from monoskope.reactor.link.endpoint import Endpoint, roots
from monoskope.reactor.link.link import (
    MAX_MESSAGE,
    PING_S,
    PONG_S,
    Link,
    Origin,
    SessionEndedError,
    StatusError,
    ended,
    garbled,
)

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor

PATH = "/monoskope.api.gateway.v1.ReactorService/Attach"
END = "{}"

_STATUSES = frozenset(code_pb2.Code.keys())
_AWAY = frozenset({429, 502, 503, 504})
"""HTTP statuses of a server, or of what stands before it, that cannot serve anybody now."""

_NOT_UNDERSTOOD = frozenset({1002, 1003, 1007, 1009})
"""Codes with which m8 closes a WebSocket on which it was told something that it does not take."""


class _Detail(msgspec.Struct, frozen=True):
    type: str
    value: str


class _Failure(msgspec.Struct, frozen=True):
    code: str
    details: list[_Detail] = []


class _End(msgspec.Struct, frozen=True):
    error: _Failure | None = None


@contextlib.asynccontextmanager
async def websocket_link(endpoint: Endpoint) -> AsyncIterator[Link]:
    """Connect to the endpoint's server.

    Raises:
        UsageError: its `ca_file` cannot be read or holds no certificate.
        StatusError: the server was not reached (`UNAVAILABLE`), or is no m8 with this method (`UNIMPLEMENTED`).
    """
    tls, at = trust(endpoint.ca_file), HostPort(endpoint.name.host, endpoint.name.port)
    try:
        socket = await connect(at, PATH, tls, most_message=MAX_MESSAGE, ping_s=PING_S, pong_s=PONG_S)
    except ssl.SSLCertVerificationError as error:
        raise StatusError("UNAVAILABLE", origin=Origin.CERTIFICATE, detail=error.verify_message) from None
    except OSError:
        raise StatusError("UNAVAILABLE", origin=Origin.NOTHING) from None
    except NoWebSocketError as error:
        status = "UNAVAILABLE" if error.status in _AWAY else "UNIMPLEMENTED"
        raise StatusError(status, origin=Origin.HTTP, detail=str(error.status)) from None
    try:
        yield WebSocketLink(socket)
    finally:
        await socket.close()


def trust(ca_file: Path) -> ssl.SSLContext:
    """Return what trusts the certificates in `ca_file` alone: TLS 1.2 or newer, and the server's name is checked.

    Raises:
        UsageError: the file cannot be read or holds no certificate.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(CIPHERS)
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_verify_locations(cadata=roots(ca_file).decode("ascii"))
    except (ssl.SSLError, ValueError):
        raise UsageError(
            f"the certificate file {ca_file} holds no PEM certificate.", fix="Copy it from the server: ca.crt."
        ) from None
    return context


class Socket(Protocol):
    """What a link needs of an `http.websocket_client.ClientSocket`."""

    async def receive(self) -> bytes | str:
        """Return the next message. Raises `EndedError`."""

    async def send(self, message: bytes | str) -> None:
        """Send a message. Raises `EndedError`."""

    @property
    def close_code(self) -> int:
        """With which code m8 closed the connection, 0 if it did not."""

    @property
    def is_silent(self) -> bool:
        """Whether the connection ended because m8 answered no ping."""


class WebSocketLink:
    """A link on a WebSocket."""

    def __init__(self, socket: Socket) -> None:
        self._socket = socket

    async def read(self) -> reactor_pb2.AttachResponse:
        """As `Link.read`."""
        try:
            message = await self._socket.receive()
        except EndedError:
            raise self._ended() from None
        if isinstance(message, str):
            _end_with(message)
        try:
            elements.check(cast("Descriptor", reactor_pb2.AttachResponse.DESCRIPTOR), message)
            return reactor_pb2.AttachResponse.FromString(message)
        except (UsageError, DecodeError):
            raise garbled() from None

    async def write(self, message: reactor_pb2.AttachRequest) -> None:
        """As `Link.write`."""
        await self._send(message.SerializeToString())

    async def end(self) -> None:
        """As `Link.end`."""
        await self._send(END)

    async def _send(self, message: bytes | str) -> None:
        try:
            await self._socket.send(message)
        except EndedError:
            raise self._ended() from None

    def _ended(self) -> SessionEndedError:
        if self._socket.close_code in _NOT_UNDERSTOOD:
            return StatusError("INVALID_ARGUMENT")
        if self._socket.is_silent:
            return SessionEndedError("m8 answers no more.", fix="Check that it runs.")
        return ended() if self._socket.close_code else SessionEndedError("the connection to m8 broke.")


def _end_with(text: str) -> NoReturn:
    """Raise what m8 said with the text that ends its side."""
    try:
        end = msgspec.json.decode(text, type=_End)
    except (msgspec.DecodeError, RecursionError):
        raise garbled() from None
    if end.error is None:
        raise ended()
    status = end.error.code.upper()
    if status == "CANCELED":
        status = "CANCELLED"  # the same word, as Connect spells it
    raise StatusError(status if status in _STATUSES else "UNKNOWN", _refusal_in(end.error.details))


def _refusal_in(details: list[_Detail]) -> LoginRefusal | None:
    """Return why m8 refuses a login, from the details of its error; None if it does not say it."""
    for detail in details:
        if detail.type == error_details_pb2.ErrorInfo.DESCRIPTOR.full_name:
            try:
                # Connect leaves out the padding, and takes it.
                content = base64.b64decode(detail.value.rstrip("=") + "=" * (-len(detail.value.rstrip("=")) % 4))
                return read_login_refusal(error_details_pb2.ErrorInfo.FromString(content).metadata)
            except (binascii.Error, DecodeError, ValueError):
                return None
    return None
