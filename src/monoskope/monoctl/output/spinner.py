"""The spinner: shows on a terminal that a command still waits. It takes an event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

_FRAMES = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
_FRAME_S = 0.1


class Spinner:
    """Turns from `start` to `stop`."""

    def __init__(self) -> None:
        self._task: asyncio.Task[None] | None = None

    def start(self, show: Callable[[str], None]) -> None:
        """Begin to call `show` with each frame, unless it has begun."""
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(_spin(show))

    async def stop(self) -> None:
        """End it."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)


async def _spin(show: Callable[[str], None]) -> None:
    frame = 0
    while True:
        show(_FRAMES[frame % len(_FRAMES)])
        frame += 1
        await asyncio.sleep(_FRAME_S)
