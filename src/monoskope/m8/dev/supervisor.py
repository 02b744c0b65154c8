"""Keeps processes running: starts them, starts them again when they end, stops them all. `m8 dev` alone uses it.

Each process leads a group of its own, so that Ctrl-C on the terminal reaches the supervisor alone and it decides the
order of stopping; and each ends when the supervisor does (`die_with_parent`).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from monoskope.errors import UnavailableError
from monoskope.m8.dev import die_with_parent

T = TypeVar("T")

STOP_S = 10.0
"""How long a process may take to end after SIGTERM before it is killed."""

FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 30.0

STEADY_S = 60.0
"""After a process ran for so long, the next pause is the first one again."""


@dataclass(frozen=True, slots=True)
class Child:
    """A process to keep running.

    Attributes:
        name: For people.
        arguments: Program and arguments.
        output_file: Where its output is appended.
    """

    name: str
    arguments: tuple[str, ...]
    output_file: Path
    environment: dict[str, str] = field(default_factory=dict)


class Supervisor:
    """Keeps children running between `start` and `stop`. Made inside the event loop.

    Args:
        say: Called with a sentence whenever a child ended by itself.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._keepers: list[asyncio.Task[None]] = []
        self._death: asyncio.Future[UnavailableError] = asyncio.get_running_loop().create_future()

    async def start(self, child: Child) -> None:
        """Start `child` and keep it running. Raises `UnavailableError` if it cannot be started at all."""
        process = await _spawn(child)
        self._keepers.append(asyncio.create_task(self._keep(child, process), name=child.name))

    async def until(self, step: Coroutine[Any, Any, T]) -> T:
        """Return the result of `step`.

        Raises:
            UnavailableError: a child ended before `step` did; says how, with the end of its output.
        """
        task = asyncio.create_task(step)
        try:
            await asyncio.wait((task, self._death), return_when=asyncio.FIRST_COMPLETED)
            if not task.done():
                raise self._death.result()
            return await task
        finally:
            task.cancel()

    async def stop(self) -> None:
        """Stop all children, the one started last first, and return when none is left."""
        while self._keepers:
            keeper = self._keepers.pop()
            keeper.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await keeper

    async def _keep(self, child: Child, process: asyncio.subprocess.Process) -> None:
        clock = asyncio.get_running_loop().time
        pause = FIRST_PAUSE_S
        try:
            while True:
                started = clock()
                code = await process.wait()
                pause = FIRST_PAUSE_S if clock() - started >= STEADY_S else pause
                if not self._death.done():
                    self._death.set_result(_premature(child, code))
                self._say(f"{child.name} {_ending(code)}; it starts again in {pause:g} s. Its log: {child.output_file}")
                await asyncio.sleep(pause)
                pause = min(pause * 2, LONGEST_PAUSE_S)
                process = await _spawn(child)
        finally:
            await _end(process)


async def _spawn(child: Child) -> asyncio.subprocess.Process:
    try:
        output = os.open(child.output_file, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            return await asyncio.create_subprocess_exec(
                *die_with_parent.command_line(child.arguments),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={**os.environ, **child.environment},
                process_group=0,
            )
        finally:
            os.close(output)
    except OSError as error:
        raise UnavailableError(f"{child.name} cannot be started: {error.strerror}.", fix="Try again.") from None


async def _end(process: asyncio.subprocess.Process) -> None:
    """Ask a process to end, wait for that, and kill it if it takes too long or we are told not to wait."""
    try:
        if process.returncode is None:
            process.terminate()
            await asyncio.wait_for(process.wait(), STOP_S)
    except (TimeoutError, ProcessLookupError):
        pass  # it is killed below, or it has ended
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def _premature(child: Child, code: int) -> UnavailableError:
    with child.output_file.open("rb") as output:
        output.seek(max(0, output.seek(0, os.SEEK_END) - 2_000))
        lines = output.read().decode(errors="replace").splitlines()
    said = " ".join(line.strip() for line in lines[-2:])
    return UnavailableError(f"{child.name} {_ending(code)}: {said}", fix=f"Read {child.output_file}.")


def _ending(code: int) -> str:
    if code >= 0:
        return f"ended with exit code {code}"
    return f"was ended by {signal.Signals(-code).name}"
