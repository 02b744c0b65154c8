"""Protect the process's memory before it touches a secret (docs/adr/0004-reactor-memory.md).

The allocator and gRPC are configured before the interpreter starts (`start.execute_again`). This file makes the process
not dumpable, without core files, and not swapped out.
"""

from __future__ import annotations

import ctypes
import platform
import resource
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from monoskope import start
from monoskope.errors import RefusedError

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
