"""What packed messages cost m8, beside as many bytes that are not packed, before any other client calls."""

from __future__ import annotations

import asyncio
import functools
import gzip
import os
import time
import zlib
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

from bench.cpu import cpu_seconds
from bench.figures import rss_bytes
from monoskope.m8.methods import MAX_MESSAGE
from tests.faults.table import FAULTS
from tests.load.plan import Plan

MESSAGES = 75
"""Each of them becomes almost 4 MiB."""
MIB = 1_048_576
_LOOK_S = 0.02
_TEXT = MAX_MESSAGE - 1

Send = Callable[[bytes], Awaitable[str]]


async def measured(plan: Plan, m8: int) -> dict[str, Any]:
    """Return what m8 said to packed messages, and what they cost it; the same of plain ones."""
    zeros = bytes(_TEXT)
    packed, deflated = gzip.compress(zeros, mtime=0), zlib.compress(zeros)[2:-4]
    found: dict[str, Any] = {}
    for way, fault, content in (("http", "packed call", packed), ("websocket", "packed frame", deflated)):
        send = functools.partial(FAULTS[fault].breaks, plan.door)
        found[f"{way} packed"] = await _cost(m8, content, send)
        found[f"{way} as many bytes"] = await _cost(
            m8, os.urandom(len(content)), functools.partial(send, is_packed=False)
        )
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
