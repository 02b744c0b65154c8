"""TCP in the way: a proxy that can be slow or stop, a gate before an engine, and a proxy of HTTP tunnels."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from monoskope.testing.parts import free_port


@dataclass(slots=True)
class Proxy:
    """What the test sets while the proxy runs.

    Attributes:
        port: Where it listens.
        delay_s: How long each piece waits on its way, in both directions.
        passes: Cleared: nothing is passed on, and connections stay open.
    """

    port: int = 0
    delay_s: float = 0.0
    passes: asyncio.Event = field(default_factory=asyncio.Event)


@asynccontextmanager
async def proxy(to_port: int, *, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[Proxy]:
    """Pass connections to `port`, 0 for a free one, on to a port of 127.0.0.1 as long as the block runs."""
    state = Proxy()
    state.passes.set()
    tasks: set[asyncio.Task[None]] = set()
    writers: set[asyncio.StreamWriter] = set()

    async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while piece := await reader.read(65_536):
                if state.delay_s:
                    await asyncio.sleep(state.delay_s)
                await state.passes.wait()
                writer.write(piece)
                await writer.drain()
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            up_reader, up_writer = await asyncio.open_connection("127.0.0.1", to_port)
        except OSError:
            writer.close()
            return
        writers.update((writer, up_writer))
        for pair in ((reader, up_writer), (up_reader, writer)):
            task = asyncio.create_task(copy(*pair))
            tasks.add(task)
            task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(serve, host, port)
    state.port = server.sockets[0].getsockname()[1]
    try:
        yield state
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for writer in writers:
            writer.close()
        await asyncio.gather(*(writer.wait_closed() for writer in writers), return_exceptions=True)


OPENED = b"HTTP/1.1 200 Connection established\r\n\r\n"


class Tunnels:
    """A proxy that answers one request for a tunnel, and carries what comes after it."""

    def __init__(self, answer: bytes, to: int) -> None:
        self._answer, self._to = answer, to
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        self.asked = b""
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        with self._listening.accept()[0] as client, socket.create_connection(("127.0.0.1", self._to)) as server:
            while not self.asked.endswith(b"\r\n\r\n"):
                piece = client.recv(65_536)
                if not piece:
                    return
                self.asked += piece
            client.sendall(self._answer)
            back = threading.Thread(target=_carry, args=(server, client), daemon=True)
            back.start()
            _carry(client, server)
            back.join(60)

    def stop(self) -> None:
        self._listening.close()
        self._thread.join(60)


def _carry(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):  # one of both ended it
        while piece := source.recv(65_536):
            target.sendall(piece)
        target.shutdown(socket.SHUT_WR)


class Gate:
    """Passes connections on to an engine. Open as long as the block of the context manager runs, but after `shut`.

    Args:
        to: The engine's URL, on 127.0.0.1.
    """

    def __init__(self, to: str) -> None:
        before, _, port = to.rpartition(":")
        self._to = int(port)
        self._port = free_port()
        self.url = f"{before}:{self._port}"
        """The URL that leads through the gate."""
        self._ways = AsyncExitStack()
        self._is_open = False

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.shut()

    async def open(self) -> None:
        """Take connections, at the same port as before."""
        if not self._is_open:
            await self._ways.enter_async_context(proxy(self._to, port=self._port))
            self._is_open = True

    async def shut(self) -> None:
        """Take no connections, and cut those that there are."""
        self._is_open = False
        await self._ways.aclose()
