"""Slow, silent and half-open connections, from other addresses than the users'. One that m8 ends is opened anew."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import ssl
import time
from collections import Counter
from typing import Any

from tests.load.plan import Plan

KINDS = ("silent", "half-handshake", "half-head", "byte-a-second", "no-settings-ack")
_HALF_HELLO = bytes.fromhex("1603010200010001fc0303") + bytes(64)
_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(3) + b"\x04" + bytes(5)
_ADDRESSES = 32


async def _one(plan: Plan, kind: str, number: int) -> None:
    """Open one, and hold it until m8 ends it."""
    is_http = kind == "half-head" or number % 2 == 1
    host, _, port = (plan.http.removeprefix("https://") if is_http else plan.grpc).rpartition(":")
    tls = None
    if kind not in {"silent", "half-handshake"}:
        tls = ssl.create_default_context(cafile=plan.ca_file)
        tls.set_alpn_protocols(["http/1.1" if is_http else "h2"])
    address = (f"127.0.1.{1 + number % _ADDRESSES}", 0)
    reader, writer = await asyncio.open_connection(host, int(port), ssl=tls, local_addr=address)
    try:
        if kind == "half-handshake":
            writer.write(_HALF_HELLO)
        elif kind == "half-head":
            writer.write(b"POST /monoskope HTTP/1.1\r\nHos")
        elif kind == "no-settings-ack" and not is_http:
            writer.write(_PREFACE)
        sending = itertools.cycle(_PREFACE if not is_http else b"GET / HTTP/1.1\r\nX: ")
        while kind == "byte-a-second" and not reader.at_eof():
            writer.write(bytes([next(sending)]))
            await asyncio.sleep(1)
        while await reader.read(4_096):
            pass
    finally:
        writer.close()


async def run(plan: Plan, ends_at: float) -> dict[str, Any]:
    """Hold `plan.hostile` connections; say how many were opened of each kind, and how many m8 ended."""
    opened: Counter[str] = Counter()
    open_now: set[asyncio.Task[None]] = set()
    peak = 0
    for number in itertools.count():
        if time.monotonic() >= ends_at or not plan.hostile:
            break
        if len(open_now) < plan.hostile:
            kind = KINDS[number % len(KINDS)]
            opened[kind] += 1
            task = asyncio.create_task(_quietly(_one(plan, kind, number)))
            open_now.add(task)
            task.add_done_callback(open_now.discard)
        peak = max(peak, len(open_now))
        await asyncio.sleep(1 / plan.hostile_per_s)
    for task in open_now:
        task.cancel()
    return {"opened": opened, "most_open": peak}


async def _quietly(work: Any) -> None:
    with contextlib.suppress(OSError, ssl.SSLError, asyncio.CancelledError):
        await work
