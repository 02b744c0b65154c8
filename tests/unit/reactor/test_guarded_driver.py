"""What leaves a guarded driver, what an unforeseen exception leaves of a request, and the collector."""

from __future__ import annotations

import asyncio
import gc
import json
import traceback
import weakref
from collections.abc import Awaitable, Callable
from unittest import mock

import pytest

from monoskope.protocol.payload import Payload
from monoskope.reactor.guarded_driver import GuardedDriver
from monoskope.reactor.memory import LATEST_S, SETTLED_S, Garbage, forget
from monoskope.reactor.work import write
from monoskope.stores.driver import (
    DriverError,
    StoreConflictError,
    StoreDriver,
    StoreRefusedError,
    StoreUnavailableError,
    UnknownOutcomeError,
    UnsupportedError,
)
from tests.support.memory_store import URI, MemoryStore
from tests.support.reactor_requests import payload_is_alive, uncollected
from tests.support.reactor_world import World

MARKER = b"a value that a driver stumbles over: 4b1e"


class Held:
    """Something whose end can be seen."""


class TheirError(StoreConflictError):
    """A subclass with a constructor of its own."""

    def __init__(self, held: object) -> None:
        super().__init__("it is another version.")
        self.held = held


def guarded(driver: StoreDriver, *, within_s: float = 5.0) -> GuardedDriver:
    return GuardedDriver(driver, Garbage(), within_s=within_s)


CALLS: dict[str, Callable[[StoreDriver], Awaitable[object]]] = {
    "read_version": lambda driver: driver.read_version(URI.path),
    "read": lambda driver: driver.read(URI.path),
    "find": lambda driver: driver.find(URI.path, "0" * 64),
    "write": lambda driver: driver.write(URI.path, Payload({"k": MARKER}), replacing=None, write_tag="0" * 64),
    "patch": lambda driver: driver.patch(URI.path, Payload({"k": MARKER}), (), replacing=None, write_tag="0" * 64),
    "delete": lambda driver: driver.delete(URI.path, replacing=None, destroy=False),
}


@pytest.mark.parametrize("call", CALLS)
async def test_what_a_driver_raises_becomes_ours_and_holds_nothing(call: str, monkeypatch: pytest.MonkeyPatch) -> None:
    memory, gone = MemoryStore(), []

    async def stumbles(*_: object, **__: object) -> None:
        held = Held()
        gone.append(weakref.ref(held))
        try:
            json.loads('{"value": ' + MARKER.decode())
        except ValueError as error:
            failure = RuntimeError(held, MARKER)
            raise failure from error

    monkeypatch.setattr(memory, call, stumbles)
    with uncollected():
        with pytest.raises(DriverError) as raised:
            await CALLS[call](guarded(memory))
        expected = UnknownOutcomeError if call in {"write", "patch", "delete"} else StoreUnavailableError
        assert type(raised.value) is expected
        assert raised.value.__context__ is raised.value.__cause__ is None
        assert MARKER.decode() not in "".join(traceback.format_exception(raised.value))
        assert [one() for one in gone] == [None]


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (TheirError(Held()), StoreConflictError),
        (UnsupportedError("cannot."), UnsupportedError),
        (DriverError("none of the kinds."), StoreRefusedError),
    ],
)
async def test_a_drivers_own_errors_keep_their_kind_and_sentence(error: DriverError, kind: type[DriverError]) -> None:
    memory = MemoryStore()
    memory.failures["read_version"].append(error)
    with pytest.raises(DriverError) as raised:
        await guarded(memory).read_version(URI.path)
    assert type(raised.value) is kind
    assert raised.value.message == error.message


async def test_a_call_that_never_ends_is_an_engine_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    memory = MemoryStore()

    async def never(*_: object, **__: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(memory, "read", never)
    with pytest.raises(StoreUnavailableError, match="in time"):
        await guarded(memory, within_s=0.01).read(URI.path)


async def test_forgetting_reaches_causes_contexts_and_groups() -> None:
    gone = []

    def fail() -> None:
        held = Held()
        gone.append(weakref.ref(held))
        failure = ValueError(gone)
        raise failure

    def both() -> None:
        errors = []
        for _ in range(2):
            try:
                fail()
            except ValueError as error:
                errors.append(error)
        try:
            fail()
        except ValueError as error:
            raise ExceptionGroup("both", errors) from error

    with uncollected():
        with pytest.raises(ExceptionGroup) as raised:
            both()
        assert all(one() is not None for one in gone)
        forget(raised.value)
        assert [one() for one in gone] == [None] * 3


class Timers:
    """Stands for an event loop whose time goes on when a test says so."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        self.collected: list[float] = []
        self._timers: list[tuple[float, Callable[[], None]]] = []
        monkeypatch.setattr(asyncio, "get_running_loop", lambda: self)
        monkeypatch.setattr(gc, "collect", lambda: self.collected.append(self.now))

    def time(self) -> float:
        return self.now

    def call_at(self, when: float, what: Callable[[], None]) -> None:
        self._timers.append((when, what))

    def go_to(self, moment: float) -> None:
        while due := [timer for timer in self._timers if timer[0] <= moment]:
            self._timers.remove(first := min(due, key=lambda timer: timer[0]))
            self.now = first[0]
            first[1]()
        self.now = moment


@pytest.mark.parametrize("calls", [[0], [0, 1, 2], [0, 55, 85], [0, 59, 61, 89, 90], [*range(0, 1_000, 7)], [0, 300]])
def test_every_call_has_a_collection_once_its_garbage_is_there_and_within_a_second(
    monkeypatch: pytest.MonkeyPatch, calls: list[int]
) -> None:
    """What a call leaves is garbage after `SETTLED_S` seconds. Under load collections are put together."""
    timers, heap = Timers(monkeypatch), Garbage()
    for call in calls:
        timers.go_to(call / 100)
        heap.collect_soon()
    timers.go_to(3_600)
    for call in calls:
        assert any(SETTLED_S <= when - call / 100 < 1 for when in timers.collected), call
    assert len(timers.collected) <= 1 + calls[-1] / 100 / (LATEST_S - SETTLED_S)


async def test_what_holds_no_value_lets_nothing_be_collected() -> None:
    """So a reactor at rest, which asks for its engine's health all the time, collects nothing."""
    heap = mock.Mock(Garbage)
    guarded = GuardedDriver(MemoryStore(), heap, within_s=5.0)
    await guarded.health()
    assert heap.mock_calls == []
    await guarded.read_version(("a",))
    assert heap.mock_calls == [mock.call.collect_soon()]


@pytest.mark.parametrize(
    ("method", "outcomes"),
    [
        ("read_version", ["FAILED UPSTREAM_UNAVAILABLE"]),
        ("write", ["STARTED", "FAILED KEY_LOST"]),
        ("written", ["STARTED", "UPLOADED"]),
    ],
)
async def test_the_unforeseen_ends_its_request_without_value(world: World, method: str, outcomes: list[str]) -> None:
    """Also where no guard is around the driver: so is every defect of the reactor's own."""
    sealed = world.sealed(secret={"k": MARKER})
    world.memory.failures[method].append(ZeroDivisionError(MARKER))
    with uncollected():
        assert await world.handler.handle(sealed)
        assert world.outcomes() == outcomes
        if method != "written":
            assert not payload_is_alive(MARKER)
    last = world.receipt()
    assert last.sealed_sha256 == sealed.sha256
    if outcomes[-1].endswith("KEY_LOST"):
        assert last.replica
    assert len(world.keys) == 0


async def test_what_nobody_foresaw_while_an_end_is_looked_up_leaves_it_unknown(world: World) -> None:
    world.memory.failures["written"].append(UnknownOutcomeError("broke."))
    world.memory.failures["find"].extend([ZeroDivisionError()] * 9)
    assert await world.handler.handle(world.sealed())
    assert world.outcomes() == ["STARTED", "FAILED OUTCOME_UNKNOWN"]


def test_every_call_of_a_driver_passes_the_guard() -> None:
    """A method that the guard does not know would answer with the interface's default instead of the driver's word."""
    calls = {name for name, value in vars(StoreDriver).items() if callable(value) and not name.startswith("_")}
    assert calls <= vars(GuardedDriver).keys()


def test_what_a_driver_says_of_values_passes_the_guard_and_nothing_else() -> None:
    class Particular(MemoryStore):
        def check_payload(self, path: object, payload: Payload | None, **_: object) -> None:
            assert payload is not None
            try:
                payload["k"].decode("ascii") + json.loads(payload["k"])
            except ValueError as error:
                raise StoreRefusedError("text alone.") from error

    driver = guarded(Particular())
    with pytest.raises(StoreRefusedError) as caught:
        driver.check_payload(URI.path, Payload({"k": b"{" + MARKER}), remove=None, options=None)
    assert caught.value.message == "text alone."
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


async def test_a_defect_between_start_and_write_is_looked_up(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """That nothing was written is said only once the engine was asked."""

    def breaks(name: str) -> None:
        if name == "reactor.before-write":
            raise MemoryError

    monkeypatch.setattr(write, "failpoint", breaks)
    assert await world.handler.handle(world.sealed())
    assert world.outcomes() == ["STARTED", "FAILED KEY_LOST"]
    assert "find" in world.memory.calls
