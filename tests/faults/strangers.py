"""Strangers who connect to m8 and mean no good. Two of them are processes of their own:

    python -m tests.faults.strangers silent SERVER FROM COUNT
    python -m tests.faults.strangers logins SERVER CA RATE

The first opens connections from an address, says nothing, and counts those still open; the second tries to log in so
many times a second, with all that a login may bring. Each prints one line of JSON about four times a second until it is
killed.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import resource
import socket
import ssl
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from monoskope.api.gateway.v1 import queries_pb2, reactor_pb2
from monoskope.api.secrets.v1 import events_pb2
from monoskope.api.secrets.v1.identity_pb2 import SignedRotation
from monoskope.host_port import HostPort
from monoskope.protocol.hello import Hello
from monoskope.protocol.identity import REACTOR_HELLO
from tests.support.vectors import KEY_ID, Signer, step
from tests.support.websocket_call import WebSocketCall

_EXCHANGE = "/monoskope.api.gateway.v1.AccessService/ExchangeToken"
_WATCH = "/monoskope.api.gateway.v1.SecretQueryService/WatchEvents"
_ATTACH = "/monoskope.api.gateway.v1.ReactorService/Attach"
HOLD_S = 30.0
"""How long those are held that read nothing, and so do not see that m8 has ended them."""
_HALF_HELLO = bytes.fromhex("1603010200010001fc0303") + bytes(64)
_LOOK_S = 0.25
_DEFLATE = "Sec-WebSocket-Extensions: permessage-deflate"
_UPGRADE = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
_KEY = "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"


@dataclass(frozen=True, slots=True)
class Door:
    """Where strangers connect.

    Attributes:
        tokens: Of those who may watch all events.
    """

    server: str
    ca_file: str
    tokens: Sequence[str] = ()

    async def open(
        self, *, tls: ssl.SSLContext | None, source: str = ""
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        host, _, port = self.server.rpartition(":")
        return await asyncio.open_connection(host, int(port), ssl=tls, local_addr=(source, 0) if source else None)

    @property
    def tls(self) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=self.ca_file)
        context.set_alpn_protocols(["http/1.1"])
        return context


@dataclass(frozen=True, slots=True)
class Peer:
    door: Door
    number: int
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    def post(self, path: str, kind: str, length: int, token: str = "") -> bytes:
        """Return the head of a call over HTTP."""
        more = f"Authorization: Bearer {token}\r\n" if token else ""
        head = f"POST {path} HTTP/1.1\r\nHost: {self.door.server}\r\nContent-Type: {kind}\r\nContent-Length: {length}"
        return f"{head}\r\n{more}\r\n".encode()

    async def trickle(self, content: bytes) -> None:
        """Send a byte a second, again and again, until the connection ends."""
        for byte in itertools.cycle(content):
            if self.reader.at_eof() or self.writer.is_closing():
                return
            self.writer.write(bytes([byte]))
            await asyncio.sleep(1)

    async def end(self) -> None:
        while await self.reader.read(4_096):
            pass

    async def unread(self) -> None:
        self.writer.transport.pause_reading()  # type: ignore[attr-defined] # of a transport that reads, too
        await asyncio.sleep(HOLD_S)


async def _half_hello(peer: Peer) -> None:
    peer.writer.write(_HALF_HELLO)
    await peer.end()


async def _slow_body(peer: Peer) -> None:
    peer.writer.write(peer.post(_EXCHANGE, "application/proto", 4_096))
    await peer.trickle(b"\x0a")


async def _mute_websocket(peer: Peer) -> None:
    peer.writer.write(f"GET {_ATTACH} HTTP/1.1\r\nHost: {peer.door.server}\r\n{_UPGRADE}{_KEY}\r\n".encode())
    await peer.unread()


async def _unread_stream(peer: Peer) -> None:
    message = queries_pb2.WatchEventsRequest().SerializeToString()
    body = b"\0" + len(message).to_bytes(4) + message
    token = peer.door.tokens[peer.number % len(peer.door.tokens)]
    peer.writer.write(peer.post(_WATCH, "application/connect+proto", len(body), token) + body)
    await peer.unread()


@dataclass(frozen=True, slots=True)
class Stranger:
    """What one connection does, and whether it ends its handshake."""

    act: Callable[[Peer], Awaitable[None]]
    tls: bool = True


SILENT = Stranger(Peer.end, tls=False)
HALF_A_HANDSHAKE = Stranger(_half_hello, tls=False)
NO_REQUEST = Stranger(Peer.end)
SLOW_HEAD = Stranger(lambda peer: peer.trickle(b"GET / HTTP/1.1\r\nX: "))
SLOW_BODY = Stranger(_slow_body)
MUTE_WEBSOCKET = Stranger(_mute_websocket)
UNREAD_WATCH = Stranger(_unread_stream)


class Crowd:
    """All connections that are open, by the name of what they do. One that m8 ends is opened anew."""

    def __init__(
        self, door: Door, wanted: Mapping[str, int], does: Mapping[str, Stranger], sources: Sequence[str]
    ) -> None:
        self._door, self._wanted, self._does, self._sources = door, wanted, does, sources
        self._tls = door.tls
        self._numbers = itertools.count()
        self._open: dict[str, set[asyncio.Task[None]]] = {name: set() for name in wanted}
        self.opened: Counter[str] = Counter()
        self.most_open: Counter[str] = Counter()
        self.most_in_all = 0

    async def fill(self, per_s: float, ends_at: float, *, tls: bool) -> None:
        """Keep open what is wanted, with or without a handshake, and open no more than so many in a second."""
        due = time.monotonic()
        for name in itertools.cycle([name for name in self._wanted if self._does[name].tls is tls]):
            if time.monotonic() >= ends_at:
                return
            if len(self._open[name]) < self._wanted[name]:
                self._begin(name)
            due = max(due + 1 / per_s, time.monotonic() - 1)
            await asyncio.sleep(max(0.0, due - time.monotonic()))

    def end(self) -> None:
        for task in itertools.chain.from_iterable(self._open.values()):
            task.cancel()

    def _begin(self, name: str) -> None:
        task = asyncio.create_task(self._one(name, next(self._numbers)))
        self._open[name].add(task)
        task.add_done_callback(self._open[name].discard)
        self.opened[name] += 1
        self.most_open[name] = max(self.most_open[name], len(self._open[name]))
        self.most_in_all = max(self.most_in_all, sum(map(len, self._open.values())))

    async def _one(self, name: str, number: int) -> None:
        stranger = self._does[name]
        source = self._sources[number % len(self._sources)]
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            reader, writer = await self._door.open(tls=self._tls if stranger.tls else None, source=source)
            try:
                await stranger.act(Peer(self._door, number, reader, writer))
            finally:
                writer.transport.abort()


async def packed_call(door: Door, content: bytes, *, is_packed: bool = True) -> str:
    """Send a call whose body is said to be packed; return the status."""
    coding = "gzip" if is_packed else "identity"
    head = f"Content-Type: application/proto\r\nContent-Encoding: {coding}\r\nContent-Length: {len(content)}\r\n"
    reader, writer = await door.open(tls=door.tls)
    try:
        writer.write(f"POST {_EXCHANGE} HTTP/1.1\r\nHost: {door.server}\r\n{head}\r\n".encode() + content)
        return str((await reader.readline()).split()[1], "ascii")
    finally:
        writer.transport.abort()


async def packed_frame(door: Door, content: bytes, *, is_packed: bool = True) -> str:
    """Send a frame that is said to be packed; return the code with which m8 closed, or that it agreed."""
    reader, writer = await door.open(tls=door.tls)
    try:
        writer.write(f"GET {_ATTACH} HTTP/1.1\r\nHost: {door.server}\r\n{_UPGRADE}{_DEFLATE}\r\n{_KEY}\r\n".encode())
        if b"permessage-deflate" in await reader.readuntil(b"\r\n\r\n"):
            return "agreed"
        # The mask is zero, so the frame's bytes are the content's.
        first = 0x82 | (0x40 if is_packed else 0)
        writer.write(bytes([first, 0xFE]) + len(content).to_bytes(2) + bytes(4) + content)
        while True:
            opcode, length = await reader.readexactly(2)
            more = int.from_bytes(await reader.readexactly(2)) if length == 126 else length
            payload = await reader.readexactly(more)
            if opcode == 0x88:
                return str(int.from_bytes(payload[:2]))
    finally:
        writer.transport.abort()


async def login(door: Door, stranger: Signer, steps: Sequence[SignedRotation]) -> str:
    """Ask for a reactor's session with an identity that m8 does not know, and return its answer's code."""
    call = WebSocketCall(HostPort.parse(door.server), tls=ssl.create_default_context(cafile=door.ca_file))
    received = await call.read()
    if isinstance(received, reactor_pb2.AttachResponse):
        hello = Hello(door.server, "local", os.urandom(16), received.challenge, KEY_ID)
        attach = reactor_pb2.AttachReactor(
            hello=stranger.sign(REACTOR_HELLO, hello.serialise()),
            type="age",
            capabilities=events_pb2.StoreCapabilities(max_plaintext=512),
            rotations=steps,
        )
        await call.write(reactor_pb2.AttachRequest(attach=attach))
    return await call.code()


def say(**figures: object) -> None:
    sys.stdout.write(f"{json.dumps(figures)}\n")
    sys.stdout.flush()


def silent(server: str, host: str, count: int) -> None:
    """Hold `count` connections from `host`, say nothing on any, and count those that the server has not closed."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    name, _, port = server.rpartition(":")
    held: list[socket.socket] = []
    for _ in range(count):
        one = socket.socket()
        one.bind((host, 0))
        one.settimeout(60)
        with contextlib.suppress(OSError):
            one.connect((name, int(port)))
            one.setblocking(False)
            held.append(one)
    opened = len(held)
    while True:
        held = [one for one in held if _is_open(one)]
        say(opened=opened, open=len(held))
        time.sleep(_LOOK_S)


def _is_open(one: socket.socket) -> bool:
    try:
        return one.recv(1) != b""
    except BlockingIOError:
        return True
    except OSError:
        return False


async def logins(server: str, ca_file: str, rate: float) -> None:
    """Try to log in `rate` times a second, each with 64 well-signed steps that lead nowhere."""
    stranger = Signer()
    chain = [*(Signer() for _ in range(64)), stranger]
    steps = [step(old, new, "local") for old, new in itertools.pairwise(chain)]
    answers: Counter[str] = Counter()

    async def one() -> None:
        # However m8 refuses, the flood goes on.
        answers[await login(Door(server, ca_file), stranger, steps)] += 1

    async with asyncio.TaskGroup() as group:
        due = time.monotonic()
        for number in itertools.count(1):
            group.create_task(one())
            due += 1 / rate
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            if number % max(1, int(rate * _LOOK_S)) == 0:
                say(sent=number, **answers)


if __name__ == "__main__":
    if sys.argv[1] == "silent":
        silent(sys.argv[2], sys.argv[3], int(sys.argv[4]))
    else:
        asyncio.run(logins(sys.argv[2], sys.argv[3], float(sys.argv[4])))
