"""A TCP proxy that can be slow, can stop passing anything on, and can listen on another address of this machine."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field


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
