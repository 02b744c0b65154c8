"""The CPU time of processes, as the system tells it."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Mapping
from pathlib import Path

from monoskope.errors import UnavailableError


async def spent_ms(pids: Mapping[str, int], times: int, work: Awaitable[object]) -> dict[str, float]:
    """Do `work`, which is `times` the same thing, and return the CPU milliseconds of one of them in each process.

    Raises:
        UnavailableError: the system does not tell; Linux does.
    """
    before = {name: cpu_seconds(pid) for name, pid in pids.items()}
    await work
    return {name: (cpu_seconds(pid) - before[name]) / times * 1_000 for name, pid in pids.items()}


def starved_seconds(pid: int) -> float:
    """Return how long the main thread of a process could have gone on, and no processor was free; 0 if nobody knows."""
    stat = Path(f"/proc/{pid}/schedstat")
    return int(stat.read_text(encoding="ascii").split()[1]) / 1e9 if stat.exists() else 0.0


def cpu_seconds(pid: int) -> float:
    """Return the CPU seconds that a process has used.

    Raises:
        UnavailableError: the system does not tell; Linux does.
    """
    stat = Path(f"/proc/{pid}/stat")
    if not stat.exists():
        raise UnavailableError("this system does not tell the CPU time of a process.", fix="Measure on Linux.")
    fields = stat.read_text(encoding="utf-8").rpartition(")")[2].split()
    ticks = os.sysconf("SC_CLK_TCK")
    return (int(fields[11]) + int(fields[12])) / ticks
