"""The listener: HTTP/1.1, one GET a connection, a few fixed paths, and bounds for everything.

Of a request it reads the first line and the header `Host`. Why it is not a library:
docs/adr/0036-metrics-and-traces.md.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import os
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

from monoskope import operating_log
from monoskope.errors import UnavailableError, UsageError
from monoskope.host_port import HostPort
from monoskope.operations.address import Address
from monoskope.operations.answers import Answer, Handlers
from monoskope.settings import write_private

MAX_REQUEST = 8_192
"""Bytes of a request at most."""

REQUEST_S = 5.0
"""Within so many seconds the whole request must have come, and later the answer must have been read."""

ANSWER_S = 10.0
"""Within so many seconds the answer must be known; else it is 503."""

OPERATIONS_FILE = "operations-address"
"""The file, in the folder of m8 or of the reactor, that says where the listener answers."""

CONNECTIONS = 16
"""How many there may be at once; others are closed."""

EVERY_S = 0.02
"""Seconds between two answers at least: whoever asks without end must not keep the event loop from users' calls."""

_END = b"\r\n\r\n"
_LINE = re.compile(rb"([A-Z]{1,16}) (/[!-~]{0,255}) HTTP/1\.[01]\r\n")
_REASONS = {200: "OK", 400: "Bad Request", 404: "Not Found", 405: "Method Not Allowed", 500: "Internal Server Error"}
_REASONS |= {421: "Misdirected Request", 503: "Service Unavailable"}
_HOST = re.compile(rb"\r\nhost:[ \t]*(\S*)[ \t]*(?=\r\n)", re.IGNORECASE)


@contextlib.asynccontextmanager
async def listening(address: Address | None, handlers: Handlers) -> AsyncIterator[str]:
    """Answer on `address` as long as the block runs; yields where, with the bound port, "" for None.

    Raises:
        UnavailableError: the address is taken, or cannot be listened on.
    """
    if address is None:
        yield ""
        return
    server = await _bound(address, _Connections(handlers))
    try:
        async with server:
            if isinstance(address, HostPort):
                yield str(address.at(server.sockets[0].getsockname()[1]))
            else:
                yield f"unix:{address}"
    finally:
        if isinstance(address, Path):
            address.unlink(missing_ok=True)


@contextlib.contextmanager
def announced_in(file: Path, address: str) -> Iterator[None]:
    """Keep `address` in `file` as long as the block runs; "" keeps no file. A full disk does not end the block."""
    if not address:
        yield
        return
    try:
        write_private(file, f"{address}\n".encode(), replace=True)
    except UsageError as error:
        operating_log.get().warning("the address file is not written", message=error.message)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            # Not if another process of the same folder has replaced it.
            if file.read_text(encoding="utf-8").strip() == address:
                file.unlink()


async def _bound(address: Address, connections: _Connections) -> asyncio.Server:
    try:
        if isinstance(address, HostPort):
            return await asyncio.start_server(connections.serve, address.host, address.port, limit=MAX_REQUEST)
        mask = os.umask(0o177)  # the socket is its owner's alone from the beginning
        try:
            return await asyncio.start_unix_server(connections.serve, address, limit=MAX_REQUEST)
        finally:
            os.umask(mask)
    except OSError as error:
        raise UnavailableError(
            f"operations_listen: it is not possible to listen on {address}: {error.strerror}.",
            fix="Stop what listens there, or change operations_listen.",
        ) from None


class _Connections:
    """Answers connections, a few at once."""

    def __init__(self, handlers: Handlers) -> None:
        self._handlers = handlers
        self._open = 0
        self._next = 0.0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._open >= CONNECTIONS:
            writer.close()
            return
        self._open += 1
        try:
            answer = await self._answer(reader)
            if answer is not None:
                async with asyncio.timeout(REQUEST_S):
                    writer.write(_serialised(answer))
                    await writer.drain()
        except (OSError, TimeoutError):
            pass  # whoever asked is gone, or does not read
        finally:
            await _ended(writer)
            self._open -= 1

    async def _answer(self, reader: asyncio.StreamReader) -> Answer | None:
        """Return the answer to the request that comes, None if none comes."""
        try:
            async with asyncio.timeout(REQUEST_S):
                request = await reader.readuntil(_END)
        except (asyncio.IncompleteReadError, TimeoutError):
            return None
        except asyncio.LimitOverrunError:
            request = b""
        await self._turn()
        return await self._answered(request)

    async def _turn(self) -> None:
        now = asyncio.get_running_loop().time()
        turn = max(now, self._next)
        self._next = turn + EVERY_S
        if turn > now:
            await asyncio.sleep(turn - now)

    async def _answered(self, request: bytes) -> Answer:
        line = _LINE.match(request)
        if line is None or not all(map(_is_address, _HOST.findall(request))):
            return _said(400 if line is None else 421)
        handler = self._handlers.get(line[2].partition(b"?")[0].decode("ascii"))
        if handler is None:
            return _said(404)
        if line[1] != b"GET":
            return _said(405)
        try:
            async with asyncio.timeout(ANSWER_S):
                return await handler()
        except TimeoutError:
            return _said(503)
        except Exception as error:  # noqa: BLE001 - a defect is told by its type and place, and ends nothing else
            operating_log.error("defect", error)
            return _said(500)


async def _ended(writer: asyncio.StreamWriter) -> None:
    """Close a connection, and drop what its other side does not read: else it would stay in memory for ever."""
    writer.close()
    try:
        async with asyncio.timeout(REQUEST_S):
            await writer.wait_closed()
    except (OSError, TimeoutError):
        pass
    finally:
        writer.transport.abort()


def _is_address(host: bytes) -> bool:
    """Whether `Host` is an address or `localhost`.

    A web page can give a name of its own the address of this machine, and have a browser here ask under that name.
    """
    name = host.decode("ascii", "replace").lower()
    name = name[1:].partition("]")[0] if name.startswith("[") else name.partition(":")[0]
    try:
        return name == "localhost" or ipaddress.ip_address(name) is not None
    except ValueError:
        return False


def _said(status: int) -> Answer:
    return Answer(status, "text/plain; charset=utf-8", f"{status} {_REASONS[status]}\n".encode())


def _serialised(answer: Answer) -> bytes:
    head = (
        f"HTTP/1.1 {answer.status} {_REASONS[answer.status]}\r\n"
        f"Content-Type: {answer.content_type}\r\n"
        f"Content-Length: {len(answer.body)}\r\n"
        "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n"
    )
    return head.encode("ascii") + answer.body
