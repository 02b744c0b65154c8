"""The disk in tests: one that nothing waits for, and small ones that become full.

Tests do not wait for the disk: none takes the power away, and what a killed process wrote, the kernel keeps.
A log's commits waited longer for it than all else that most tests of m8 do. That m8 itself does wait is a test of
`unit/log/test_sqlite_durability.py`.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from monoskope.m8.log import sqlite_file


def never_wait() -> None:
    """Let this process write no more than into the kernel's memory."""
    os.fsync = _at_once
    sqlite_file.SYNCHRONOUS = "OFF"


@contextmanager
def small(folder: Path, options: str) -> Iterator[Path]:
    """Mount a file system of its own at `folder` for the block: `size=64k`. Skip the test where that is not allowed."""
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("only root may mount a file system")
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], capture_output=True, check=False)
    if done.returncode:
        pytest.skip(f"root may mount no file system here: {done.stderr.decode().strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def _at_once(fd: object) -> None:
    del fd
