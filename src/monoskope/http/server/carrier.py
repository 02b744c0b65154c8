"""What a WebSocket needs of its connection: apart from `websocket`, which a server without WebSockets does not load."""

from __future__ import annotations

import asyncio
from typing import Protocol


class Carrier(Protocol):
    """What a WebSocket needs of its connection."""

    transport: asyncio.Transport
    is_blocked: bool

    async def writable(self) -> None:
        """Wait until the peer has read enough, or is gone."""

    def within(self, seconds: float) -> None:
        """Call `expire` after so many seconds, unless this is called again."""

    def close(self) -> None:
        """Send what is written, and end."""
