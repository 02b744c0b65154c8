"""What the terminal of a console says and hears."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections.abc import Callable


def hear_enter(pressed: Callable[[], None]) -> bool:
    """Call `pressed` in the event loop each time that Enter is pressed in this process's terminal, if it has one.

    Return whether it has. In the background nothing is read: the system would stop the process for it.
    """
    if sys.stdin is None or not sys.stdin.isatty() or not _is_in_front():
        return False
    loop = asyncio.get_running_loop()

    def read() -> None:
        while sys.stdin.readline():
            try:
                loop.call_soon_threadsafe(pressed)
            except RuntimeError:
                return  # the loop is closed: the console has ended

    threading.Thread(target=read, daemon=True).start()
    return True


def _is_in_front() -> bool:
    if not hasattr(os, "tcgetpgrp"):
        return True
    try:
        return os.tcgetpgrp(sys.stdin.fileno()) == os.getpgrp()
    except OSError:
        return True  # it is a terminal, and not the one that could stop us
