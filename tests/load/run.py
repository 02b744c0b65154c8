"""One run of the load: start everything, look at m8 while it lasts, and judge what its peers saw."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import msgspec

from bench.cpu import cpu_seconds, starved_seconds
from bench.figures import rss_bytes
from monoskope.testing.engines.postgres import Postgres
from tests.load import bombs, reactors, world
from tests.load.plan import USERS, Plan, quantiles_ms, slope

PARTS = (*USERS, "watchers", "hostile")
ROOT = Path(__file__).parents[2]
LOOK_S = 1.0
_LINE = 256 * 1_048_576
MIB = 1_048_576


@dataclass(frozen=True, slots=True)
class Size:
    seconds: float
    seed: int
    users: int
    watchers: int
    reactors: int
    hostile: int
    pause_s: float
    connections: int = 2_000


async def run(folder: Path, size: Size, postgres: Postgres | None) -> dict[str, Any]:
    # m8: a quarter of the files for others than connections. Hostile peers: five sorts.
    world.raise_files(max(size.connections * 4 // 3, 5 * size.hostile) + 1_024)
    cluster = world.start(folder, size.connections, postgres)
    try:
        plan, root = await world.plan_for(
            cluster,
            users=size.users,
            watchers=size.watchers,
            stores=size.reactors,
            seconds=size.seconds,
            seed=size.seed,
            hostile=size.hostile,
            pause_s=size.pause_s,
        )
        file = folder / "plan.json"
        file.write_bytes(msgspec.json.encode(plan))
        signers = await world.add_stores(plan, root)
        costs = await bombs.measured(plan, cluster.pids["m8"])
        attached = await reactors.attach(plan, signers)
        found = await _loaded(plan, attached, file, cluster.pids["m8"])
        return found | {"bombs": costs, "wrong": [*found["wrong"], *bombs.wrong(costs)]}
    finally:
        cluster.close()


async def _loaded(plan: Plan, attached: list[reactors.LoadReactor], file: Path, m8: int) -> dict[str, Any]:
    serving = [asyncio.create_task(one.serve()) for one in attached]
    parts = {kind: await _start(kind, file) for kind in PARTS}
    try:
        return await _watched(plan, attached, parts, m8)
    finally:
        for task in serving:
            task.cancel()
        for part in parts.values():
            if part.returncode is None:
                part.kill()


async def _watched(
    plan: Plan, attached: list[reactors.LoadReactor], parts: dict[str, Process], m8: int
) -> dict[str, Any]:
    for kind, part in parts.items():
        if await _line(part) != b"ready\n":
            raise RuntimeError(f"the part {kind} of the load did not start")
    for part in parts.values():
        assert part.stdin is not None
        part.stdin.write(b"go\n")
    began, cpu, starved = time.monotonic(), cpu_seconds(m8), starved_seconds(m8)
    memory: list[tuple[float, float]] = []
    while (at := time.monotonic() - began) < plan.seconds:
        memory.append((at, rss_bytes(m8) / MIB))
        await asyncio.sleep(LOOK_S)
    cpu, starved = cpu_seconds(m8) - cpu, starved_seconds(m8) - starved
    said = {kind: json.loads(await _line(part)) for kind, part in parts.items()}
    attached_now = sum(one.is_attached for one in attached)
    troubles = [trouble for one in attached for trouble in one.troubles]
    return (
        _judged(plan, said, memory, cpu)
        | {
            "m8_loop_without_a_processor_share": round(starved / plan.seconds, 2),
            "reactors": {"attached": attached_now, "of": len(attached), "troubles": troubles[:10]},
        }
        | _wrong(plan, said, attached_now, len(attached))
    )


async def _start(kind: str, file: Path) -> Process:
    command = (sys.executable, "-m", "tests.load.part", kind, str(file))
    return await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdin=PIPE, stdout=PIPE, limit=_LINE)


async def _line(part: Process) -> bytes:
    assert part.stdout is not None
    return await part.stdout.readline()


def _judged(plan: Plan, said: dict[str, Any], memory: list[tuple[float, float]], cpu: float) -> dict[str, Any]:
    calls: defaultdict[str, list[float]] = defaultdict(list)
    waits: dict[str, float] = {}
    shares: dict[str, int] = {}
    refused: Counter[str] = Counter()
    for part in USERS:
        refused.update(said[part]["refused"])
        for kind, seconds in said[part]["took"].items():
            calls[kind] += seconds
        for user, seconds in said[part]["by_user"].items():
            waits[user], shares[user] = median(seconds), len(seconds)
    shares.pop("newcomer", 0), waits.pop("newcomer", 0.0)
    greedy, greedy_wait = shares.pop("greedy", 0), waits.pop("greedy", 0.0)
    settled = [point for point in memory if point[0] >= plan.seconds / 3]
    return {
        "seed": plan.seed,
        "seconds": plan.seconds,
        "calls": {kind: quantiles_ms(seconds) for kind, seconds in sorted(calls.items())},
        "refused": refused,
        "not reached at first": sum(said[part]["again"] for part in USERS),
        "m8_cpu_share": round(cpu / plan.seconds, 2),
        "m8_mib": {
            "first": round(memory[0][1]),
            "most": round(max(size for _, size in memory)),
            "last": round(memory[-1][1]),
        },
        "m8_mib_a_minute_in_the_last_two_thirds": round(slope(settled) * 60, 2),
        "wait_ms": {
            "median user": round(median(waits.values()) * 1_000, 1),
            "slowest user": round(max(waits.values()) * 1_000, 1),
            "greedy": round(greedy_wait * 1_000, 1),
        },
        "answered": {"all others": sum(shares.values()), "greedy": greedy},
        "hostile": {key: said["hostile"][key] for key in ("opened", "most_open", "most_in_all")},
        "watchers": followed(said["watchers"]["seen"], of_all=len(plan.watchers_of_all)),
        "generator_cpu_share": {kind: round(one["cpu_s"] / plan.seconds, 2) for kind, one in said.items()},
    }


def _wrong(plan: Plan, said: dict[str, Any], attached: int, of: int) -> dict[str, Any]:
    wrong = [what for part in USERS for what in said[part]["refused"]]
    wrong += [f"a watcher ended: {why}" for why in said["watchers"]["ended"]]
    wrong += unordered(said["watchers"]["seen"], of_all=len(plan.watchers_of_all))
    if attached < of:
        wrong.append(f"{of - attached} of {of} reactors are not attached any more")
    return {"wrong": wrong}


def followed(seen: list[tuple[str, list[int]]], *, of_all: int) -> dict[str, int]:
    """Return how many events those saw who watch everything, the last `of_all`: all of them together, and the least."""
    everything = [positions for _, positions in seen[len(seen) - of_all :]]
    return {"events": len(set().union(*everything)), "fewest": min(map(len, everything), default=0)}


def unordered(seen: list[tuple[str, list[int]]], *, of_all: int) -> list[str]:
    """Return a sentence for each watcher that did not see every event once and in order.

    Those of everything, the last `of_all`, must agree with one another up to where the first of them stopped.
    """
    wrong = [
        f"the watcher of {prefix or 'all'} saw events twice or out of order"
        for prefix, positions in seen
        if positions != sorted(set(positions))
    ]
    everything = [positions for _, positions in seen[-of_all:]] if of_all else []
    if everything:
        known = set().union(*everything)
        for positions in everything:
            last = positions[-1] if positions else 0
            missed = {at for at in known if at <= last} - set(positions)
            if missed or not positions:
                wrong.append(f"a watcher of all missed {len(missed)} of {len(known)} events")
    return wrong
