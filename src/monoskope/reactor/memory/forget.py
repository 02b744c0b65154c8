"""Release what an exception holds: its frames, and those of its causes and contexts.

An exception keeps the frames through which it passed, and every value in them. A frame that has the exception in a
variable keeps it in turn: then both stay until the garbage collector runs, which in an idle process may be never.
"""

from __future__ import annotations

import asyncio
import traceback
from typing import Any

from monoskope import operating_log
from monoskope.errors import chain


def forget(error: BaseException) -> None:
    """Clear the frames of `error`, of its causes and contexts and of the members of a group, and drop the tracebacks.

    Frames that still run are left as they are. An exception keeps its own arguments until it is freed.
    """
    for one in chain(error):
        traceback.clear_frames(one.__traceback__)
        one.__traceback__ = None


def forget_stray_exceptions(loop: asyncio.AbstractEventLoop) -> None:
    """Have `loop` log exceptions that nobody awaits by type and place alone, and forget them."""
    loop.set_exception_handler(_report)


def _report(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    error = context.get("exception")
    if isinstance(error, BaseException):
        operating_log.error("stray exception", error)
        forget(error)
    else:
        operating_log.get().error("stray exception")
