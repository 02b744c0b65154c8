"""A proxy before PostgreSQL that cuts a connection at the moment which leaves open whether a commit happened."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from monoskope.m8.log.postgres.target import PostgresTarget


class CuttingProxy:
    """Forwards bytes, and cuts every connection at the next append once it is told to.

    Without TLS, so that it can see which message is an append; the password is never sent in plain text (SCRAM).
    """

    def __init__(self, host: str, port: int) -> None:
        self._upstream = (host, port)
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.cuts_before = False
        """Whether the next append is swallowed, and the connection cut: it never happens."""
        self.cuts_after = False
        """Whether the next append reaches the server, and its answer is swallowed and the connection cut."""
        self.is_down = False
        """Whether new connections are refused."""
        self.held: list[tuple[asyncio.StreamWriter, bytes]] = []
        """What was swallowed before the server, with the way to deliver it late."""

    async def client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        if self.is_down:
            writer.close()
            return
        server_reader, server_writer = await asyncio.open_connection(*self._upstream)
        self._writers |= {writer, server_writer}
        swallows = asyncio.Event()

        async def upwards() -> None:
            while data := await reader.read(1 << 20):
                # The parse message of the append's statement came earlier; its bind message carries the actor's name.
                if b"cut here" in data and self.cuts_before:
                    self.cuts_before = False
                    self.held.append((server_writer, data))
                    writer.close()
                    return
                if b"cut here" in data and self.cuts_after:
                    self.cuts_after = False
                    swallows.set()
                server_writer.write(data)
            server_writer.close()

        async def downwards() -> None:
            while data := await server_reader.read(1 << 20):
                if swallows.is_set():
                    break
                writer.write(data)
            writer.close()

        await asyncio.gather(upwards(), downwards(), return_exceptions=True)


@asynccontextmanager
async def cutting(target: PostgresTarget) -> AsyncIterator[tuple[CuttingProxy, PostgresTarget]]:
    """Run a proxy before `target`, and give it with what connects to it."""
    proxy = CuttingProxy(*target.hosts[0])
    server = await asyncio.start_server(proxy.client, "127.0.0.1", 0)
    try:
        port = server.sockets[0].getsockname()[1]
        yield proxy, replace(target, hosts=(("127.0.0.1", port),), tls=None)
    finally:
        server.close()
        for writer, _ in proxy.held:
            writer.close()
