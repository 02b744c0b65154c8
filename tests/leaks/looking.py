"""Where the rig cannot look, it fails."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


def must_be_able_to_look(pid: int) -> None:
    """Fail, with what is missing, where this process cannot look into another one."""
    if not Path("/proc/self/mem").exists():
        pytest.fail("there is no /proc here: the memory, arguments and environments of processes cannot be searched")
    try:
        os.close(os.open(f"/proc/{pid}/mem", os.O_RDONLY))
    except (ProcessLookupError, FileNotFoundError):
        pytest.fail(f"process {pid} ended before its memory was searched")
    except OSError as error:
        pytest.fail(f"no right to trace process {pid} ({error.strerror}): run this as root, or with CAP_SYS_PTRACE")


def is_stopped(pid: int) -> bool:
    """Whether a process was stopped by a signal."""
    return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0] == "T"
