"""Making the faults of a round happen to a world, and mending all of it."""

from __future__ import annotations

import asyncio
import contextlib
import random
import signal
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol, TypeVar

import psutil

from monoskope.failpoints import VARIABLE
from monoskope.testing.parts import Part, listens, wait_until
from tests.rig.schedule import Fault, Round
from tests.rig.world import World
from tests.support import tcp_proxy as link
from tests.support.operations import address_of, asked, samples

T = TypeVar("T")


_LOOK_S = 0.5
"""How often a part with a failpoint is looked at, whether it has died."""

ATTACHED_S = 90.0
"""How long everything may take to work again once nothing is broken any more."""


class _Engine(Protocol):
    """OpenBao or PostgreSQL."""

    @property
    def pid(self) -> int | None:
        """Its process while it runs."""

    def start(self) -> None:
        """Start it, unless it runs."""

    def kill(self) -> None:
        """End it at once."""


class Breaker:
    """Breaks and mends a world.

    Args:
        world: What is broken.
        thread: Of one thread, in which all parts are started. What a thread started dies with it.
    """

    def __init__(self, world: World, thread: ThreadPoolExecutor) -> None:
        self._world = world
        self._thread = thread
        self.counts: Counter[str] = Counter()
        """Faults that happened, by kind."""

    async def run(self, work: Callable[[], T]) -> T:
        """Do something to the world's parts."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    async def break_by(self, round_: Round) -> None:
        """Let the faults of a round happen, each at its time, until it is cancelled."""
        async with asyncio.TaskGroup() as group:
            for fault in round_.faults:
                group.create_task(self._happen(fault))

    async def _happen(self, fault: Fault) -> None:
        await asyncio.sleep(fault.at_s)  # when the schedule says
        self.counts[f"{fault.kind} {fault.target}"] += 1
        if fault.kind in link.FAULTS:
            links = self._world.links[fault.target]
            one = links[fault.which % len(links)]
            one.fault(fault.kind, random.Random(fault.detail))
            await asyncio.sleep(fault.lasts_s)
            one.mend()
            return
        await self.run(lambda: self._begin(fault))
        await asyncio.sleep(fault.lasts_s)  # the length of the fault
        await self.run(lambda: self._end(fault))
        while fault.kind == "failpoint" and self._world.part(fault.target, fault.which).name in self._world.armed:
            await asyncio.sleep(_LOOK_S)  # it breaks when it comes to its place
            await self.run(lambda: self._end(fault))

    async def mend(self) -> None:
        """Mend everything, and return once all of it works."""
        for one in self._world.all_links:
            one.mend()
        await self.run(self._all_again)

    # --- in the thread ---

    def _begin(self, fault: Fault) -> None:
        if fault.target in {"openbao", "postgres"}:
            self._begin_engine(fault)
            return
        part = self._world.part(fault.target, fault.which)
        if fault.kind == "stop":
            _signal(part.pid, signal.SIGSTOP)
            return
        part.kill()
        if fault.kind == "failpoint":
            part.start({VARIABLE: fault.detail})
            self._world.armed.add(part.name)

    def _begin_engine(self, fault: Fault) -> None:
        engine = self._engine(fault.target)
        if fault.kind == "stop":
            _signal(engine.pid, signal.SIGSTOP)
        else:
            _signal(engine.pid, signal.SIGCONT)  # one that stands still does not see that its parent is gone
            engine.kill()

    def _end(self, fault: Fault) -> None:
        if fault.target in {"openbao", "postgres"}:
            engine = self._engine(fault.target)
            _signal(engine.pid, signal.SIGCONT)
            engine.start()
            return
        part = self._world.part(fault.target, fault.which)
        _signal(part.pid, signal.SIGCONT)
        if part.pid is None:
            self._start(part)

    def _engine(self, name: str) -> _Engine:
        if name == "openbao":
            return self._world.cluster.bao
        assert self._world.postgres is not None
        return self._world.postgres

    def _start(self, part: Part) -> None:
        part.start()
        self._world.armed.discard(part.name)

    def _all_again(self) -> None:
        world = self._world
        for name in ("openbao", "postgres") if world.postgres is not None else ("openbao",):
            _signal(self._engine(name).pid, signal.SIGCONT)
            self._engine(name).start()
        for part in world.parts:
            if part.name in world.armed:
                part.kill()
            _signal(part.pid, signal.SIGCONT)
            self._start(part)
        for part, server in zip(world.cluster.m8s, world.cluster.servers, strict=True):
            _wait(part, lambda server=server: listens(server))  # type: ignore[misc]
        for part in world.cluster.reactors.values():
            _wait(part, lambda part=part: self.gauge(part, "m8_reactor_attached") == 1)  # type: ignore[misc]

    def gauge(self, part: Part, name: str) -> float:
        """What a part's listener of operations says of a number, -1 if it says nothing."""
        with contextlib.suppress(OSError):
            status, body = asked(address_of(self._world.cluster.folder / part.name), "/metrics")
            if status == 200:
                return samples(body).get((name, frozenset()), -1.0)
        return -1.0

    def keys_are_erased(self, seconds: float) -> list[str]:
        """Wait until no reactor has a one-time key any more; return those that have one all the same."""
        found: dict[str, float] = {}

        def erased() -> bool:
            found.clear()
            found.update({name: self.gauge(part, "m8_reactor_keys_alive") for name, part in self._parts()})
            return not any(found.values())

        with contextlib.suppress(Exception):
            wait_until(erased, what="all one-time keys are erased", seconds=seconds)
        return [f"{name} holds {count:g} one-time keys" for name, count in found.items() if count]

    def _parts(self) -> list[tuple[str, Part]]:
        return list(self._world.cluster.reactors.items())


def _wait(part: Part, ready: Callable[[], bool]) -> None:
    def done() -> bool:
        assert part.pid is not None, f"{part.name} ended: {part.last_words()}"
        return ready()

    wait_until(done, what=f"{part.name} works again (its log: {part.log})", seconds=ATTACHED_S)


def _signal(pid: int | None, number: signal.Signals) -> None:
    """Send a signal to a process and to all that it started; those of PostgreSQL have groups of their own."""
    if pid is None:
        return
    with contextlib.suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        for one in (process, *process.children(recursive=True)):
            with contextlib.suppress(psutil.NoSuchProcess):
                one.send_signal(number)
