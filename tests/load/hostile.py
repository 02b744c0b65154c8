"""Connections that mean no good, from other addresses than the users': so many of each fault of m8's door."""

from __future__ import annotations

import asyncio
from types import MappingProxyType
from typing import Any

from tests.faults.strangers import Crowd
from tests.faults.table import FAULTS
from tests.load.plan import Plan

SHARES = MappingProxyType(
    {
        "silent": 1_000,
        "half a handshake": 1_000,
        "no request": 1_000,
        "slow head": 500,
        "slow body": 500,
        "mute websocket": 100,
        "unread watch": 0,
    }
)
"""How many there are, in thousandths of `Plan.hostile`; 0 for one for each token of `Plan.unread`."""
PLAIN_PER_S, TLS_PER_S = 300.0, 60.0
"""Connections opened in a second at most, without and with a handshake: each handshake takes time of our own, too."""
SOURCES = tuple(f"127.0.1.{number}" for number in range(1, 33))


async def run(plan: Plan, ends_at: float) -> dict[str, Any]:
    """Hold `plan.hostile` connections of each sort; say how many were opened of each kind, and were open at once."""
    wanted = {
        name: max(1, plan.hostile * share // 1_000) if share else len(plan.unread) for name, share in SHARES.items()
    }
    crowd = Crowd(plan.door, wanted, {name: FAULTS[name].breaks for name in SHARES}, SOURCES)
    if plan.hostile:
        await asyncio.gather(crowd.fill(PLAIN_PER_S, ends_at, tls=False), crowd.fill(TLS_PER_S, ends_at, tls=True))
    crowd.end()
    return {"opened": crowd.opened, "most_open": crowd.most_open, "most_in_all": crowd.most_in_all}
