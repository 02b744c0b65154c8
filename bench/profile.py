"""Where the CPU time of one put goes in m8, reactor and client, part by part."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

from bench.cpu import cpu_seconds
from bench.parts import part_of
from bench.progress import say
from bench.sampler import Sampler, Samples
from bench.timing import together
from bench.uploads import opened
from bench.world import World
from monoskope.testing.parts import wait_until

PUTS = 2_000
WARM = 200

STORE_CPU = "store"
"""OpenBao has no parts here: its CPU time is told as a whole."""

By = Mapping[str, Mapping[str, float]]
"""Milliseconds of CPU of one put: by process, then by part."""


def sampled_environment(folder: Path) -> dict[str, str]:
    """Return what lets a Python program be sampled into `folder`."""
    return {"PYTHONPATH": str(Path(__file__).parent / "sampled"), "MONOSKOPE_BENCH_SAMPLES": str(folder)}


def run(folder: Path, world: World) -> By:
    """Start `world`, put, and return where the CPU time went. `folder` keeps the samples.

    Raises:
        UnavailableError: a part fails, or the system does not tell the CPU time of a process; Linux does.
    """
    with closing(world):
        world.start()
        say(f"where the CPU time of a put goes, over {PUTS}, 16 in flight")
        samples = asyncio.run(_sampled(folder, world))
    store = samples.pop(STORE_CPU)
    return {name: by_part(found) for name, found in samples.items()} | {
        "store": {"OpenBao": sum(store.values()) / PUTS * 1_000}
    }


def by_part(samples: Samples, *, puts: int = PUTS) -> dict[str, float]:
    """Return the milliseconds of one put by part, the largest first."""
    found: dict[str, float] = {}
    for stack, seconds in samples.items():
        part = part_of(stack.split(";"))
        found[part] = found.get(part, 0.0) + seconds / puts * 1_000
    return dict(sorted(found.items(), key=lambda item: -item[1]))


async def _sampled(folder: Path, world: World) -> dict[str, Samples]:
    pids = {"m8": world.m8_pid, "reactor": world.reactor_pid}
    async with opened(world) as uploads:
        await together(WARM, uploads.put)
        store = cpu_seconds(world.cluster.pids["openbao"])
        _toggle(pids)
        sampler = Sampler()
        sampler.begin()
        seconds = await together(PUTS, uploads.put)
        found = {"client": sampler.end()}
        _toggle(pids)
        found[STORE_CPU] = {"": cpu_seconds(world.cluster.pids["openbao"]) - store}
    say(f"  {PUTS / seconds:.0f} puts/s while sampled")
    return {name: _read(folder / f"{pid}.json") for name, pid in pids.items()} | found


def _toggle(pids: Mapping[str, int]) -> None:
    for pid in pids.values():
        os.kill(pid, signal.SIGUSR2)


def _read(path: Path) -> Samples:
    wait_until(path.exists, what=f"the samples {path.name} are written")
    found: Samples = json.loads(path.read_text(encoding="utf-8"))
    return found
