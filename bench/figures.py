"""Small statistics, and what the system says of a process."""

from __future__ import annotations

import statistics
import subprocess
from collections.abc import Sequence
from pathlib import Path

KIB = 1_024


def p50(seconds: Sequence[float]) -> float:
    """Return the median."""
    return statistics.median(seconds)


def p99(seconds: Sequence[float]) -> float:
    """Return the value that one in a hundred is above."""
    return statistics.quantiles(seconds, n=100, method="inclusive")[98]


def rss_bytes(pid: int) -> int:
    """Return the memory of a process that is in RAM, in bytes."""
    status = Path(f"/proc/{pid}/status")
    if status.exists():
        line = next(line for line in status.read_text(encoding="ascii").splitlines() if line.startswith("VmRSS:"))
        return int(line.split()[1]) * KIB
    said = subprocess.run(["ps", "-o", "rss=", "-p", str(pid)], capture_output=True, text=True, check=True)
    return int(said.stdout) * KIB


def mib(size: int) -> float:
    """Return bytes as MiB with one digit."""
    return round(size / KIB / KIB, 1)
