"""The CPU time of processes, as the system tells it."""

from __future__ import annotations

import os
from pathlib import Path

from monoskope.errors import UnavailableError


def starved_seconds(pid: int) -> float:
    """Return how long the main thread of a process could have gone on, and no processor was free; 0 if nobody knows."""
    stat = Path(f"/proc/{pid}/schedstat")
    return int(stat.read_text(encoding="ascii").split()[1]) / 1e9 if stat.exists() else 0.0


def cpu_seconds(pid: int) -> float:
    """Return the CPU seconds that a process has used.

    Raises:
        UnavailableError: the system does not tell; Linux does.
    """
    return _seconds(pid, 2)


def family_seconds(pid: int) -> float:
    """Return the CPU seconds of a process and of those that it has started, also of those that have ended.

    Raises:
        UnavailableError: as `cpu_seconds`.
    """
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    return _seconds(pid, 4) + sum(_seconds(int(child), 2) for child in children)


def _seconds(pid: int, fields: int) -> float:
    """Return the sum of so many of these: user and system time, and both of the children that were waited for."""
    stat = Path(f"/proc/{pid}/stat")
    if not stat.exists():
        raise UnavailableError("this system does not tell the CPU time of a process.", fix="Measure on Linux.")
    said = stat.read_text(encoding="utf-8").rpartition(")")[2].split()
    return sum(map(int, said[11 : 11 + fields])) / os.sysconf("SC_CLK_TCK")
