"""Audit lines to a syslog server: RFC 5424 messages, counted in octets, over TLS (RFC 5425).

Syslog has no answer, and what was written to a connection may never be read. So each batch has a connection of its own,
which both sides end by TLS. Three things together say that the server's program has read everything: its
`close_notify`, which cannot be forged on the way; that its system has acknowledged all that we sent, so it did not end
the connection before that came; and the end of its stream without a reset, so it left nothing unread.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import functools
import socket
import ssl
import sys
import termios
from collections.abc import Callable, Mapping
from typing import TypeVar

from monoskope.errors import Error, docs_page
from monoskope.m8.audit.lines import Batch, DeliveryError, Line
from monoskope.m8.sink_settings import SyslogTarget
from monoskope.times import rfc3339

T = TypeVar("T")

TIMEOUT_S = 30.0
"""Seconds that a batch may take in all."""

PRIORITY = 13 * 8 + 6
"""Facility 13, log audit; severity 6, informational (RFC 5424, 6.2.1)."""

_PIECE = 65_536
_LOOK_S = 0.005

_FIX_TLS = "Set ca_file to the authority that signed its certificate, and address to a name that is in it."
_FIX_AWAY = "Check that it runs and can be reached. m8 tries again, and loses no event."
_FIX_CLOSE = (
    "Let it answer the end of a TLS connection: in rsyslog, use the driver ossl, not gtls;"
    f" {docs_page('operate/audit.md')}. m8 tries again, and loses no event."
)


class SyslogSink:
    """Sends each batch over a connection of its own.

    Args:
        target: Where to, and whom to trust.
        host: The name of this machine, for the header.
    """

    def __init__(self, target: SyslogTarget, *, host: str) -> None:
        self._target = target
        self._host = _header_word(host)
        self._context: ssl.SSLContext | None = None

    async def deliver(self, batch: Batch) -> None:
        """See `Sink`."""
        frames = b"".join(framed(message(line, host=self._host)) for line in batch.lines)
        failure: DeliveryError
        try:
            async with asyncio.timeout(TIMEOUT_S):
                if self._context is None:
                    self._context = await asyncio.to_thread(self._target.tls.context)
                await self._send(self._context, frames)
                return
        except TimeoutError:
            failure = self._failure("does not take lines in time", _FIX_AWAY)
        except ssl.SSLError as error:
            if isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError):
                failure = self._failure("does not say that it has read all lines", _FIX_CLOSE)
            else:
                failure = self._failure("is not trusted, or refuses m8", _FIX_TLS)
        except OSError as error:
            failure = self._failure(f"cannot be reached ({type(error).__name__})", _FIX_AWAY)
        except Error as error:
            failure = DeliveryError(error.message, fix=error.fix)
        self._context = None  # the files are read again: they may have been renewed
        raise failure

    async def close(self) -> None:
        """See `Sink`."""

    def _failure(self, what: str, fix: str) -> DeliveryError:
        return DeliveryError(f"the syslog server {self._target.server} {what}.", fix=fix)

    async def _send(self, context: ssl.SSLContext, frames: bytes) -> None:
        server = self._target.server
        reader, writer = await asyncio.open_connection(server.host, server.port, limit=_PIECE)
        try:
            channel = _Channel(context, server.host, reader, writer)
            await channel.handshake()
            await channel.send(frames)
            await channel.close()
        finally:
            writer.transport.abort()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


class _Channel:
    """TLS over a plain connection, with control over how it ends, which asyncio's own TLS does not give."""

    def __init__(
        self, context: ssl.SSLContext, host: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=host)
        self._reader, self._writer = reader, writer

    async def handshake(self) -> None:
        await self._drive(self._tls.do_handshake)

    async def send(self, content: bytes) -> None:
        for begin in range(0, len(content), _PIECE):
            piece = content[begin : begin + _PIECE]
            sent = 0
            while sent < len(piece):
                sent += await self._drive(functools.partial(self._tls.write, piece[sent:]))

    async def close(self) -> None:
        """Return when the server has read everything. Raises `OSError`, or its `ssl.SSLError`, unless it says so."""
        with contextlib.suppress(ssl.SSLWantReadError):
            self._tls.unwrap()  # sends our close_notify; the server's is read below
        await self._drive(self._tls.unwrap)
        self._writer.write_eof()
        while await self._reader.read(_PIECE):  # a reset here says that it left something unread
            pass
        await _acknowledged(self._writer.get_extra_info("socket"))

    async def _drive(self, step: Callable[[], T]) -> T:
        """Do a step of TLS, with the network in between as it asks for."""
        while True:
            try:
                done = step()
            except ssl.SSLWantReadError:
                await self._flush()
                if not (received := await self._reader.read(_PIECE)):
                    # Not told to OpenSSL: by an option that some Pythons set it takes this for the end of TLS.
                    raise ssl.SSLEOFError from None
                self._incoming.write(received)
            else:
                await self._flush()
                return done

    async def _flush(self) -> None:
        self._writer.write(self._outgoing.read())
        await self._writer.drain()


async def _acknowledged(connection: socket.socket) -> None:
    """Return when the other side's system has acknowledged every byte. Raises `ConnectionResetError` if it refused one.

    A program that had closed the connection before does not read what comes: its system answers with a reset.
    """
    while not connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
        if not _unacknowledged(connection):
            return
        await asyncio.sleep(_LOOK_S)
    raise ConnectionResetError


def _unacknowledged(connection: socket.socket) -> int:
    """Return how many bytes are not acknowledged; where the system does not tell, as on macOS, 0."""
    if sys.platform != "linux":
        return 0
    # As SIOCOUTQ, which has the same number (tcp(7)).
    return int.from_bytes(fcntl.ioctl(connection.fileno(), termios.TIOCOUTQ, bytes(4)), sys.byteorder)


def framed(content: bytes) -> bytes:
    """Return a message with its length before it (RFC 5425, 4.3)."""
    return b"%d %s" % (len(content), content)


def message(line: Line, *, host: str) -> bytes:
    """Return a line as an RFC 5424 message. `host` is a word of its header."""
    elements = {"kind": line.kind} | ({"position": str(line.position)} if line.position else {})
    header = f"<{PRIORITY}>1 {rfc3339(line.at_ms)} {host} m8 - {line.kind} {structured('m8@32473', elements)} "
    return header.encode("ascii") + line.text


def structured(name: str, elements: Mapping[str, str]) -> str:
    """Return an element of structured data, with its values escaped (RFC 5424, 6.3.3)."""
    escaped = {key: _escaped(value) for key, value in elements.items()}
    values = "".join(f' {key}="{value}"' for key, value in escaped.items())
    return f"[{name}{values}]"


def _escaped(value: str) -> str:
    for character in '\\"]':
        value = value.replace(character, f"\\{character}")
    return "".join(one if " " <= one <= "~" else "?" for one in value)


def _header_word(text: str) -> str:
    """Return a text as a word of the header: printable ASCII without spaces, `-` for nothing."""
    return "".join(one for one in text if "!" <= one <= "~")[:255] or "-"
