"""Remove the folders that earlier versions left when they were killed during a copy. A copy needs none any more."""

from __future__ import annotations

import contextlib
import re
import time
from pathlib import Path

_NAME = re.compile(r"copy-[a-z0-9_]{8}", re.ASCII)
_FILES = ("known_stores", ".known_stores.lock")
IDLE_S = 120.0
"""A copy of an earlier version, which may still run beside this process, needed its folder for 90 s."""


def clear(folder: Path) -> None:
    """Remove what copies left in the reactor's `folder`: their own files, and folders in which nothing else is."""
    for found in folder.glob("copy-*"):
        if _NAME.fullmatch(found.name) is None or found.is_symlink() or not found.is_dir():
            continue
        # A folder that another process removes or fills at the same time is left to it.
        with contextlib.suppress(OSError):
            if time.time() - found.stat().st_mtime < IDLE_S:
                continue
            for name in _FILES:
                (found / name).unlink(missing_ok=True)
            found.rmdir()
