"""Making the faults of a round happen to a world, and mending all of it."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from monoskope.testing.parts import Part, listens, wait_until
from tests.faults.processes import Process, arm, mend, stands_still
from tests.faults.table import FAULTS, LINK, at
from tests.rig.schedule import PlannedFault, Round
from tests.rig.world import RigCluster
from tests.support.operations import address_of, asked, samples

T = TypeVar("T")


_LOOK_S = 0.5
"""How often a part with a failpoint is looked at, whether it has died."""

ATTACHED_S = 90.0
"""How long everything may take to work again once nothing is broken any more."""


class Breaker:
    """Breaks and mends a world.

    Args:
        thread: Of one thread, in which all parts are started. What a thread started dies with it.
    """

    def __init__(self, world: RigCluster, thread: ThreadPoolExecutor) -> None:
        self._world = world
        self._thread = thread
        self.counts: Counter[str] = Counter()
        """Faults that happened, by kind."""
        self._armed: dict[Process, int | None] = {}
        """The process of each part that was started last with a failpoint."""

    async def run(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    async def break_by(self, round_: Round) -> None:
        """Let the faults of a round happen, each at its time, until it is cancelled."""
        async with asyncio.TaskGroup() as group:
            for fault in round_.faults:
                group.create_task(self.happen(fault))

    async def happen(self, fault: PlannedFault) -> None:
        """Let one thing break, at its time after this call, for as long as it lasts."""
        await asyncio.sleep(fault.at_s)  # when the schedule says
        self.counts[f"{fault.kind} {fault.target}"] += 1
        breaks = FAULTS[fault.kind].breaks
        if fault.kind in at(LINK):
            links = self._world.links[fault.target]
            with breaks(links[fault.which % len(links)], fault.detail):
                await asyncio.sleep(fault.lasts_s)
            return
        target = self._world.process(fault.target, fault.which)
        broken = breaks(target, fault.detail) if fault.kind == "failpoint" else breaks(target)
        await self.run(broken.__enter__)
        if fault.kind == "failpoint":
            self._armed[target] = target.pid
        await asyncio.sleep(fault.lasts_s)  # the length of the fault
        await self.run(lambda: broken.__exit__(None, None, None))
        while fault.kind == "failpoint" and target.pid in {None, self._armed[target]}:
            await asyncio.sleep(_LOOK_S)  # it breaks when it comes to its place
            await self.run(lambda: mend(target))

    async def arm(self, fault: PlannedFault) -> None:
        """Start a part anew with a failpoint; return once everything works, or the part broke at it already."""
        part = self._world.process(fault.target, fault.which)
        assert isinstance(part, Part)

        def begun() -> bool:
            return stands_still(part) or all(self._works(one) for one in self._world.parts)

        def arm_it() -> None:
            arm(part, fault.detail)
            self._armed[part] = part.pid
            wait_until(begun, what=f"everything works with {fault}", seconds=ATTACHED_S)

        await self.run(arm_it)

    async def mend(self) -> None:
        """Let everything work again."""
        for one in self._world.all_links:
            one.mend()
        await self.run(self._all_again)

    # --- in the thread ---

    def _all_again(self) -> None:
        world = self._world
        for part in world.parts:
            if part.pid is not None and part.pid == self._armed.get(part):
                part.kill()
        for process in (*world.engine_processes.values(), *world.parts):
            mend(process)
        for part in world.parts:
            _wait(part, lambda part=part: self._works(part))  # type: ignore[misc]

    def _works(self, part: Part) -> bool:
        cluster = self._world.cluster
        if part in cluster.m8s:
            return listens(cluster.servers[cluster.m8s.index(part)])
        return self.gauge(part, "m8_reactor_attached") == 1

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
            for name, part in self._world.cluster.reactors.items():
                found[name] = self.gauge(part, "m8_reactor_keys_alive")
            return not any(found.values())

        with contextlib.suppress(Exception):
            wait_until(erased, what="all one-time keys are erased", seconds=seconds)
        return [f"{name} holds {count:g} one-time keys" for name, count in found.items() if count]


def _wait(part: Part, ready: Callable[[], bool]) -> None:
    def done() -> bool:
        assert part.pid is not None, f"{part.name} ended: {part.last_words()}"
        return ready()

    wait_until(done, what=f"{part.name} works again (its log: {part.log})", seconds=ATTACHED_S)
