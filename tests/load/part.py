"""One process of the load: `python -m tests.load.part users0|users1|watchers|hostile PLAN`.

It prints `ready` when all of its peers are connected, begins at a line on its input, and prints one line of JSON.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path
from typing import Any

from tests.load import callers, hostile, watchers
from tests.load.plan import USERS, Plan, Tally


async def _go(plan: Plan) -> float:
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.readline)
    return time.monotonic() + plan.seconds


async def _users(plan: Plan, half: int) -> dict[str, Any]:
    tally = Tally()
    everybody = callers.callers(plan, half, tally)
    await callers.connect(everybody)
    ends_at = await _go(plan)
    work = [callers.rest_and_call(one, plan, ends_at) for one in everybody]
    work.append(callers.newcomers(plan, tally, ends_at))
    if half == 0:
        work.append(callers.greedy(plan, tally, ends_at))
    await asyncio.gather(*work)
    return tally.said()


async def run(kind: str, plan: Plan) -> dict[str, Any]:
    if kind == "watchers":
        everybody = watchers.watchers(plan)
        return await watchers.run(plan, everybody, await _go(plan))
    if kind == "hostile":
        return await hostile.run(plan, await _go(plan))
    return await _users(plan, USERS.index(kind))


if __name__ == "__main__":
    said = asyncio.run(run(sys.argv[1], Plan.read(Path(sys.argv[2]))))
    sys.stdout.write(json.dumps({"cpu_s": time.process_time(), **said}) + "\n")
