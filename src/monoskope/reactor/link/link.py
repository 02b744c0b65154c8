"""The link to m8: a WebSocket on which each binary message is one protobuf message (ADR 42).

A text message ends its sender's side: `{}` for a clean end, or `{"error": ...}` as the Connect protocol has it.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, Protocol, cast

import msgspec
from google.protobuf.message import DecodeError
from google.rpc import code_pb2, error_details_pb2  # type: ignore[import-untyped]

from monoskope.api.gateway.v1 import reactor_pb2
from monoskope.errors import UnavailableError, UsageError
from monoskope.http import CIPHERS
from monoskope.http.client.websocket_client import NoWebSocketError, connect
from monoskope.http.messages import EndedError
from monoskope.protocol import elements
from monoskope.protocol.login import LoginRefusal, read_login_refusal
from monoskope.reactor.link.endpoint import Endpoint

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor

PATH = "/monoskope.api.gateway.v1.ReactorService/Attach"
END = "{}"

_STATUSES = frozenset(code_pb2.Code.keys())
"""The codes of Connect, but for one, in capital letters."""
_AWAY = frozenset({429, 502, 503, 504})
"""HTTP statuses of a server, or of what stands before it, that cannot serve now."""

_NOT_UNDERSTOOD = frozenset({1002, 1003, 1007, 1009})
"""Codes with which m8 closes a WebSocket on which it was told something that it does not take."""

MAX_MESSAGE = 1_572_864
"""Bytes of one message of m8 at most (1.5 MiB): the largest sealed secret, and a receipt and a signature with it."""

PING_S = 10.0
"""After so many seconds without a word m8 is asked whether it is there."""

PONG_S = 5.0
"""Within so many seconds it must answer; else the link has ended."""


class SessionEndedError(UnavailableError):
    """m8 ended the stream, did not answer, or did not speak the protocol."""


class Origin(Enum):
    """Whose word a status is."""

    M8 = "m8"
    """m8 said it, over its own certificate."""
    HTTP = "http"
    """An answer of HTTP that opens no session: from m8, or from a proxy before it."""
    CERTIFICATE = "certificate"
    """The certificate that was shown is not trusted."""
    NOTHING = "nothing"
    """Nothing answered."""


class StatusError(SessionEndedError):
    """m8 ended the stream with a status that is an error. The text that m8 sent with it is left out.

    Attributes:
        status: The status, as `google.rpc.Code` names it. `UNAVAILABLE` also where m8 could not be reached at all.
        refusal: Why m8 refuses the login, if it said so in words that are known here.
        origin: Whose word that is.
        detail: Of an HTTP answer its status; of a certificate what is wrong with it, as OpenSSL says it.
    """

    def __init__(
        self, status: str, refusal: LoginRefusal | None = None, *, origin: Origin = Origin.M8, detail: str = ""
    ) -> None:
        super().__init__(f"m8 ended the session with {status}.", fix="See m8's log.")
        self.status = status
        self.refusal = refusal
        self.origin = origin
        self.detail = detail


class _Detail(msgspec.Struct, frozen=True):
    type: str
    value: str


class _Failure(msgspec.Struct, frozen=True):
    code: str
    details: list[_Detail] = []


class _End(msgspec.Struct, frozen=True):
    error: _Failure | None = None


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


class Link:
    """Messages to m8 and back on a WebSocket. Several tasks may write; one reads."""

    def __init__(self, socket: Socket) -> None:
        self._socket = socket

    async def read(self) -> reactor_pb2.AttachResponse:
        """Return the next message.

        Raises:
            StatusError: m8 refuses, or was not reached.
            SessionEndedError: at the stream's end, or what m8 sent does not parse.
        """
        try:
            message = await self._socket.receive()
        except EndedError:
            raise self._reason() from None
        if isinstance(message, str):
            _end_with(message)
        try:
            elements.check(cast("Descriptor", reactor_pb2.AttachResponse.DESCRIPTOR), message)
            return reactor_pb2.AttachResponse.FromString(message)
        except (UsageError, DecodeError):
            raise _garbled() from None

    async def write(self, message: reactor_pb2.AttachRequest) -> None:
        """Send a message; waits while m8 does not read. Raises as `read` if the stream has ended."""
        await self._send(message.SerializeToString())

    async def end(self) -> None:
        """Say that nothing more will be written; m8 then ends the stream. Raises as `read` if it has ended."""
        await self._send(END)

    async def _send(self, message: bytes | str) -> None:
        try:
            await self._socket.send(message)
        except EndedError:
            raise self._reason() from None

    def _reason(self) -> SessionEndedError:
        if self._socket.close_code in _NOT_UNDERSTOOD:
            return StatusError("INVALID_ARGUMENT")
        if self._socket.is_silent:
            return SessionEndedError("m8 answers no more.", fix="Check that it runs.")
        return _ended() if self._socket.close_code else SessionEndedError("the connection to m8 broke.")


Dial = Callable[[Endpoint], AbstractAsyncContextManager[Link]]
"""Makes a link to the endpoint's server, which ends with the block."""


@contextlib.asynccontextmanager
async def dial(endpoint: Endpoint) -> AsyncIterator[Link]:
    """Connect to the endpoint's server.

    Raises:
        UsageError: its `ca_file` cannot be read or holds no certificate.
        StatusError: the server was not reached (`UNAVAILABLE`), or is no m8 with this method (`UNIMPLEMENTED`).
    """
    tls = trust(endpoint.ca_file)
    try:
        socket = await connect(endpoint.address, PATH, tls, most_message=MAX_MESSAGE, ping_s=PING_S, pong_s=PONG_S)
    except ssl.SSLCertVerificationError as error:
        raise StatusError("UNAVAILABLE", origin=Origin.CERTIFICATE, detail=error.verify_message) from None
    except OSError:
        raise StatusError("UNAVAILABLE", origin=Origin.NOTHING) from None
    except NoWebSocketError as error:
        status = "UNAVAILABLE" if error.status in _AWAY else "UNIMPLEMENTED"
        raise StatusError(status, origin=Origin.HTTP, detail=str(error.status)) from None
    try:
        yield Link(socket)
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
        context.load_verify_locations(cadata=ca_file.read_text(encoding="ascii"))
    except (ssl.SSLError, ValueError):
        raise UsageError(
            f"the certificate file {ca_file} holds no PEM certificate.", fix="Copy it from the server: ca.crt."
        ) from None
    except OSError as error:
        raise UsageError(
            f"the certificate file {ca_file} cannot be read: {error.strerror}.", fix="Correct `ca_file`."
        ) from None
    return context


def _end_with(text: str) -> NoReturn:
    """Raise what m8 said with the text that ends its side."""
    try:
        end = msgspec.json.decode(text, type=_End)
    except (msgspec.DecodeError, RecursionError):
        raise _garbled() from None
    if end.error is None:
        raise _ended()
    status = end.error.code.upper()
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


def _ended() -> SessionEndedError:
    """Return the error for a stream that m8 ended without one."""
    return SessionEndedError("m8 ended the session.")


def _garbled() -> SessionEndedError:
    """Return the error for what m8 sent and what is no message."""
    return SessionEndedError("m8 sent what does not parse.", fix="Update the reactor or m8.")
