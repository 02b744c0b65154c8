"""`python -m monoskope.m8.dev.die_with_parent PARENT PROGRAM ARGUMENT…`: become PROGRAM, and end when PARENT ends.

On Linux the kernel sends SIGTERM when the parent is gone, however it went (`prctl(2)`, PR_SET_PDEATHSIG); the setting
survives `execve`. A process of its own does this, because code between fork and exec is not safe beside threads.
Elsewhere it only becomes PROGRAM.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Sequence

PR_SET_PDEATHSIG = 1


def command_line(arguments: Sequence[str]) -> list[str]:
    """Return how to start the program `arguments` so that it ends when this process does."""
    return [sys.executable, "-P", "-m", "monoskope.m8.dev.die_with_parent", str(os.getpid()), *arguments]


def main(arguments: list[str]) -> None:
    """Tether this process, then become the program; ends quietly if the parent is gone already."""
    parent, program = int(arguments[0]), arguments[1:]
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:
            return
    os.execv(program[0], program)  # noqa: S606  no shell is wanted


if __name__ == "__main__":
    main(sys.argv[1:])
