"""Whether an event loop still looks after sockets that a test had opened."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

_PATIENCE_S = 60.0
"""How long a busy machine may take."""


@asynccontextmanager
async def sockets_closed() -> AsyncIterator[None]:
    """Wait until the sockets of the block are closed: of a TLS connection that is cut this takes turns of the loop."""
    known = asyncio.get_running_loop()._selector.get_map()  # type: ignore[attr-defined]
    before = len(known)
    yield
    async with asyncio.timeout(_PATIENCE_S):
        while len(known) > before:
            await asyncio.sleep(0.001)
