"""Look at what is upstream when a one-time key is made: a write under this key may replace only that.

m8 can hold a sealed secret back and deliver it later, when something newer is upstream. So the version that a write
replaces is read at the time when its key is made (docs/protocol.md, What a write may replace). The grant does not wait
for that look; step 6 does.
"""

from __future__ import annotations

import asyncio
import hmac
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from monoskope import operating_log
from monoskope.protocol.request import Request
from monoskope.reactor.identity.fingerprint import Fingerprints
from monoskope.reactor.limits import FairPlaces
from monoskope.reactor.memory import forget
from monoskope.stores.driver import DeletedVersion, DriverError, StoreUnavailableError

AT_ONCE = 32
"""How many looks one process makes at once; those of one subject at most half of what the others leave."""
LATE_S = 2.0
"""Seconds after which a look is late."""


@dataclass(frozen=True, slots=True)
class Content:
    """A version upstream, and its fingerprints; None if the content is not known."""

    version: str
    fingerprints: Fingerprints | None
    is_current: bool = False
    """Whether the engine was asked just now; False if it is what the first look found, and may be gone."""
    deleted: DeletedVersion | None = None
    """For a request that undeletes: what would come back. `version` is that version then, and not upstream."""

    def equals(self, other: Fingerprints) -> bool:
        """Whether the content is known and is that of `other`."""
        return self.fingerprints is not None and hmac.compare_digest(self.fingerprints.whole, other.whole)


@dataclass(frozen=True, slots=True)
class Age:
    """The age of a write's key. While the key is young, what came upstream since it was made counts as concurrent."""

    born: float
    """Monotonic seconds when the key was made."""
    young_until: float
    """Monotonic seconds at which it is young no longer."""
    late_look: bool = False
    """Whether the first look ended so late that it counts only while the key is young."""
    now: Callable[[], float] = time.monotonic

    @property
    def is_young(self) -> bool:
        """Whether the key is young now."""
        return self.now() < self.young_until


class Looks(Protocol):
    """What makes the look: `monoskope.reactor.upstream.content.Upstream`."""

    async def present(self, request: Request) -> Content:
        """Return what is at the request's place. Raises `DriverError`."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a first look found."""

    content: Content
    late: bool
    """Whether it ended so long after the key was made that something newer may have come in between. Then it counts
    only while the key is young."""


@dataclass(frozen=True, slots=True)
class FirstLook:
    """A look that began when a key was made."""

    _found: asyncio.Task[Found | DriverError] = field(repr=False)

    async def found(self) -> Found:
        """Return what it found. Raises `DriverError` if the engine could not be asked at that time."""
        found = await asyncio.shield(self._found)
        if isinstance(found, DriverError):
            # A new exception: the task keeps the old one, and its traceback would keep the frames of the caller.
            anew = type(found)(found.message, fix=found.fix)
            anew.told = found.told
            raise anew
        return found


@dataclass(slots=True)
class FirstLooks:
    """Begins a look for each key that may write."""

    looks: Looks
    """Asks the engine."""
    within_s: float
    """Seconds that a look may take, waiting included: as long as a key is young. What is read later could be newer than
    what the user knew."""
    now: Callable[[], float] = time.monotonic
    _places: FairPlaces = field(default_factory=lambda: FairPlaces(AT_ONCE))
    _running: set[asyncio.Task[Found | DriverError]] = field(default_factory=set)

    def begin(self, request: Request, subject: str) -> FirstLook | None:
        """Begin to look at the request's place; return None for a request that writes nothing here."""
        if not request.rules.writes_here:
            return None
        task = asyncio.create_task(self._look(request, subject))
        # The loop holds its tasks weakly.
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return FirstLook(task)

    async def _look(self, request: Request, subject: str) -> Found | DriverError:
        began = self.now()
        # The grant, which is made in the same breath and is what the client waits for, goes out first.
        await asyncio.sleep(0)
        try:
            async with asyncio.timeout(self.within_s), self._places.held(subject):
                content = await self.looks.present(request)
        except TimeoutError:
            return StoreUnavailableError("the engine did not answer when the key was made.", fix="Try again later.")
        except DriverError as error:
            return error
        except Exception as error:  # noqa: BLE001 - a defect must not wait in a task, with what its frames hold
            operating_log.error("first look failed", error)
            forget(error)
            return StoreUnavailableError("what is upstream could not be looked at.", fix="Look into the reactor's log.")
        return Found(content, late=self.now() - began > LATE_S)
