"""Watchers. Each notes the positions that it was told of."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from typing import Any

from monoskope.api.gateway.v1 import queries_pb2
from monoskope.client.http import methods
from monoskope.client.http.transport import find_roots
from monoskope.errors import Error
from tests.load.callers import transport
from tests.load.plan import Plan

SETTLE_S = 3.0
"""How much longer they watch than the load lasts, at most."""


class Watcher:
    """One call of WatchEvents, begun again where it ended. Who watches everything begins at the first event."""

    def __init__(self, plan: Plan, prefix: str, token: str) -> None:
        self.prefix = prefix
        self.seen: list[int] = []
        self.ended: Counter[str] = Counter()
        self._way = transport(plan, find_roots(plan.ca_file, ""))
        self._metadata = (("authorization", f"Bearer {token}"),)

    async def watch(self) -> None:
        while True:
            asked = queries_pb2.WatchEventsRequest(after=self.seen[-1] if self.seen else 0, prefix=self.prefix)
            asked.from_now = bool(self.prefix) and not self.seen
            try:
                async for answer in self._way.stream(methods.WATCH_EVENTS, asked, self._metadata):
                    self.seen.append(answer.event.position)
            except Error as error:
                self.ended[f"{error.code.value}: {error}"[:200]] += 1
                await asyncio.sleep(0.5)


def watchers(plan: Plan) -> list[Watcher]:
    wanted = [*plan.watchers.items(), *(("", token) for token in plan.watchers_of_all)]
    return [Watcher(plan, prefix, token) for prefix, token in wanted]


async def run(plan: Plan, everybody: list[Watcher], ends_at: float) -> dict[str, Any]:
    tasks = [asyncio.create_task(one.watch()) for one in everybody]
    await asyncio.sleep(max(0.0, ends_at + min(SETTLE_S, plan.seconds) - time.monotonic()))
    for task in tasks:
        task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await asyncio.gather(*tasks, return_exceptions=True)
    ended: Counter[str] = Counter()
    for one in everybody:
        ended.update(one.ended)
    return {"seen": [(one.prefix, one.seen) for one in everybody], "ended": ended}
