"""Whether this process can work: what it needs of its own machine, and whether the engine would serve it.

It needs room for its audit log, and file descriptors. Without them it can do nothing, whatever its engine can. It then
says so of itself: it is not ready, gives no key, and leaves requests to the other replicas of its store.

The engine is asked in the background, for the heartbeats. A failed request alone does not make the engine unavailable:
its reason may lie in one secret. It makes the next look come sooner.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from monoskope import operating_log
from monoskope.api.gateway.v1 import reactor_pb2
from monoskope.api.secrets.v1 import upload_pb2
from monoskope.errors import chain, docs_page
from monoskope.protocol.receipt import Receipt
from monoskope.reactor.timings import Timings
from monoskope.stores.driver import DriverError, StoreDriver, StoreUnavailableError
from monoskope.times import now_ms

NO_AUDIT = "the reactor cannot write its audit log."
NO_DESCRIPTORS = "the reactor has no file descriptors left."
KINDS = ("audit", "descriptors")
"""What can be missing, as labels of metrics."""

_SPARE = 4
"""Descriptors that must be free: a connection to the engine, a file of its driver, and the two lists of signers."""
_OUT_OF_DESCRIPTORS = frozenset({errno.EMFILE, errno.ENFILE})


class Trouble(NamedTuple):
    """What is missing."""

    kind: str
    """One of `KINDS`."""
    told: str
    """The sentence that users may be told."""
    message: str
    """The sentence for the operator, with the name of the error."""
    fix: str


class Noted(Protocol):
    """The audit log, as far as it is asked whether it can be written."""

    def failure(self) -> OSError | None:
        """Return why the audit log cannot be written now, None if it can."""


class Resources:
    """Looks whether they are there, and logs when that changes."""

    def __init__(self, audit: Noted) -> None:
        self._audit = audit
        self._logged = ""

    def trouble(self) -> Trouble | None:
        """Return what is missing now, None if nothing is."""
        found = self._found()
        if found is not None and found.message != self._logged:
            operating_log.get().error("reactor cannot work", message=found.message, fix=found.fix)
        if found is None and self._logged:
            operating_log.get().info("reactor can work again")
        self._logged = "" if found is None else found.message
        return found

    def _found(self) -> Trouble | None:
        if (error := out_of_descriptors()) is not None:
            return Trouble(
                "descriptors",
                NO_DESCRIPTORS,
                f"no file can be opened: {_named(error)}.",
                "Raise the limit (LimitNOFILE= of the unit, `ulimit -n`) and look what holds them: ls -l /proc/PID/fd."
                f" {docs_page('operate/reactor-cannot-work.md')}",
            )
        if (error := self._audit.failure()) is not None:
            return Trouble(
                "audit",
                NO_AUDIT,
                f"audit.jsonl cannot be written: {_named(error)}.",
                "Give the disk of the reactor's folder room; it goes on by itself."
                f" {docs_page('operate/reactor-cannot-work.md')}",
            )
        return None


def is_our_own(error: BaseException) -> bool:
    """Whether an engine could not be asked because this process has no file descriptors left.

    A driver may have dropped the error that said so: then it shows for as long as there are none.
    """
    said = any(isinstance(one, OSError) and one.errno in _OUT_OF_DESCRIPTORS for one in chain(error))
    return said or out_of_descriptors() is not None


def out_of_descriptors() -> OSError | None:
    """Return why no file can be opened now, None if one can."""
    with contextlib.ExitStack() as held:
        try:
            for _ in range(_SPARE):
                held.callback(os.close, os.open("/", os.O_RDONLY | os.O_CLOEXEC))
        except OSError as error:
            return error
    return None


def _named(error: OSError) -> str:
    return f"{errno.errorcode.get(error.errno or 0, 'error')}, {os.strerror(error.errno or 0)}"


_ABOUT_THE_ENGINE = frozenset(
    {
        upload_pb2.REASON_UPSTREAM_UNAVAILABLE,
        upload_pb2.REASON_UPSTREAM_REFUSED,
        upload_pb2.REASON_OUTCOME_UNKNOWN,
    }
)
_WELL = frozenset({reactor_pb2.ENGINE_HEALTH_OK, reactor_pb2.ENGINE_HEALTH_UNSPECIFIED})


_STATES = {
    reactor_pb2.ENGINE_HEALTH_OK: "ok",
    reactor_pb2.ENGINE_HEALTH_UNAVAILABLE: "unavailable",
    reactor_pb2.ENGINE_HEALTH_REFUSED: "refused",
    reactor_pb2.ENGINE_HEALTH_UNSPECIFIED: "unknown",
}
STATES = tuple(_STATES.values())
"""How an engine can be found, as labels of metrics."""


@dataclass(slots=True)
class Health:
    """Asks the engine, and remembers how the last failed request ended."""

    driver: StoreDriver
    timings: Timings
    """How often it is asked."""
    troubles: Callable[[], tuple[str, ...]] = tuple
    """Returns a sentence for each list of signers that cannot be used."""
    resources: Resources | None = None
    """What this process needs to ask the engine at all."""
    now_ms: Callable[[], int] = now_ms
    """Milliseconds since 1970."""
    looked_at_s: float = field(default=0.0, init=False)
    """When the engine was found last, seconds since 1970; 0 for never."""
    _said: reactor_pb2.Heartbeat = field(default_factory=reactor_pb2.Heartbeat)
    _looked: float | None = None
    _news: asyncio.Event = field(default_factory=asyncio.Event)
    _soon: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def state(self) -> str:
        """How the engine was found last, one of `STATES`."""
        return _STATES[self._said.engine]

    def heartbeat(self) -> reactor_pb2.Heartbeat:
        """Return the heartbeat to send now."""
        self._news.clear()
        said = reactor_pb2.Heartbeat()
        said.CopyFrom(self._said)
        said.signers_trouble = bool(self.troubles())
        if self._looked is not None:
            said.engine_looked_ms_ago = int((time.monotonic() - self._looked) * 1000)
        return said

    async def news(self, *, within: float) -> None:
        """Return when a heartbeat would differ from the last one, or `within` seconds are over."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within):
                await self._news.wait()

    def ended(self, receipt: Receipt) -> None:
        """Take note of how a request ended."""
        if receipt.outcome != upload_pb2.OUTCOME_FAILED:
            return
        self._said.last_failure = receipt.reason
        self._said.last_failure_at_ms = self.now_ms()
        self._news.set()
        if receipt.reason in _ABOUT_THE_ENGINE:
            self._soon.set()

    async def run(self) -> None:
        """Ask again and again, until cancelled."""
        while True:
            self._soon.clear()
            began = time.monotonic()
            found = await self._found()
            self._looked, self.looked_at_s = began, self.now_ms() / 1000
            self._note(found)
            await asyncio.sleep(self.timings.health_again)
            if self._said.engine in _WELL:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(max(0.0, self.timings.health - self.timings.health_again)):
                        await self._soon.wait()

    def _note(self, engine: reactor_pb2.EngineHealth) -> None:
        if engine not in _WELL:
            # Even if nothing changed: m8 refuses a request only by a look that began after it, and users wait for that.
            self._news.set()
        if engine == self._said.engine:
            return
        self._said.engine = engine
        self._news.set()
        operating_log.get().info("engine", health=reactor_pb2.EngineHealth.Name(engine).removeprefix("ENGINE_HEALTH_"))

    async def _found(self) -> reactor_pb2.EngineHealth:
        if self.resources is not None and self.resources.trouble() is not None:
            return reactor_pb2.ENGINE_HEALTH_UNSPECIFIED  # It could not be asked, and is not to be blamed.
        try:
            async with asyncio.timeout(self.timings.connect):
                looked = await self.driver.health()
        except TimeoutError:
            return reactor_pb2.ENGINE_HEALTH_UNAVAILABLE
        except StoreUnavailableError as error:
            ours = error.told == NO_DESCRIPTORS
            return reactor_pb2.ENGINE_HEALTH_UNSPECIFIED if ours else reactor_pb2.ENGINE_HEALTH_UNAVAILABLE
        except DriverError:
            return reactor_pb2.ENGINE_HEALTH_REFUSED
        except Exception as error:  # noqa: BLE001 - a driver's defect must not end the reactor, and its text is not ours
            operating_log.error("engine", error)
            return reactor_pb2.ENGINE_HEALTH_UNSPECIFIED
        return reactor_pb2.ENGINE_HEALTH_OK if looked else reactor_pb2.ENGINE_HEALTH_UNSPECIFIED
