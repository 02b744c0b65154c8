"""One world in which passwords rotate, one round after the other while things break, and what must hold after each."""

from __future__ import annotations

import asyncio
import re
import signal
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, nullcontext
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from monoskope.client.rotation.round import BETWEEN_ROUNDS_S
from monoskope.exit_codes import ExitCode
from monoskope.failpoints import EXIT_CODE
from monoskope.testing.search import Wanted
from tests.faults.processes import mend, stands_still, stopped
from tests.faults.table import LINK, MONOCTL, POSTGRES, at
from tests.rig.breaker import Breaker
from tests.rig.history import Operation, write
from tests.rotations.monoctl import GRACE_S, Run, Steps
from tests.rotations.plan import FAILPOINT, STEPS, Aimed
from tests.rotations.program import Program
from tests.rotations.world import RotatingCluster

KEPT = Path("build/rotations")
"""Where the runs of a world in which something did not hold are written."""

RUN_S, REAL_RUN_S = 150.0, 600.0
"""A run that takes longer hangs."""

_POLL_S = 0.02
_BROKEN = frozenset({-signal.SIGKILL, EXIT_CODE, ExitCode.INTERRUPTED})
"""How `monoctl` ends at a failpoint."""
_SEARCHED = 20
"""So many of the newest passwords are looked for in m8's memory, and a quarter of them in that of `monoctl`."""
_BEGIN_AFTER = re.compile(r"Begin after ([0-9T:-]+Z)")


class Life:
    """A world from its beginning to its end."""

    def __init__(self, world: RotatingCluster, thread: ThreadPoolExecutor) -> None:
        self._world = world
        self._breaker = Breaker(world, thread)
        self._program = Program(world)
        self._steps = Steps(world)
        self._stack = AsyncExitStack()
        self._operations: list[Operation] = []
        self._later_s = 0
        self._password = ""
        self.counts = self._program.counts
        self.faults: Counter[tuple[str, str]] = Counter()
        """Faults that happened, by what broke and the step at which it did."""
        self.struck: list[tuple[str, str]] = []
        """Those of the last round."""

    async def begin(self) -> list[str]:
        """Build the world, rotate for the first time, and start the program."""
        for link in self._world.all_links:
            await link.start()
        await self._breaker.run(self._world.build)
        await self._breaker.mend()
        run, _ = await self._rotate("", "--adopt")
        if run.code != 0:
            return [f"the first rotation ended with {run.code}: {run.said}"]
        await self._stack.enter_async_context(self._program.running())
        return await self._whole(run)

    async def searched(self) -> list[str]:
        """Look for every value where none may be."""
        m8 = self._world.cluster.m8.pid
        assert m8 is not None
        found = await asyncio.to_thread(self._world.found_in_memory, m8, "m8's memory", self._values(_SEARCHED))
        return found + await asyncio.to_thread(self._world.found, self._values())

    async def close(self) -> None:
        """End the world."""
        await self._stack.aclose()
        await self._breaker.run(self._world.close)
        for link in self._world.all_links:
            await link.close()

    async def round(self, faults: Sequence[Aimed]) -> list[str]:
        """Rotate while things break, mend them, go on to a whole round, and return what is wrong."""
        self.struck.clear()
        await self._program.has_read_again()
        for one in faults:
            if one.fault.kind == FAILPOINT and one.fault.target != MONOCTL:
                await self._breaker.arm(one.fault)
        points = [one.fault.detail for one in faults if (one.fault.kind, one.fault.target) == (FAILPOINT, MONOCTL)]
        run, found = await self._rotate("".join(points), faults=faults)
        await self._breaker.mend()
        broken = run
        while run.code != 0 and (run is broken or _BEGIN_AFTER.search(run.said)):
            self.counts["ended by a later run"] += run is broken
            await self._program.has_read_again()
            run, _ = await self._rotate()
        if run.code != 0:
            return [*found, f"the round is not whole, {run.said}\nwith the run before, {broken.said}"]
        return found + await self._whole(run)

    def kept(self, found: list[str], faults: Sequence[Aimed]) -> Path:
        """Keep what all runs said."""
        file = KEPT / f"{self._world.cluster.folder.parent.name}.jsonl"
        write(file, {"faults": [*map(str, faults)], "found": found}, self._operations)
        return file

    # --- one run ---

    async def _rotate(self, failpoint: str = "", *more: str, faults: Sequence[Aimed] = ()) -> tuple[Run, list[str]]:
        """Run `monoctl` to its end, by a clock by which the grace of the last round is over, and break what `faults`
        say; return what is wrong, too."""
        if self._world.real:
            await self._grace()
        else:
            self._later_s += GRACE_S + 1
        self._steps.begin()
        run = Run(self._world, len(self._operations), self._later_s, failpoint, *more)
        one = Operation(0, "rotate", "", failpoint, began=run.began)
        self._operations.append(one)
        self._world.monoctl = run
        breaking = [asyncio.create_task(self._break(fault, run)) for fault in faults]
        in_time = await run.ended(REAL_RUN_S if self._world.real else RUN_S)
        found = [sentence for one in await asyncio.gather(*breaking) for sentence in one]
        one.ended, one.said = time.monotonic(), run.said
        assert in_time, f"`monoctl rotate` hangs at {self._steps.now}: {run.said}"
        one.end = str(run.code)
        self.counts["runs"] += 1
        return run, found

    async def _grace(self) -> None:
        """Wait until a new round may begin: when the last run said, or two minutes after it ended one."""
        last = self._operations[-1] if self._operations else None
        wait_s = 0.0
        if last is not None and (found := _BEGIN_AFTER.search(last.said)):
            wait_s = (datetime.fromisoformat(found[1]) - datetime.now(UTC)).total_seconds() + 1.0
        elif last is not None and last.end == "0":
            assert last.ended is not None
            wait_s = last.ended + BETWEEN_ROUNDS_S + 1.0 - time.monotonic()
        await asyncio.sleep(max(0.0, wait_s))  # the real two minutes

    async def _whole(self, run: Run) -> list[str]:
        """Check a round that is over."""
        self.counts["rotations"] += 1
        there, said = self._program.at_db(), run.json()
        found = []
        if said["outcome"] != "ROTATED" or said["account"] != f"pg://{there['username']}":
            found.append(f"monoctl says {said}, and at db is {there['username']}")
        if there["password"] == self._password:
            found.append(f"the round of {said['account']} left the password that was there before")
        self._password = there["password"]
        await self._program.has_read_again()
        found += self._program.failed
        self._program.failed.clear()
        return found

    # --- what breaks ---

    async def _break(self, one: Aimed, run: Run) -> list[str]:
        """Let one thing break once its step has come; nothing if the run ends before."""
        fault = one.fault
        if not await self._comes(one, run):
            return []
        self._struck(one)
        if fault.target == MONOCTL:
            if fault.kind == "stop" or fault.detail.partition("=")[2].startswith("stop"):
                return await self._searched(run)
            run.kill()
        elif fault.kind == FAILPOINT:
            await asyncio.sleep(fault.lasts_s)  # the length of the fault
            await self._breaker.run(lambda: mend(self._world.process(fault.target)))
        else:
            down = fault.target == POSTGRES and fault.kind not in at(LINK)
            with self._program.database_down() if down else nullcontext():
                await self._breaker.happen(replace(fault, at_s=0.0))
        return []

    async def _comes(self, one: Aimed, run: Run) -> bool:
        if one.fault.kind != FAILPOINT:
            while run.pid is not None:
                if STEPS.index(self._steps.now) >= STEPS.index(one.step):
                    await asyncio.sleep(one.fault.at_s)  # somewhere in it
                    return True
                await asyncio.sleep(_POLL_S)
            return False
        process = self._world.process(one.fault.target)
        while run.pid is not None and not stands_still(process):
            await asyncio.sleep(_POLL_S)
        return stands_still(process) and (process is not run or run.code in {None, *_BROKEN})

    async def _searched(self, run: Run) -> list[str]:
        """Let `monoctl` stand still while its memory is searched."""
        with stopped(run):
            pid, values = run.pid, self._values(_SEARCHED // 4)
            return [] if pid is None else await asyncio.to_thread(self._world.found_in_memory, pid, "monoctl", values)

    def _struck(self, one: Aimed) -> None:
        fault = one.fault
        kind = fault.detail.partition("=")[2].partition("@")[0] if fault.kind == FAILPOINT else fault.kind
        self.struck.append((f"{kind} {fault.target}" + (f" {fault.which + 1}" if fault.which else ""), self._steps.now))
        self.faults.update(self.struck[-1:])

    def _values(self, most: int = 0) -> list[Wanted]:
        passwords = [*self._program.passwords][-most:]
        return [Wanted.of(f"password {number}", text.encode()) for number, text in enumerate(passwords)]
