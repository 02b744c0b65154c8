"""A gate before an engine that takes seconds to end and to start again: while it is shut, the engine is away."""

from __future__ import annotations

from contextlib import AsyncExitStack
from types import TracebackType
from typing import Self

from monoskope.testing.parts import free_port
from tests.support.tcp_proxy import proxy


class Gate:
    """Passes connections on to an engine. Open as long as the block of the context manager runs, but after `shut`.

    Args:
        to: The engine's URL, on 127.0.0.1.
    """

    def __init__(self, to: str) -> None:
        before, _, port = to.rpartition(":")
        self._to = int(port)
        self._port = free_port()
        self.url = f"{before}:{self._port}"
        """The URL that leads through the gate."""
        self._ways = AsyncExitStack()
        self._is_open = False

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.shut()

    async def open(self) -> None:
        """Take connections, at the same port as before."""
        if not self._is_open:
            await self._ways.enter_async_context(proxy(self._to, port=self._port))
            self._is_open = True

    async def shut(self) -> None:
        """Take no connections, and cut those that there are."""
        self._is_open = False
        await self._ways.aclose()
