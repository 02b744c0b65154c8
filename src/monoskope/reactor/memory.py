"""Keep no secret in memory longer than its request (docs/adr/0004-reactor-memory.md).

`forget` releases what an exception holds: its frames, and those of its causes and contexts.
An exception keeps the frames through which it passed, and every value in them. A frame that has the exception in a
variable keeps it in turn: then both stay until the garbage collector runs, which in an idle process may be never.

`Garbage` runs the garbage collector soon after each use of the engine, and after a request has ended.
Libraries leave reference cycles of exceptions, parsers and connections, which hold what was read or sent: an HTTP
client, for example, after each answer that it could not parse. Only the garbage collector frees those. Python starts it
by the number of new objects, which in an idle process may take hours.

`harden` protects the process's memory before it touches a secret.
The allocator is configured before the interpreter starts (`start.execute_again`). This file makes the process
not dumpable, without core files, and not swapped out.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
import platform
import resource
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from monoskope import operating_log, start
from monoskope.errors import RefusedError, chain


def forget(error: BaseException) -> None:
    """Clear the frames of `error`, of its causes and contexts and of the members of a group, and drop the tracebacks.

    Frames that still run are left as they are. An exception keeps its own arguments until it is freed.
    """
    for one in chain(error):
        traceback.clear_frames(one.__traceback__)
        one.__traceback__ = None


def forget_stray_exceptions(loop: asyncio.AbstractEventLoop) -> None:
    """Have `loop` log exceptions that are never awaited by type and place alone, and forget them."""
    loop.set_exception_handler(_report)


def _report(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    error = context.get("exception")
    if isinstance(error, BaseException):
        operating_log.error("stray exception", error)
        forget(error)
    else:
        operating_log.get().error("stray exception")


SETTLED_S = 0.3
"""Seconds until a collection finds what a call leaves: by then broken connections have been given up."""

LATEST_S = 0.9
"""Seconds to the collection at most. So a second later nothing is left, also where the event loop is busy."""


class Garbage:
    """Collects garbage a little later. Not for several threads."""

    def __init__(self) -> None:
        self._due_at: float | None = None
        self._missed_at: float | None = None
        """When it was first asked for a collection too late for the one that is due."""

    def collect_soon(self) -> None:
        """Collect between `SETTLED_S` and `LATEST_S` seconds from now; calls share collections where that allows it."""
        now = asyncio.get_running_loop().time()
        if self._due_at is None:
            self._collect_at(now + LATEST_S)
        elif self._missed_at is None and self._due_at - now < SETTLED_S:
            self._missed_at = now

    def _collect_at(self, moment: float) -> None:
        self._due_at = moment
        asyncio.get_running_loop().call_at(moment, self._collect)

    def _collect(self) -> None:
        gc.collect()
        missed_at, self._due_at, self._missed_at = self._missed_at, None, None
        if missed_at is not None:
            self._collect_at(missed_at + LATEST_S)


_LOCK_CURRENT_FUTURE_ON_FAULT = 1 | 2 | 4
_CAP_IPC_LOCK = 14

_SWAPPABLE = "the reactor's memory can be swapped to disk: it may not lock it, and swap is active."
_NO_SWAP = "Let it lock memory (LimitMEMLOCK=infinity, CAP_IPC_LOCK), set memory.swap.max to 0, or turn swap off."
_ONLY_TO_TRY = (
    "Only to try things out: set allow_swap = true in reactor.toml, as `m8 reactor init --allow-swap` does;"
    " secrets may then end up on the disk."
)


@dataclass(frozen=True, slots=True)
class Swap:
    """Whether the kernel could swap out this process's memory. Tests replace the paths."""

    proc: Path = Path("/proc")
    cgroups: Path = Path("/sys/fs/cgroup")

    def possible(self) -> bool:
        """Return False only if no swap is active, or this process's control group, or one above it, may use none."""
        return self._active() and not self._forbidden()

    def _active(self) -> bool:
        try:
            return len((self.proc / "swaps").read_text(encoding="ascii").splitlines()) > 1
        except OSError:
            return True

    def _forbidden(self) -> bool:
        try:
            lines = (self.proc / "self" / "cgroup").read_text(encoding="ascii").splitlines()
        except OSError:
            return False
        for line in lines:
            if line.startswith("0::/"):
                group = self.cgroups / line.removeprefix("0::/")
                return any(_is_zero(folder / "memory.swap.max") for folder in (group, *group.parents))
        return False


def _is_zero(file: Path) -> bool:
    try:
        return file.read_text(encoding="ascii").strip() == "0"
    except OSError:
        return False


def may_lock(proc: Path = Path("/proc")) -> bool:
    """Return whether future memory may be locked, too; if not, a later allocation would fail instead of this call."""
    _, hard = resource.getrlimit(resource.RLIMIT_MEMLOCK)
    if hard == resource.RLIM_INFINITY:
        resource.setrlimit(resource.RLIMIT_MEMLOCK, (hard, hard))
        return True
    try:
        status = (proc / "self" / "status").read_text(encoding="ascii")
    except OSError:
        return False
    held = next((line.split()[1] for line in status.splitlines() if line.startswith("CapEff:")), "0")
    return bool(int(held, 16) >> _CAP_IPC_LOCK & 1)


def lock_memory() -> bool:
    """Lock this process's memory, present and future; return whether the kernel agreed."""
    return may_lock() and ctypes.CDLL(None, use_errno=True).mlockall(_LOCK_CURRENT_FUTURE_ON_FAULT) == 0


def harden(*, allow_swap: bool = False, lock: Callable[[], bool] = lock_memory, swap: Swap | None = None) -> list[str]:
    """Close the process's memory to others, and return a sentence for each protection that is not possible here.

    Args:
        allow_swap: Go on even if this process's memory could be swapped out, with a sentence that says so.
        lock: Locks the memory, and says whether the kernel agreed.
        swap: Asked where memory could not be locked.

    Raises:
        RefusedError: this process's memory could be swapped out, and that is not allowed.
    """
    start.close_memory()
    if not sys.platform.startswith("linux"):
        return ["not on Linux: memory is not locked, not hidden from debuggers, and not overwritten when freed."]
    missing = []
    if not lock() and (swap or Swap()).possible():
        if not allow_swap:
            raise RefusedError(_SWAPPABLE, fix=f"{_NO_SWAP} {_ONLY_TO_TRY}")
        missing.append(f"WARNING: {_SWAPPABLE} Secrets and keys may end up there. allow_swap permits it. {_NO_SWAP}")
    if platform.libc_ver()[0] != "glibc":
        missing.append("the C library is not glibc: memory is not overwritten when it is freed.")
    return missing
