"""The last words of an m8 that stops, to a log that may not answer any more."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from monoskope.errors import UnavailableError

GOODBYE_S = 5.0
"""How long m8 tries to say each of them. Whoever does not hear them finds out by the time of a lease or a heartbeat."""


@contextlib.asynccontextmanager
async def goodbye() -> AsyncIterator[None]:
    """Leave the block without an error after `GOODBYE_S`, or when the log does not answer: a stop has a bound.

    A database that answers nothing would otherwise let the words wait behind all calls that wait for it.
    """
    with contextlib.suppress(UnavailableError, TimeoutError):
        async with asyncio.timeout(GOODBYE_S):
            yield
