"""What packed messages cost m8, beside as many bytes that are not packed, before any other client calls."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import os
import ssl
import time
import zlib
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

from bench.cpu import cpu_seconds
from bench.figures import rss_bytes
from monoskope.m8.methods import MAX_MESSAGE
from tests.load.hostile import ATTACH, EXCHANGE
from tests.load.plan import Plan

MESSAGES = 75
"""Each of them becomes almost 4 MiB."""
MIB = 1_048_576
_LOOK_S = 0.02
_DEFLATE = "Sec-WebSocket-Extensions: permessage-deflate"
_TEXT = MAX_MESSAGE - 1

Send = Callable[[bytes], Awaitable[str]]


async def measured(plan: Plan, m8: int) -> dict[str, Any]:
    """Return what m8 said to packed messages, and what they cost it; the same of plain ones."""
    zeros = bytes(_TEXT)
    packed, deflated = gzip.compress(zeros, mtime=0), zlib.compress(zeros)[2:-4]
    found: dict[str, Any] = {}
    found["http packed"] = await _cost(m8, packed, _by_http(plan, "gzip"))
    found["http as many bytes"] = await _cost(m8, os.urandom(len(packed)), _by_http(plan, "identity"))
    found["websocket packed"] = await _cost(m8, deflated, _by_websocket(plan, is_packed=True))
    found["websocket as many bytes"] = await _cost(m8, os.urandom(len(deflated)), _by_websocket(plan, is_packed=False))
    return found


def wrong(found: dict[str, Any]) -> list[str]:
    """Return a sentence for each packed message that was taken, or cost more than what its bytes cost."""
    sentences = []
    for way, refusal in (("http", "501"), ("websocket", "1002")):
        packed, plain = found[f"{way} packed"], found[f"{way} as many bytes"]
        if set(packed["said"]) != {refusal}:
            sentences.append(f"packed messages by {way} met {packed['said']}, not {refusal}")
        if packed["cpu_s"] > 3 * plain["cpu_s"] + 0.5 or packed["mib"] > plain["mib"] + 32:
            sentences.append(f"packed messages by {way} cost more than their bytes: {packed}, {plain}")
    return sentences


async def _cost(m8: int, content: bytes, send: Send) -> dict[str, Any]:
    said: Counter[str] = Counter()
    most, before, cpu = rss_bytes(m8), rss_bytes(m8), cpu_seconds(m8)

    async def look() -> None:
        nonlocal most
        while True:
            most = max(most, rss_bytes(m8))
            await asyncio.sleep(_LOOK_S)

    looking, began = asyncio.create_task(look()), time.monotonic()
    for _ in range(MESSAGES):
        said[await send(content)] += 1
    looking.cancel()
    return {
        "said": said,
        "cpu_s": round(cpu_seconds(m8) - cpu, 2),
        "mib": round((max(most, rss_bytes(m8)) - before) / MIB, 1),
        "took_s": round(time.monotonic() - began, 2),
    }


@contextlib.asynccontextmanager
async def _connected(plan: Plan) -> Any:
    host, _, port = plan.server.rpartition(":")
    tls = ssl.create_default_context(cafile=plan.ca_file)
    reader, writer = await asyncio.open_connection(host, int(port), ssl=tls)
    try:
        yield reader, writer, f"Host: {host}:{port}\r\n"
    finally:
        writer.transport.abort()


def _by_http(plan: Plan, coding: str) -> Send:
    async def send(content: bytes) -> str:
        async with _connected(plan) as (reader, writer, host):
            head = (
                f"Content-Type: application/proto\r\nContent-Encoding: {coding}\r\nContent-Length: {len(content)}\r\n"
            )
            writer.write(f"POST {EXCHANGE} HTTP/1.1\r\n{host}{head}\r\n".encode() + content)
            return str((await reader.readline()).split()[1], "ascii")

    return send


def _by_websocket(plan: Plan, *, is_packed: bool) -> Send:
    key = "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"

    async def send(content: bytes) -> str:
        """Return the code with which m8 closed. The mask is zero, so the frame's bytes are the content's."""
        async with _connected(plan) as (reader, writer, host):
            upgrade = f"{host}Connection: Upgrade\r\nUpgrade: websocket\r\n{_DEFLATE}\r\n{key}"
            writer.write(f"GET {ATTACH} HTTP/1.1\r\n{upgrade}\r\n".encode())
            if b"permessage-deflate" in await reader.readuntil(b"\r\n\r\n"):
                return "agreed"
            first = 0x82 | (0x40 if is_packed else 0)
            writer.write(bytes([first, 0xFE]) + len(content).to_bytes(2) + bytes(4) + content)
            while True:
                opcode, length = await reader.readexactly(2)
                more = int.from_bytes(await reader.readexactly(2)) if length == 126 else length
                payload = await reader.readexactly(more)
                if opcode == 0x88:
                    return str(int.from_bytes(payload[:2]))

    return send
