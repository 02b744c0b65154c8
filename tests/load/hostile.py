"""Connections that mean no good, from other addresses than the users'. One that m8 ends is opened anew."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import ssl
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from monoskope.api.gateway.v1 import queries_pb2
from tests.load.plan import Plan

EXCHANGE = "/monoskope.api.gateway.v1.AccessService/ExchangeToken"
WATCH = "/monoskope.api.gateway.v1.SecretQueryService/WatchEvents"
ATTACH = "/monoskope.api.gateway.v1.ReactorService/Attach"
PLAIN_PER_S, TLS_PER_S = 300.0, 60.0
"""Connections opened in a second at most, without and with a handshake: each handshake takes time of our own, too."""
HOLD_S = 30.0
"""How long those are held that read nothing, and so do not see that m8 has ended them."""
_HALF_HELLO = bytes.fromhex("1603010200010001fc0303") + bytes(64)
_ADDRESSES = 32


@dataclass(frozen=True, slots=True)
class Peer:
    """One connection."""

    plan: Plan
    number: int
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    @property
    def authority(self) -> str:
        """The server that it is connected to."""
        host, port = self.writer.get_extra_info("peername")[:2]
        return f"{host}:{port}"

    def post(self, path: str, kind: str, length: int, token: str = "") -> bytes:
        """Return the head of a call over HTTP."""
        more = f"Authorization: Bearer {token}\r\n" if token else ""
        head = f"POST {path} HTTP/1.1\r\nHost: {self.authority}\r\nContent-Type: {kind}\r\nContent-Length: {length}"
        return f"{head}\r\n{more}\r\n".encode()

    async def trickle(self, content: bytes) -> None:
        """Send a byte a second, again and again, until the connection ends."""
        for byte in itertools.cycle(content):
            if self.reader.at_eof() or self.writer.is_closing():
                return
            self.writer.write(bytes([byte]))
            await asyncio.sleep(1)

    async def end(self) -> None:
        """Wait until m8 ends the connection."""
        while await self.reader.read(4_096):
            pass

    async def unread(self) -> None:
        """Read nothing from now on."""
        self.writer.transport.pause_reading()  # type: ignore[attr-defined] # of a transport that reads, too
        await asyncio.sleep(HOLD_S)


async def _silent(peer: Peer) -> None:
    await peer.end()


async def _half_hello(peer: Peer) -> None:
    peer.writer.write(_HALF_HELLO)
    await peer.end()


async def _slow_head(peer: Peer) -> None:
    await peer.trickle(b"GET / HTTP/1.1\r\nX: ")


async def _slow_body(peer: Peer) -> None:
    peer.writer.write(peer.post(EXCHANGE, "application/proto", 4_096))
    await peer.trickle(b"\x0a")


async def _mute_websocket(peer: Peer) -> None:
    upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    key = "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
    peer.writer.write(f"GET {ATTACH} HTTP/1.1\r\nHost: {peer.authority}\r\n{upgrade}{key}\r\n".encode())
    await peer.unread()


async def _unread_stream(peer: Peer) -> None:
    message = queries_pb2.WatchEventsRequest().SerializeToString()
    body = b"\0" + len(message).to_bytes(4) + message
    token = peer.plan.unread[peer.number % len(peer.plan.unread)]
    peer.writer.write(peer.post(WATCH, "application/connect+proto", len(body), token) + body)
    await peer.unread()


@dataclass(frozen=True, slots=True)
class Kind:
    """One way to misbehave.

    Attributes:
        act: What one connection does.
        tls: Whether it ends its handshake.
        share: How many there are, in thousandths of `Plan.hostile`; 0 for one for each token of `Plan.unread`.
    """

    act: Callable[[Peer], Awaitable[None]]
    tls: bool
    share: int


KINDS = {
    "silent": Kind(_silent, tls=False, share=1_000),
    "half a handshake": Kind(_half_hello, tls=False, share=1_000),
    "no request": Kind(_silent, tls=True, share=1_000),
    "slow head": Kind(_slow_head, tls=True, share=500),
    "slow body": Kind(_slow_body, tls=True, share=500),
    "mute websocket": Kind(_mute_websocket, tls=True, share=100),
    "unread watch": Kind(_unread_stream, tls=True, share=0),
}


class _Crowd:
    """All connections that are open, by kind."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._tls = ssl.create_default_context(cafile=plan.ca_file)
        self._tls.set_alpn_protocols(["http/1.1"])
        self._numbers = itertools.count()
        self._open: dict[str, set[asyncio.Task[None]]] = {name: set() for name in KINDS}
        self.opened: Counter[str] = Counter()
        self.most_open: Counter[str] = Counter()
        self.most_in_all = 0

    async def fill(self, names: Sequence[str], per_s: float, ends_at: float) -> None:
        """Keep as many open as the plan wants, and open no more than so many in a second."""
        due = time.monotonic()
        for name in itertools.cycle(names):
            if time.monotonic() >= ends_at:
                return
            if len(self._open[name]) < self._wanted(name):
                self._begin(name)
            due = max(due + 1 / per_s, time.monotonic() - 1)
            await asyncio.sleep(max(0.0, due - time.monotonic()))

    def end(self) -> None:
        """Leave."""
        for task in itertools.chain.from_iterable(self._open.values()):
            task.cancel()

    def _wanted(self, name: str) -> int:
        share = KINDS[name].share
        return max(1, self._plan.hostile * share // 1_000) if share else len(self._plan.unread)

    def _begin(self, name: str) -> None:
        task = asyncio.create_task(self._one(name, next(self._numbers)))
        self._open[name].add(task)
        task.add_done_callback(self._open[name].discard)
        self.opened[name] += 1
        self.most_open[name] = max(self.most_open[name], len(self._open[name]))
        self.most_in_all = max(self.most_in_all, sum(map(len, self._open.values())))

    async def _one(self, name: str, number: int) -> None:
        kind = KINDS[name]
        host, _, port = self._plan.server.rpartition(":")
        tls = self._tls if kind.tls else None
        address = (f"127.0.1.{1 + number % _ADDRESSES}", 0)
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            reader, writer = await asyncio.open_connection(host, int(port), ssl=tls, local_addr=address)
            try:
                await kind.act(Peer(self._plan, number, reader, writer))
            finally:
                writer.transport.abort()


async def run(plan: Plan, ends_at: float) -> dict[str, Any]:
    """Hold `plan.hostile` connections of each sort; say how many were opened of each kind, and were open at once."""
    crowd = _Crowd(plan)
    if plan.hostile:
        plain = [name for name, kind in KINDS.items() if not kind.tls]
        others = [name for name, kind in KINDS.items() if kind.tls]
        await asyncio.gather(crowd.fill(plain, PLAIN_PER_S, ends_at), crowd.fill(others, TLS_PER_S, ends_at))
    crowd.end()
    return {"opened": crowd.opened, "most_open": crowd.most_open, "most_in_all": crowd.most_in_all}
