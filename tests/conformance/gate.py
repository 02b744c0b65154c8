"""A gate before an engine that takes seconds to end and to start again: while it is shut, the engine is away."""

from __future__ import annotations

import asyncio
import contextlib
from types import TracebackType
from typing import Self

from monoskope.testing.parts import free_port

HOST = "127.0.0.1"


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
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.shut()

    async def open(self) -> None:
        """Take connections, at the same port as before."""
        if self._server is None:
            self._server = await asyncio.start_server(self._accept, HOST, self._port)

    async def shut(self) -> None:
        """Take no connections, and cut those that there are."""
        if self._server is None:
            return
        server, self._server = self._server, None
        server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await server.wait_closed()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._pass_on(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers = [writer]
        try:
            up_reader, up_writer = await asyncio.open_connection(HOST, self._to)
            writers.append(up_writer)
            ways = {asyncio.create_task(_copy(reader, up_writer)), asyncio.create_task(_copy(up_reader, writer))}
            try:
                await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for way in ways:
                    way.cancel()
                await asyncio.gather(*ways, return_exceptions=True)
        finally:
            for one in writers:
                one.close()
            for one in writers:
                with contextlib.suppress(OSError):
                    await one.wait_closed()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while piece := await reader.read(65_536):
        writer.write(piece)
        await writer.drain()
