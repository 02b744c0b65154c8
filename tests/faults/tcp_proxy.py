"""The one TCP proxy of the tests: it delays, cuts, resets, slices, holds and duplicates, and opens a tunnel."""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import struct
import threading
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any

DELAY, CUT, RESET, SLICE, HOLD, DUPLICATE = KINDS = ("delay", "cut", "reset", "slice", "hold", "duplicate")
"""What a link can do, as the table of faults says."""

_PIECE = 65_536
_RESET_AFTER = (0, 1, 5, 200, 1_500, 6_000)
"""Bytes: before a handshake, inside of it, and after it."""
_DELAYS_S = (0.01, 0.05, 0.2)

OPENED = b"HTTP/1.1 200 Connection established\r\n\r\n"
"""What a proxy of HTTP says when it opens a tunnel."""


@dataclass(slots=True, eq=False)
class _Connection:
    """Two streams of each side."""

    near: asyncio.StreamWriter
    far: asyncio.StreamWriter
    left: float = float("inf")
    """Bytes until it is reset."""
    is_mute: bool = False
    """Whether what the server says is swallowed, and the connection closed."""


class Link:
    """One link, honest at first.

    Args:
        port: Where it listens; 0 for any free port.
        to: The port of 127.0.0.1 that it connects to, or an address or a URL that ends with it.
        source: The address from which it connects, "" for any.
        tunnel: What it answers, as a proxy of HTTP, to the request for a tunnel with which each connection begins.

    Attributes:
        delay_s: How long each piece waits on its way, in both directions.
        passes: Cleared: nothing is passed on, and connections stay open.
        refuses: Whether new connections are closed.
        asked: What it was asked for before its tunnels were open.
        held: What `cut_at` kept from the server, with what delivers it late.
    """

    def __init__(
        self,
        name: str,
        port: int,
        to: int | str,
        *,
        host: str = "127.0.0.1",
        source: str = "",
        tunnel: bytes | None = None,
    ) -> None:
        self.name, self.port, self.to = name, port, int(str(to).rpartition(":")[2])
        self._host, self._source, self._tunnel = host, (source, 0) if source else None, tunnel
        self.asked = b""
        self.refuses = False
        self._cut_at: tuple[bytes, bool] | None = None
        self.held: list[tuple[asyncio.StreamWriter, bytes]] = []
        self.counts: Counter[str] = Counter()
        """What it did: connections, and connections that it broke or duplicated."""
        self._fault = ""
        self._chance = random.Random(0)
        self.delay_s = 0.0
        self.passes = asyncio.Event()
        self.passes.set()
        self._open: set[_Connection] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None

    def before(self, url: str) -> str:
        """Return a URL with a port as one that leads through this link."""
        return f"{url.rpartition(':')[0]}:{self.port}"

    async def start(self) -> None:
        """Listen; at the same port as before, if it was closed."""
        if self._server is not None and self._server.is_serving():
            return
        self._server = await asyncio.start_server(self._serve, self._host, self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def ends(self) -> None:
        """Wait until both sides have ended every connection."""
        await asyncio.gather(*self._tasks)

    async def close(self) -> None:
        assert self._server is not None
        self._server.close()
        for one in list(self._open):
            self._end(one, abruptly=True)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for writer in self._writers:
            writer.close()
        await asyncio.gather(*(writer.wait_closed() for writer in self._writers), return_exceptions=True)
        self._writers.clear()

    def cut_at(self, words: bytes, *, arrives: bool) -> None:
        """Cut the next connection whose client says that: it arrives and its answer does not, or it does not arrive."""
        self._cut_at = (words, arrives)

    def fault(self, kind: str, chance: random.Random) -> None:
        """Misbehave from now on, in one of `KINDS`; `chance` draws what its name leaves open."""
        self.mend()
        self._fault, self._chance = kind, chance
        match kind:
            case "delay":
                self.delay_s = chance.choice(_DELAYS_S)
            case "hold":
                self.passes.clear()
            case "cut" | "duplicate":
                self.refuses = kind == CUT
                for one in list(self._open):
                    self._end(one, abruptly=False)
            case "reset":
                for one in self._open:
                    one.left = chance.choice(_RESET_AFTER)

    def mend(self) -> None:
        """Be honest again. Connections that are open stay."""
        self._fault, self.delay_s, self.refuses = "", 0.0, False
        self.passes.set()
        for one in self._open:
            one.left = float("inf")

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.counts["connections"] += 1
        self._writers.add(writer)
        if self.refuses:
            self.counts["cut"] += 1
            writer.close()
            return
        if self._tunnel is not None:
            with contextlib.suppress(asyncio.IncompleteReadError):
                self.asked += await reader.readuntil(b"\r\n\r\n")
            writer.write(self._tunnel)
        try:
            far_reader, far = await asyncio.open_connection("127.0.0.1", self.to, local_addr=self._source)
        except OSError:
            writer.close()
            return
        one = _Connection(writer, far)
        if self._fault == RESET:
            one.left = self._chance.choice(_RESET_AFTER)
        also = await self._second() if self._fault == DUPLICATE else None
        self._open.add(one)
        self._writers |= {far} | ({also} if also is not None else set())
        for carried in (self._copy(one, reader, far, also), self._copy(one, far_reader, writer, None)):
            task = asyncio.create_task(carried)
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _second(self) -> asyncio.StreamWriter | None:
        """Open a second connection, whose answers are not read."""
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", self.to, local_addr=self._source)
        except OSError:
            return None
        self.counts["duplicated"] += 1
        return writer

    async def _copy(
        self,
        one: _Connection,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        also: asyncio.StreamWriter | None,
    ) -> None:
        with contextlib.suppress(OSError):
            while piece := await reader.read(_PIECE):
                if self.delay_s:
                    await asyncio.sleep(self.delay_s)  # the length of the fault
                await self.passes.wait()
                if one.is_mute and writer is one.near:
                    break
                if writer is one.far and self._is_cut_at(one, piece):
                    return
                if one.left < len(piece):
                    writer.write(piece[: int(one.left)])
                    self._end(one, abruptly=True)
                    break
                one.left -= len(piece)
                await self._send(writer, piece)
                if also is not None and not also.transport.is_closing():
                    also.write(piece)
        with contextlib.suppress(OSError, RuntimeError):
            writer.close()
        if also is not None:
            also.close()
            self._writers.discard(also)
        self._writers.discard(writer)
        self._open.discard(one)

    def _is_cut_at(self, one: _Connection, piece: bytes) -> bool:
        """Whether what a client says is what `cut_at` waits for, and is kept from the server."""
        words, arrives = self._cut_at or (b"", True)
        if self._cut_at is None or words not in piece:
            return False
        self._cut_at = None
        if arrives:
            one.is_mute = True
        else:
            self.held.append((one.far, piece))
            one.near.close()
        return not arrives

    async def _send(self, writer: asyncio.StreamWriter, piece: bytes) -> None:
        step = self._chance.randint(1, 64) if self._fault == SLICE else _PIECE
        for begin in range(0, len(piece), step):
            writer.write(piece[begin : begin + step])
            await writer.drain()
            if step < _PIECE:
                await asyncio.sleep(0)  # else the kernel puts the slices together again

    def _end(self, one: _Connection, *, abruptly: bool) -> None:
        self.counts["reset" if abruptly else "cut"] += 1
        self._open.discard(one)
        for writer in (one.near, one.far):
            if abruptly:
                found = writer.get_extra_info("socket")
                with contextlib.suppress(OSError):
                    found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                writer.transport.abort()
            else:
                writer.close()


@contextmanager
def broken(kind: str, link: Link, detail: str = "0") -> Iterator[None]:
    """A link misbehaves as long as the block runs; `detail` is the seed of what it draws."""
    link.fault(kind, random.Random(detail))
    yield
    link.mend()


@asynccontextmanager
async def proxy(to: int | str, **options: Any) -> AsyncIterator[Link]:
    """Pass connections on to a port of 127.0.0.1 as long as the block runs, with the options of `Link`."""
    link = Link("proxy", 0, to, **options)
    await link.start()
    try:
        yield link
    finally:
        await link.close()


@contextmanager
def proxy_in_thread(to: int | str, **options: Any) -> Iterator[Link]:
    """As `proxy`, for those who have no event loop."""
    made: list[Link] = []
    listening, stop = threading.Event(), threading.Event()

    async def serve() -> None:
        async with proxy(to, **options) as link:
            made.append(link)
            listening.set()
            await asyncio.to_thread(stop.wait)

    thread = threading.Thread(target=asyncio.run, args=(serve(),), daemon=True)
    thread.start()
    listening.wait()
    try:
        yield made[0]
    finally:
        stop.set()
        thread.join()
