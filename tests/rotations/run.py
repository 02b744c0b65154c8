"""Rotations in one world after the other, and what is printed of them."""

from __future__ import annotations

import asyncio
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.faults.parts import LIFETIME_S
from tests.rotations.life import Life
from tests.rotations.monoctl import GRACE, GRACE_S, UNKNOWN_S
from tests.rotations.plan import Aimed, plan, real
from tests.rotations.world import RotatingCluster

ROUNDS = 100
"""After so many rotations a new world is built."""

LEAST = 0.5
"""In so many of the rotations something must have broken, once there are more than those of one world."""

_REAL_WORLDS = 5
"""In which rounds wait as for users, at the same time."""


class Rotations:
    """Rotates in one world after the other until there are enough rotations, or the time is over."""

    def __init__(self, seed: str, seconds: float, rotations: int, real_faults: int) -> None:
        self._seed = seed
        self._began = time.monotonic()
        self._until = self._began + seconds
        self._rotations = rotations
        self._real = real()[:real_faults]
        self._total: Counter[str] = Counter()
        self._faults: Counter[tuple[str, str]] = Counter()
        self.found: list[str] = []

    async def run(self) -> int:
        """Rotate; return 1 if something did not hold, else 0."""
        _say(f"make rotations SEED={self._seed} ROTATIONS={self._rotations}")
        _say(
            f"Shortened waits: the clock of each run is {GRACE_S} s ahead of the one before, so grace ({GRACE}) and two"
            f" minutes are over; a key lives {LIFETIME_S} s; an end that is not known is waited for {UNKNOWN_S:g} s."
        )
        async with asyncio.TaskGroup() as group:
            for one in range(_REAL_WORLDS):
                plans = dict(list(enumerate(self._real, 1))[one::_REAL_WORLDS])
                if plans:
                    group.create_task(self._live("real", plans))
            done = 0
            while done < self._rotations and time.monotonic() < self._until:
                numbers = range(done + 1, min(done + ROUNDS, self._rotations) + 1)
                done += await self._live("shortened", {one: plan(self._seed, one) for one in numbers})
        if self._faults.total() < LEAST * self._total["rotations"] and self._total["rotations"] > ROUNDS:
            self.found.append("too little broke: that shows nothing")
        for sentence in self.found:
            _say(f"VIOLATION: {sentence}")
        for (what, step), count in sorted(self._faults.items()):
            _say(f"    {count:3} {what} at {step}")
        seconds = time.monotonic() - self._began
        _say(
            f"{', '.join(f'{count} {what}' for what, count in self._total.items() if count)}, {seconds:.0f} s;"
            f" {len(self.found)} violations"
        )
        return int(bool(self.found))

    async def _live(self, name: str, plans: Mapping[int, Sequence[Aimed]]) -> int:
        """Build one world, rotate in it as planned until something does not hold, and return how often."""
        done = 0
        faults: Sequence[Aimed] = ()
        with tempfile.TemporaryDirectory(prefix="m8-rotations-") as folder, ThreadPoolExecutor(1, name) as thread:
            life = Life(RotatingCluster(Path(folder), real=name == "real"), thread)
            try:
                found = await life.begin()
                for number, faults in plans.items():
                    if found or time.monotonic() > self._until:
                        break
                    began, done = time.monotonic(), done + 1
                    found += await life.round(faults)
                    if name == "real" and not life.struck:
                        found.append(f"this did not come about: {', '.join(map(str, faults))}")
                    what = ", ".join(f"{what} at {step}" for what, step in life.struck) or "nothing breaks"
                    _say(f"{name} {number}: {time.monotonic() - began:.1f} s, {what}")
                found += await life.searched()
            except Exception as error:  # noqa: BLE001 - what does not work again is what is looked for
                found = ["".join(traceback.format_exception(error)).strip()]
            finally:
                await life.close()
            for sentence in found:
                _say(f"VIOLATION: {sentence}")
            if found:
                _say(f"The runs are in {life.kept(found, faults)}")
            self.found += found
            self._total.update(life.counts)
            self._faults.update(life.faults)
            self._total[f"{name} faults"] += life.faults.total()
        return max(done, 1)


def _say(sentence: str) -> None:
    print(sentence, flush=True)
