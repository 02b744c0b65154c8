"""A proxy in front of OpenBao that breaks as a secret's path says, and echoes what passes in whatever it answers.

The second segment below the reactor's prefix is a script: `METHOD-PART.FAULT` or `METHOD-PART.FAULT.N`, several joined
by `--`, e.g. `post-data.echo-500--get-data.cut`. From the Nth such request on, the first without N, the fault happens.
"""

from __future__ import annotations

import asyncio
import gzip
import http.client
import json
import ssl
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

_SLOW_S = 20.0
_AT_ONCE = 64


@dataclass(frozen=True, slots=True)
class Exchange:
    body: bytes
    status: int
    answer: bytes

    @property
    def echo(self) -> bytes:
        return self.body + self.answer


class Break(Exception):  # noqa: N818 - no error
    """Ends a connection after these bytes."""

    def __init__(self, sent: bytes = b"", *, abort: bool = True, wait_s: float = 0.0) -> None:
        super().__init__()
        self.sent = sent
        self.abort = abort
        self.wait_s = wait_s


def response(status: int, body: bytes, *headers: bytes, length: int | None = None) -> bytes:
    """Return a whole answer, or one that promises `length` bytes."""
    size = len(body) if length is None else length
    lines = [b"HTTP/1.1 %d Said" % status, b"Content-Type: application/json", b"Content-Length: %d" % size, *headers]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def _echo(status: int) -> Callable[[Exchange], bytes]:
    def answered(of: Exchange) -> bytes:
        return response(status, json.dumps({"errors": [of.echo.decode("latin-1")]}).encode())

    return answered


def _cut(of: Exchange) -> bytes:
    body = of.answer + of.body
    raise Break(response(200, body[: len(body) // 2], length=len(body)))


def _slow(of: Exchange) -> bytes:
    body = of.answer + of.body
    raise Break(response(200, body[: len(body) // 2], length=len(body)), wait_s=_SLOW_S)


def _half_chunk(of: Exchange) -> bytes:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    raise Break(head + b"%x\r\n" % len(of.echo) + of.echo + b"\r\nno number " + of.echo[:200] + b"\r\n", abort=False)


def _reset(of: Exchange) -> bytes:
    raise Break


def _silent(of: Exchange) -> bytes:
    raise Break(wait_s=_SLOW_S)


def _garbage(of: Exchange) -> bytes:
    raise Break(b"\x00\x01" + of.echo, abort=False)


def _early(of: Exchange) -> bytes:
    raise Break(response(413, of.body[:1000]), abort=True)


def _head(line: Callable[[bytes], bytes]) -> Callable[[Exchange], bytes]:
    def answered(of: Exchange) -> bytes:
        raise Break(response(200, b"{}", line(of.echo)), abort=False)

    return answered


def _numbers(of: Exchange) -> bytes:
    """The engine's answer with lists where values were."""
    answer = json.loads(of.answer or b"{}")
    held = answer.get("data") or {}
    if isinstance(held.get("data"), dict):
        held["data"] = {key: [value] for key, value in held["data"].items()}
    return response(of.status, json.dumps(answer).encode())


FAULTS: Mapping[str, Callable[[Exchange], bytes]] = {
    **{f"echo-{status}": _echo(status) for status in (200, 400, 403, 404, 405, 412, 413, 429, 500, 503)},
    "text-502": lambda of: response(502, b"<html>" + of.echo),
    "bare-500": lambda of: response(500, b""),
    "redirect": lambda of: response(307, of.echo, b"Location: /v1/" + quote(of.echo[-400:]).encode()),
    "half-json": lambda of: response(200, of.echo[: len(of.echo) // 2]),
    "no-object": lambda of: response(200, json.dumps([of.echo.decode("latin-1")]).encode()),
    "no-text": lambda of: response(200, b'{"errors": "' + of.echo + b'\xff\xfe"}'),
    "deep-json": lambda of: response(200, b"[" * 100_000 + of.echo),
    "huge": lambda of: response(200, (of.echo * (9_500_000 // len(of.echo) + 1))[:9_500_000]),
    "no-gzip": lambda of: response(200, of.echo, b"Content-Encoding: gzip"),
    "half-gzip": lambda of: response(200, gzip.compress(of.echo)[:-9], b"Content-Encoding: gzip"),
    "numbers": _numbers,
    "bad-head": _head(lambda echo: b"X Echo \x01: " + echo[:300].replace(b"\n", b" ")),
    "long-head": _head(lambda echo: b"X-Echo: " + echo.replace(b"\n", b" ") + b"." * 20_000),
    "cut": _cut,
    "slow": _slow,
    "silent": _silent,
    "reset": _reset,
    "garbage": _garbage,
    "half-chunk": _half_chunk,
    "early": _early,
}
"""What can be answered instead, by name."""


class BreakingBao:
    """The proxy, in a thread of its own. Use as a context manager.

    Args:
        engine: `host:port` of OpenBao.
        tls: Folder with its certificate and key, which are shown here too.
    """

    def __init__(self, engine: str, tls: Path) -> None:
        self._engine = engine
        self._server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._server.load_cert_chain(tls / "server.pem", tls / "server.key")
        self._client = ssl.create_default_context(cafile=str(tls / "ca.pem"))
        self._calls: Counter[tuple[str, str]] = Counter()
        self._loop = asyncio.new_event_loop()
        self._listening = threading.Event()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._serve(),), daemon=True)
        self.address = ""

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._listening.wait(60)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(60)
        self._loop.close()

    async def _serve(self) -> None:
        self._loop.set_exception_handler(lambda *_: None)
        # An engine takes as many requests at once as it likes; the default is a few for each processor.
        self._loop.set_default_executor(ThreadPoolExecutor(_AT_ONCE))
        server = await asyncio.start_server(self._connected, "127.0.0.1", 0, ssl=self._server, limit=1 << 24)
        self.address = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        self._listening.set()
        await self._stop.wait()
        server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await self._loop.shutdown_default_executor()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                line, *lines = head.rstrip().split("\r\n")
                headers = dict(one.split(": ", 1) for one in lines)
                body = await reader.readexactly(int(headers.get("Content-Length", "0")))
                method, path, _ = line.split(" ")
                status, answer = await asyncio.to_thread(self._asked, method, path, headers, body)
                writer.write(self._answer(method, path, Exchange(body, status, answer)))
                await writer.drain()
        except Break as end:
            writer.write(end.sent)
            await writer.drain()
            await asyncio.sleep(end.wait_s)
            if end.abort:
                writer.transport.abort()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    def _asked(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> tuple[int, bytes]:
        connection = http.client.HTTPSConnection(self._engine, timeout=60, context=self._client)
        try:
            kept = {name: value for name, value in headers.items() if name.startswith(("X-Vault", "Content-Type"))}
            connection.request(method, path, body or None, kept)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def _answer(self, method: str, path: str, exchange: Exchange) -> bytes:
        segments = path.partition("?")[0].split("/")
        # /v1/MOUNT/PART/PREFIX/TEAM/SCRIPT/…
        if len(segments) > 6 and "." in segments[6]:
            where = f"{method.lower()}-{segments[3]}"
            self._calls[path, where] += 1
            for step in segments[6].split("--"):
                asked, fault, first = (*step.split("."), "1")[:3]
                if asked == where and self._calls[path, where] >= int(first):
                    return FAULTS[fault](exchange)
        return response(exchange.status, exchange.answer)
