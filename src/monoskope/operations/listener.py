"""The listener of operations: HTTP/1.1 by the server of `monoskope.http`, one GET a connection, a few fixed paths.

Why it is a listener of its own: docs/adr/0036-metrics-and-traces.md.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

from monoskope import operating_log
from monoskope.errors import UnavailableError, UsageError
from monoskope.host_port import HostPort
from monoskope.http.messages import Head, Response
from monoskope.http.server.answers import refusal
from monoskope.http.server.limits import Limits
from monoskope.http.server.server import Server, bind
from monoskope.operations import Address, Handlers
from monoskope.settings import write_private

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
