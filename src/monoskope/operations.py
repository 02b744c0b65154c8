"""The listener of operations, of m8 and of reactors: `/healthz`, `/readyz` and `/metrics`, on this machine alone.

HTTP/1.1 by the server of `monoskope.http`, one GET a connection, a few fixed paths. Why it is a listener of its own:
docs/adr/0036-metrics-and-traces.md.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from monoskope import operating_log
from monoskope.errors import UnavailableError, UsageError
from monoskope.host_port import HostPort
from monoskope.http.client.destination import ExchangeError
from monoskope.http.client.exchange import ResponseReader, request_head
from monoskope.http.messages import Head, Response
from monoskope.http.server.exchange import refusal
from monoskope.http.server.limits import Limits
from monoskope.http.server.server import Server, bind
from monoskope.settings import write_private

UNIX = "unix:"
"""How the path of a Unix socket begins."""

_MOST_PATH = 100
"""Bytes of a socket's path at most: systems allow little more."""

_FIX = 'Write for example 127.0.0.1:7444, [::1]:7444 or unix:operations.sock; "" switches the listener off.'

Address: TypeAlias = HostPort | Path


def parse(text: str, *, folder: Path) -> Address | None:
    """Return where to listen, None for "". The path of a Unix socket is relative to `folder`.

    What the listener says needs no credential, so no other machine may ask it.

    Raises:
        UsageError: it is neither `address:port` with a loopback address nor `unix:path`.
    """
    if not text:
        return None
    if text.startswith(UNIX):
        path = folder / text.removeprefix(UNIX)
        if path == folder or "\0" in text or len(bytes(path)) > _MOST_PATH:
            raise UsageError(f"{text!r} is no path of a Unix socket of at most {_MOST_PATH} bytes.", fix=_FIX)
        return path
    try:
        found = HostPort.parse(text)
        is_loopback = ipaddress.ip_address(found.host).is_loopback
    except (UsageError, ValueError):
        raise UsageError(f"{text!r} is neither address:port nor unix:path.", fix=_FIX) from None
    if not is_loopback:
        raise UsageError(f"{text!r} is not a loopback address.", fix=_FIX)
    return found


def setting(text: str, file: Path) -> Address | None:
    """Return what `operations_listen` of the settings in `file` says. Raises `UsageError` that names both."""
    try:
        return parse(text, folder=file.parent)
    except UsageError as error:
        raise UsageError(f"{file}: operations_listen: {error.message}", fix=error.fix) from None


METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"
"""The content type of Prometheus' text format."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer.

    Attributes:
        status: As HTTP has it: 200, 500, 503.
        content_type: Of the body.
        body: All of it.
    """

    status: int
    content_type: str
    body: bytes


Handler: TypeAlias = Callable[[], Awaitable[Answer]]

Handlers: TypeAlias = Mapping[str, Handler]
"""A path to what answers it."""


def alive() -> Answer:
    """Return the answer of `/healthz`: the event loop runs, since it made this answer."""
    return Answer(200, "application/json", b'{"alive": true}\n')


def readiness(checks: Mapping[str, str], notes: Mapping[str, str] | None = None) -> Answer:
    """Return the answer of `/readyz`: 200 if every check is `ok`, else 503.

    Args:
        checks: The name of each check, and `ok` or a few fixed words that say what is wrong.
        notes: The same of what an operator should know and calls do not depend on.
    """
    is_ready = all(state == "ok" for state in checks.values())
    found = {"ready": is_ready, "checks": dict(checks), **({"notes": dict(notes)} if notes else {})}
    body = json.dumps(found).encode()
    return Answer(200 if is_ready else 503, "application/json", body + b"\n")


def metrics(text: bytes) -> Answer:
    """Return the answer of `/metrics`."""
    return Answer(200, METRICS_TYPE, text)


LIMITS = Limits(most=16, idle_s=0, unread_s=5.0)
"""Few connections at once, and one answer for each."""

ANSWER_S = 10.0
"""Within so many seconds the answer must be known; else it is 503."""

DRAIN_S = 0.5
"""Seconds for the answers under way when the process stops."""

OPERATIONS_FILE = "operations-address"
"""The file, in the folder of m8 or of the reactor, that says where the listener answers."""

EVERY_S = 0.02
"""Seconds between two answers at least: one that asks without end must not keep the event loop from users' calls."""


@contextlib.asynccontextmanager
async def listening(address: Address | None, handlers: Handlers) -> AsyncIterator[str]:
    """Answer on `address` as long as the block runs; yields where, with the bound port, "" for None.

    Raises:
        UnavailableError: the address is taken, or cannot be listened on.
    """
    if address is None:
        yield ""
        return
    server = await _bound(address, _Operations(handlers))
    try:
        yield str(address.at(server.port)) if isinstance(address, HostPort) else f"unix:{address}"
    finally:
        await server.drain(DRAIN_S)
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


_ASK_S = 5.0
_MOST_ANSWER = 65_536


async def ask(address: str, path: str) -> tuple[int, bytes]:
    """Ask a listener of operations by what `OPERATIONS_FILE` says of it; return the status and the body.

    Raises:
        UnavailableError: nothing answers there, or not in time, or what answers speaks no HTTP.
        UsageError: the address is none of `host:port` and `unix:path`.
    """
    is_socket = address.startswith(UNIX)
    at = HostPort("localhost", 80) if is_socket else HostPort.parse(address)
    reader = ResponseReader("GET", most_body=_MOST_ANSWER)
    writer: asyncio.StreamWriter | None = None
    try:
        async with asyncio.timeout(_ASK_S):
            if is_socket:
                stream, writer = await asyncio.open_unix_connection(address.removeprefix(UNIX))
            else:
                stream, writer = await asyncio.open_connection(at.host, at.port)
            writer.write(request_head("GET", path, at.host if is_socket else str(at), (), None))
            while not reader.complete:
                data = await stream.read(_MOST_ANSWER)
                reader.feed(data) if data else reader.end()
    except (OSError, ExchangeError):  # of which a TimeoutError is one
        raise UnavailableError(f"nothing answers at {address} as it should.", fix="Look whether it runs.") from None
    finally:
        if writer is not None:
            writer.close()
    answer = reader.answer()
    return answer.status, answer.body


async def _bound(address: Address, operations: _Operations) -> Server:
    try:
        server = await bind(address, operations, limits=LIMITS)
        await server.start()
    except OSError as error:
        raise UnavailableError(
            f"operations_listen: it is not possible to listen on {address}: {error.strerror}.",
            fix="Stop what listens there, or change operations_listen.",
        ) from None
    return server


class _Operations:
    """Answers requests, one after another and at a pace (`http.messages.Application`)."""

    def __init__(self, handlers: Handlers) -> None:
        self._handlers = handlers
        self._next = 0.0

    async def accept(self, head: Head) -> Response:
        """Answer a request by its head."""
        await self._turn()
        if not all(_is_address(value) for name, value in head.headers if name == "host"):
            return refusal(421)
        handler = self._handlers.get(head.path)
        if handler is None:
            return refusal(404)
        if head.method != "GET":
            return refusal(405)
        try:
            async with asyncio.timeout(ANSWER_S):
                answer = await handler()
        except TimeoutError:
            return refusal(503)
        except Exception as error:  # noqa: BLE001 - a defect is told by its type and place, and ends nothing else
            operating_log.error("defect", error)
            return refusal(500)
        return Response(answer.status, (("Content-Type", answer.content_type),), answer.body)

    async def _turn(self) -> None:
        now = asyncio.get_running_loop().time()
        turn = max(now, self._next)
        self._next = turn + EVERY_S
        if turn > now:
            await asyncio.sleep(turn - now)


def _is_address(host: str) -> bool:
    """Whether `Host` is an address or `localhost`.

    A web page can give a name of its own the address of this machine, and have a browser here ask under that name.
    """
    name = host.lower()
    name = name[1:].partition("]")[0] if name.startswith("[") else name.partition(":")[0]
    try:
        return name == "localhost" or ipaddress.ip_address(name) is not None
    except ValueError:
        return False
