"""The disk under tests: one that none waits for, and small ones that can be full.

Tests do not wait for the disk: none takes the power away, and what a killed process wrote, the kernel keeps.
A log's commits waited longer for it than all else that most tests of m8 do. That m8 itself does wait is a test of
`unit/log/test_sqlite_durability.py`.
"""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from monoskope.m8.log.sqlite import file as sqlite_file


def never_wait() -> None:
    """Let this process write no more than into the kernel's memory."""
    os.fsync = _at_once
    sqlite_file.SYNCHRONOUS = "OFF"


def _at_once(fd: object) -> None:
    del fd


@contextmanager
def mounted(folder: Path, size: int) -> Iterator[Path]:
    """Make `folder` a file system of its own, of so many bytes, for the block. Skip where that is not allowed."""
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("only root may mount a file system")
    folder.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], capture_output=True, check=False
    )
    if done.returncode:
        pytest.skip(f"root may mount no file system here: {done.stderr.decode().strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def fill(disk: Path) -> Path:
    """Take all the space that is left, and return the file that has it."""
    junk = disk / "junk"
    with junk.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError as error:
            assert error.errno == errno.ENOSPC  # noqa: PT017  whatever else fails is raised
    return junk
