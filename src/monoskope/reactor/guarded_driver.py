"""A driver as the reactor uses it: whatever it raises names the kind of failure, and holds nothing else.

A driver's message is a fixed sentence by contract. What a receipt carries m8 keeps for ever and users see, so the
contract alone is not enough: a driver with a defect could put a value, or its engine's text, into a message. So only
what is on the list goes out, with a key's name or a number at most in the gaps.

Libraries put into their exceptions what they failed on: a JSON decoder the whole text, a codec the bytes, an HTTP
client the request. A driver's own errors have those as causes, and frames with the value in them. So each call returns
its answer or raises a new `DriverError`. An exception that no driver should raise is logged by its type and place. It
counts as an engine that does not answer or, if the call may have written, as an unknown end; so does a call that takes
too long.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Iterable, Sequence
from pathlib import Path
from typing import Any, Self, TypeVar

import msgspec

from monoskope import operating_log
from monoskope.protocol.outcomes import is_detail
from monoskope.protocol.payload import Payload
from monoskope.reactor.health import NO_DESCRIPTORS, is_our_own
from monoskope.reactor.memory import Garbage, forget
from monoskope.stores.driver import (
    CannotReadError,
    Capabilities,
    DeletedVersion,
    DriverError,
    Names,
    OvertakenError,
    Snapshot,
    StoreConflictError,
    StoreDriver,
    StoreRefusedError,
    StoreUnavailableError,
    UnknownOutcomeError,
    UnsupportedError,
)
from monoskope.stores.shared.sentences import TOLD

_GAP = "{}"
_FILLED = "[A-Za-z0-9_./-]{1,100}"
"""What may stand in a gap: the name of a key, a number, or a type such as kubernetes.io/tls."""


class Sentences:
    """The sentences of one driver.

    Args:
        more: Sentences besides those that come with Monoskope (`StoreDriver.sentences`).
    """

    def __init__(self, more: Iterable[str] = ()) -> None:
        known = sorted(TOLD | set(more))
        self._known = re.compile("|".join(_FILLED.join(map(re.escape, one.split(_GAP))) for one in known), re.ASCII)

    def told(self, message: str) -> str:
        """Return `message` if it is one of the sentences, else ""."""
        return message if is_detail(message) and self._known.fullmatch(message) else ""


T = TypeVar("T")

_KINDS = (
    UnsupportedError,
    StoreRefusedError,
    StoreUnavailableError,
    OvertakenError,
    StoreConflictError,
    CannotReadError,
    UnknownOutcomeError,
)
"""The kinds of a driver's errors; a subclass before its base."""
_SILENT = "the engine did not answer in time."
_DEFECT = "the store's driver stumbled over something that it does not know."


class GuardedDriver(StoreDriver):
    """Passes every call on to `driver`. Each method raises what that of `StoreDriver` may, and nothing else.

    Args:
        driver: One that is open.
        garbage: Collects what a failure leaves.
        within_s: Seconds that a call may take.
    """

    kind = ""
    Config = msgspec.Struct

    def __init__(self, driver: StoreDriver, garbage: Garbage, *, within_s: float) -> None:
        self._driver = driver
        self._garbage = garbage
        self._within_s = within_s
        self._sentences = Sentences(driver.sentences)
        self.kind = driver.kind  # type: ignore[misc]
        self.maturity = driver.maturity  # type: ignore[misc]

    @classmethod
    async def open(cls, config: Any, *, state_dir: Path) -> Self:  # noqa: ANN401 - as in the interface
        """Not used: a guard is put around a driver that is open."""
        raise NotImplementedError

    @property
    def capabilities(self) -> Capabilities:
        """See `StoreDriver.capabilities`."""
        return self._driver.capabilities

    def check(self, path: tuple[str, ...], options: object | None) -> None:
        """See `StoreDriver.check`; no value is known by then."""
        try:
            self._driver.check(path, options)
        except DriverError as error:
            error.told = self._sentences.told(error.message)
            raise

    def check_payload(
        self,
        path: tuple[str, ...],
        payload: Payload | None,
        *,
        remove: Sequence[str] | None,
        options: object | None,
    ) -> None:
        """See `StoreDriver.check_payload`."""
        try:
            self._driver.check_payload(path, payload, remove=remove, options=options)
        except Exception as error:  # noqa: BLE001 - as for what asks the engine
            failure = [self._renewed(error, writes=False)]
            forget(error)
        else:
            return
        raise failure.pop()

    async def read_version(self, path: tuple[str, ...]) -> str:
        """See `StoreDriver.read_version`."""
        return await self._asked(self._driver.read_version(path))

    async def write(
        self,
        path: tuple[str, ...],
        payload: Payload,
        *,
        replacing: str | None,
        write_tag: str,
        options: object | None = None,
    ) -> str:
        """See `StoreDriver.write`."""
        call = self._driver.write(path, payload, replacing=replacing, write_tag=write_tag, options=options)
        return await self._asked(call, writes=True)

    async def find(self, path: tuple[str, ...], write_tag: str) -> str | None:
        """See `StoreDriver.find`."""
        return await self._asked(self._driver.find(path, write_tag))

    async def read(self, path: tuple[str, ...]) -> Snapshot | None:
        """See `StoreDriver.read`."""
        return await self._asked(self._driver.read(path))

    async def read_either(self, path: tuple[str, ...]) -> Snapshot | None:
        """See `StoreDriver.read_either`."""
        return await self._asked(self._driver.read_either(path))

    async def matches(self, path: tuple[str, ...], payload: Payload) -> tuple[str, bool]:
        """See `StoreDriver.matches`."""
        return await self._asked(self._driver.matches(path, payload))

    async def delete(self, path: tuple[str, ...], *, replacing: str | None, destroy: bool) -> None:
        """See `StoreDriver.delete`."""
        await self._asked(self._driver.delete(path, replacing=replacing, destroy=destroy), writes=True)

    async def patch(
        self,
        path: tuple[str, ...],
        changes: Payload | None,
        remove: Sequence[str],
        *,
        replacing: str | None,
        write_tag: str,
        options: object | None = None,
    ) -> str:
        """See `StoreDriver.patch`."""
        call = self._driver.patch(path, changes, remove, replacing=replacing, write_tag=write_tag, options=options)
        return await self._asked(call, writes=True)

    async def deleted_version(self, path: tuple[str, ...]) -> DeletedVersion | None:
        """See `StoreDriver.deleted_version`."""
        return await self._asked(self._driver.deleted_version(path))

    async def undelete(self, path: tuple[str, ...], deleted: DeletedVersion, *, write_tag: str) -> str:
        """See `StoreDriver.undelete`."""
        return await self._asked(self._driver.undelete(path, deleted, write_tag=write_tag), writes=True)

    async def read_at(self, path: tuple[str, ...], version: str) -> Snapshot | None:
        """See `StoreDriver.read_at`."""
        return await self._asked(self._driver.read_at(path, version))

    async def list_names(self, path: tuple[str, ...]) -> Names:
        """See `StoreDriver.list_names`."""
        return await self._asked(self._driver.list_names(path))

    async def health(self) -> bool:
        """See `StoreDriver.health`."""
        return await self._asked(self._driver.health(), has_value=False)

    async def close(self) -> None:
        """See `StoreDriver.close`."""
        await self._driver.close()

    async def _asked(self, call: Awaitable[T], *, writes: bool = False, has_value: bool = True) -> T:
        try:
            async with asyncio.timeout(self._within_s):
                return await call
        except Exception as error:  # noqa: BLE001 - whatever a driver or a library under it raises
            failure = [self._renewed(error, writes=writes)]
            forget(error)
        except BaseException as error:
            forget(error)
            raise
        finally:
            if has_value:
                # The request may wait for m8 for long: libraries must keep nothing of its value meanwhile.
                self._garbage.collect_soon()
        # Raised here, so that the old exception is not its context; and from no variable, which would keep its frames.
        raise failure.pop()

    def _renewed(self, error: Exception, *, writes: bool) -> DriverError:
        if isinstance(error, DriverError):
            kind = next((kind for kind in _KINDS if isinstance(error, kind)), StoreRefusedError)
            renewed = kind(error.message, fix=error.fix)
            ours = isinstance(error, StoreUnavailableError) and is_our_own(error)
            renewed.told = NO_DESCRIPTORS if ours else self._sentences.told(error.message)
            return renewed
        kind = UnknownOutcomeError if writes else StoreUnavailableError
        if isinstance(error, TimeoutError):
            return kind(_SILENT, fix="Check that the engine runs and can be reached.")
        operating_log.error("driver failed", error)
        return kind(_DEFECT, fix="Look into the reactor's log, and tell the driver's authors.")
