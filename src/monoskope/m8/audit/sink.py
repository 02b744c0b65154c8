"""What takes audit lines, and what m8 notes of how well it does."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from monoskope.errors import UnavailableError
from monoskope.m8.audit.lines import Line
from monoskope.m8.sink_settings import ACCESS


class DeliveryError(UnavailableError):
    """A sink did not take a batch, or did not say that it has all of it. The batch is sent again."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Lines of one kind that are delivered together, in order; at least one."""

    lines: tuple[Line, ...]

    @property
    def kind(self) -> str:
        """`events` or `access`."""
        return self.lines[0].kind

    @property
    def positions(self) -> str:
        """`FIRST-LAST` of events, `access` of calls, which have no position."""
        return ACCESS if self.kind == ACCESS else f"{self.lines[0].position}-{self.lines[-1].position}"

    @property
    def text(self) -> bytes:
        """All lines, each with an end of line."""
        return b"".join(line.text + b"\n" for line in self.lines)


class Sink(Protocol):
    """A file, a syslog server or a webhook."""

    async def deliver(self, batch: Batch) -> None:
        """Return when all of `batch` has arrived for good. Raises `DeliveryError`: then any of it may have."""

    async def close(self) -> None:
        """Release what it holds."""


class SinkState:
    """How one sink does in this process, for metrics.

    Args:
        name: Of the sink.
        clock: Seconds of a monotonic clock.
    """

    def __init__(self, name: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.name = name
        self.position = 0
        """The last event that it has taken from this process."""
        self.is_exporting = False
        """Whether this process sends it the events."""
        self._clock = clock
        self._failing: dict[str, float] = {}

    def failed(self, kind: str) -> bool:
        """Note that lines of a kind were not taken; return whether they were until now."""
        is_new = kind not in self._failing
        self._failing.setdefault(kind, self._clock())
        return is_new

    def took(self, kind: str) -> float:
        """Note that lines of a kind were taken; return for how many seconds they were not, 0 if they always were."""
        since = self._failing.pop(kind, None)
        return 0.0 if since is None else self._clock() - since

    def forget(self, kind: str) -> None:
        """Note that this process sends no lines of a kind any more."""
        self._failing.pop(kind, None)

    @property
    def failing_s(self) -> float:
        """For how many seconds lines have not been taken, 0 if all is well."""
        return max((self._clock() - since for since in self._failing.values()), default=0.0)
