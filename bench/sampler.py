"""Where a process spends its CPU time: its main thread by samples of its stack, its other threads by their clocks.

A timer of the process's CPU time interrupts it, a few hundred times a second. Each sample counts for the CPU time that
the main thread has used since the last one, so the sum is what the kernel says, whenever samples come. Python looks at
signals between its own instructions: time in compiled code counts for the Python function that called it.
"""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections import defaultdict
from pathlib import Path
from types import FrameType

_EVERY_S = 0.001
"""CPU time between two samples. The kernel's clock tick is longer on most machines, and then counts instead."""

_DEEPEST = 40
"""Frames of a stack that are kept, the innermost ones."""

Samples = dict[str, float]
"""Seconds of CPU by stack: `file:function` of each frame, the innermost first, separated by semicolons."""

OTHER_THREADS = "threads"
NATIVE_THREADS = "native threads"
"""What stands for the stack of a thread that is not the main one: this, a colon and its name; or this alone."""


class Sampler:
    """Samples the process that it is made in. To be used on the main thread."""

    def __init__(self) -> None:
        self._stacks: defaultdict[tuple[str, ...], float] = defaultdict(float)
        self._names: dict[object, str] = {}
        self._last = 0.0
        self._before: dict[str, float] = {}

    def begin(self) -> None:
        """Sample from now on."""
        self._stacks.clear()
        self._before = _clocks()
        self._last = time.thread_time()
        signal.signal(signal.SIGPROF, self._take)
        signal.siginterrupt(signal.SIGPROF, False)  # noqa: FBT003  the standard library's own parameter
        signal.setitimer(signal.ITIMER_PROF, _EVERY_S, _EVERY_S)

    def end(self) -> Samples:
        """Stop, and return the seconds of CPU by stack since `begin`."""
        signal.setitimer(signal.ITIMER_PROF, 0)
        found = {";".join(stack): seconds for stack, seconds in self._stacks.items()}
        for name, seconds in _clocks().items():
            if (spent := seconds - self._before.get(name, 0.0)) > 0:
                found[name] = spent
        return found

    def _take(self, _number: int, frame: FrameType | None) -> None:
        now = time.thread_time()
        spent, self._last = now - self._last, now
        stack: list[str] = []
        while frame is not None and len(stack) < _DEEPEST:
            stack.append(self._name(frame))
            frame = frame.f_back
        self._stacks[tuple(stack)] += spent

    def _name(self, frame: FrameType) -> str:
        code = frame.f_code
        known = self._names.get(code)
        if known is None:
            parts = code.co_filename.replace("\\", "/").split("/")
            known = self._names[code] = f"{'/'.join(parts[-3:])}:{code.co_qualname}"
        return known


def _clocks() -> dict[str, float]:
    """Return the CPU seconds of each thread but the main one, and of those that Python does not know together."""
    found: dict[str, float] = {}
    rest = time.process_time()
    for thread in threading.enumerate():
        if thread.ident is not None:
            seconds = time.clock_gettime(time.pthread_getcpuclockid(thread.ident))
            rest -= seconds
            if thread is not threading.main_thread():
                name = f"{OTHER_THREADS}:{thread.name}"
                found[name] = found.get(name, 0.0) + seconds
    return found | {NATIVE_THREADS: rest}


def obey(folder: Path) -> None:
    """Let SIGUSR2 begin to sample this process, and the next one end it: `folder/<pid>.json` has the samples then."""
    sampler = Sampler()
    is_on = False

    samples = folder / f"{os.getpid()}.json"

    def toggle(_number: int, _frame: FrameType | None) -> None:
        nonlocal is_on
        if is_on:
            new = samples.with_suffix(".new")
            new.write_text(json.dumps(sampler.end()), encoding="utf-8")
            new.replace(samples)
        else:
            sampler.begin()
        is_on = not is_on

    signal.signal(signal.SIGUSR2, toggle)
