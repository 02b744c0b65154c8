"""`python -m monoskope.m8.dev.die_with_parent PARENT PROGRAM ARGUMENT…`: run PROGRAM, which ends when PARENT ends.

On Linux the kernel sends SIGTERM when the parent ends in whatever way (`prctl(2)`, PR_SET_PDEATHSIG); the setting
survives `execve`. It is done in a process of its own, because code between fork and exec is unsafe in a program with
threads. On other systems it only runs PROGRAM.
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
    """Have this process end with its parent, then run the program. Ends at once if the parent is gone already."""
    parent, program = int(arguments[0]), arguments[1:]
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:
            return
    os.execv(program[0], program)  # noqa: S606  no shell is wanted


if __name__ == "__main__":
    main(sys.argv[1:])
