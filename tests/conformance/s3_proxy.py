"""A TCP proxy on this machine that cuts connections in the middle."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass


@dataclass
class Cuts:
    """What the proxy does, and may be told to do from now on.

    Attributes:
        url: Where it listens.
        up_after: A connection that sends more bytes than this to the server is cut.
        down_after: The same of what the server sends.
        left: How many connections are cut so; then no more.
        made: How many were cut.
    """

    url: str
    up_after: int = 1 << 60
    down_after: int = 1 << 60
    left: int = 1 << 60
    made: int = 0

    def cut(self, sent: int, *, is_up: bool) -> bool:
        if self.left and sent > (self.up_after if is_up else self.down_after):
            self.left -= 1
            self.made += 1
            return True
        return False


@contextlib.asynccontextmanager
async def cutting(server_url: str) -> AsyncIterator[Cuts]:
    """Stand in front of the server at `http://host:port`."""
    host, port = server_url.removeprefix("http://").split(":")
    cuts = Cuts("")

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, is_up: bool) -> None:
        sent = 0
        while piece := await reader.read(65_536):
            sent += len(piece)
            if cuts.cut(sent, is_up=is_up):
                raise ConnectionResetError
            writer.write(piece)
            await writer.drain()
        writer.write_eof()

    serving: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there_reader, there_writer = await asyncio.open_connection(host, int(port))
        both = (carry(reader, there_writer, is_up=True), carry(there_reader, writer, is_up=False))
        tasks = [asyncio.create_task(each) for each in both]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            there_writer.transport.abort()
            writer.transport.abort()

    def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # Tasks of our own: asyncio complains of those that it made, if they are cancelled.
        serving.add(asyncio.create_task(serve(reader, writer)))

    server = await asyncio.start_server(begin, "127.0.0.1", 0)
    cuts.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        async with server:
            yield cuts
    finally:
        for task in serving:
            task.cancel()
        await asyncio.gather(*serving, return_exceptions=True)
