"""What was upstream when a one-time key was made: what a write under this key may replace (docs/protocol.md, Versions).

A sealed secret can be held back on its way and delivered later, when something newer is upstream. So the version that a
write replaces is read when its key is made, beside the making: the grant does not wait for it, step 6 does.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from monoskope import operating_log
from monoskope.api.secrets.v1 import upload_pb2
from monoskope.protocol.request import Request
from monoskope.reactor.limits.places import Places
from monoskope.reactor.memory.forget import forget
from monoskope.reactor.upstream.content import Content
from monoskope.stores.driver import DriverError, StoreUnavailableError

AT_ONCE = 32
"""Looks of one process that the engine is asked for at a time; of one subject at most half of what the others leave."""
LATE_S = 2.0
"""Seconds after which a look is late."""

_WRITES = frozenset(
    {
        upload_pb2.PURPOSE_UPLOAD,
        upload_pb2.PURPOSE_GENERATE,
        upload_pb2.PURPOSE_DELETE,
        upload_pb2.PURPOSE_PATCH,
    }
)


class Looks(Protocol):
    """What looks: `monoskope.reactor.upstream.content.Upstream`."""

    async def present(self, request: Request) -> Content:
        """Return what is at the request's place. Raises `DriverError`."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a first look found."""

    content: Content
    late: bool
    """Whether it ended so long after the key was made that something newer may have come before it: then it counts for
    a young key alone."""


@dataclass(frozen=True, slots=True)
class FirstLook:
    """A look that was begun when a key was made."""

    _found: asyncio.Task[Found | DriverError] = field(repr=False)

    async def found(self) -> Found:
        """Return what it found. Raises `DriverError`: the engine could not be asked then."""
        found = await asyncio.shield(self._found)
        if isinstance(found, DriverError):
            # A new one: the traceback of what the task keeps would keep the frames of whoever asks.
            raise type(found)(found.message, fix=found.fix)
        return found


class FirstLooks:
    """Begins a look for each key that may write.

    Args:
        looks: Asks the engine.
        within_s: Seconds that a look may take, waiting included: as long as a key is young. What was read later could
            be something newer than what its user knew.
        now: Monotonic seconds.
    """

    def __init__(self, looks: Looks, *, within_s: float, now: Callable[[], float] = time.monotonic) -> None:
        self._looks = looks
        self._within_s = within_s
        self._now = now
        self._places = Places(AT_ONCE)
        self._running: set[asyncio.Task[Found | DriverError]] = set()

    def begin(self, request: Request, subject: str) -> FirstLook | None:
        """Begin to look at the request's place; return None for one that writes nothing here."""
        if request.purpose not in _WRITES:
            return None
        task = asyncio.create_task(self._look(request, subject))
        # The loop holds its tasks weakly.
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return FirstLook(task)

    async def _look(self, request: Request, subject: str) -> Found | DriverError:
        began = self._now()
        try:
            async with asyncio.timeout(self._within_s), self._places.held(subject):
                content = await self._looks.present(request)
        except TimeoutError:
            return StoreUnavailableError("the engine did not answer when the key was made.", fix="Try again later.")
        except DriverError as error:
            return error
        except Exception as error:  # noqa: BLE001 - a defect must not wait in a task, with what its frames hold
            operating_log.error("first look failed", error)
            forget(error)
            return StoreUnavailableError("what is upstream could not be looked at.", fix="Look into the reactor's log.")
        return Found(content, late=self._now() - began > LATE_S)
