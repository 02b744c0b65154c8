"""Faults of one process, of m8, a reactor, `monoctl` or an engine: each is broken as long as the block runs."""

from __future__ import annotations

import contextlib
import resource
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import psutil

from monoskope.failpoints import VARIABLE
from monoskope.testing.parts import Part, wait_until


class Process(Protocol):
    @property
    def pid(self) -> int | None:
        """Its process while it runs."""

    def start(self) -> None:
        """Start it, unless it runs."""

    def kill(self) -> None:
        """End it at once."""


def signal_all(process: Process, number: signal.Signals) -> None:
    """Send a signal to a process and to all that it started; those of PostgreSQL have groups of their own."""
    with contextlib.suppress(psutil.NoSuchProcess):
        if process.pid is not None:
            first = psutil.Process(process.pid)
            for one in (first, *first.children(recursive=True)):
                with contextlib.suppress(psutil.NoSuchProcess):
                    one.send_signal(number)


def mend(process: Process) -> None:
    signal_all(process, signal.SIGCONT)
    process.start()


@contextmanager
def killed(process: Process) -> Iterator[None]:
    """It is gone at once."""
    signal_all(process, signal.SIGCONT)  # one that stands still does not see that its parent is gone
    process.kill()
    yield
    mend(process)


@contextmanager
def stopped(process: Process) -> Iterator[None]:
    """It stands still, and does so before the block begins: the signal counts once a thread of the process runs."""
    signal_all(process, signal.SIGSTOP)
    wait_until(lambda: stands_still(process), what="it stands still")
    try:
        yield
    finally:
        signal_all(process, signal.SIGCONT)


def arm(part: Part, failpoints: str) -> None:
    part.kill()
    part.start({VARIABLE: failpoints} if failpoints else None)


@contextmanager
def armed(part: Part, failpoints: str) -> Iterator[None]:
    """It breaks when it comes to its failpoint, and is started without one if it died of that."""
    arm(part, failpoints)
    yield
    mend(part)


def stands_still(process: Process) -> bool:
    """Whether it is gone, or stopped."""
    pid = process.pid
    with contextlib.suppress(psutil.NoSuchProcess):
        return pid is None or psutil.Process(pid).status() == psutil.STATUS_STOPPED
    return True


def dies(part: Part) -> None:
    wait_until(lambda: part.pid is None, what=f"{part.name} dies")


def wake(part: Part) -> None:
    """Continue a part that stops itself, once it has: a signal that comes before that comes to nothing.

    What it recorded last may be seen before it stands still.
    """

    wait_until(lambda: part.pid is not None and stands_still(part), what=f"{part.name} stands still")
    signal_all(part, signal.SIGCONT)


@contextmanager
def full_disk(part: Part, files: Sequence[Path], room: int = 0) -> Iterator[None]:
    """No file of a process can grow beyond the largest of `files` and `room` bytes (RLIMIT_FSIZE)."""
    with _limited(part, resource.RLIMIT_FSIZE, max(file.stat().st_size for file in files) + room):
        yield


@contextmanager
def no_descriptors(part: Part) -> Iterator[None]:
    """A process can open no more files than it has (RLIMIT_NOFILE)."""
    with _limited(part, resource.RLIMIT_NOFILE, len([*Path(f"/proc/{part.pid}/fd").iterdir()])):
        yield


@contextmanager
def _limited(part: Part, which: int, soft: int) -> Iterator[None]:
    assert part.pid is not None
    before = resource.prlimit(part.pid, which)
    resource.prlimit(part.pid, which, (soft, before[1]))
    try:
        yield
    finally:
        resource.prlimit(part.pid, which, before)
