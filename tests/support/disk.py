"""Tests do not wait for the disk: none takes the power away, and what a killed process wrote, the kernel keeps.

A log's commits waited longer for it than all else that most tests of m8 do. That m8 itself does wait is a test of
`unit/log/test_sqlite_durability.py`.
"""

from __future__ import annotations

import os

from monoskope.m8.log import sqlite_file


def never_wait() -> None:
    """Let this process write no more than into the kernel's memory."""
    os.fsync = _at_once
    sqlite_file.SYNCHRONOUS = "OFF"


def _at_once(fd: object) -> None:
    del fd
