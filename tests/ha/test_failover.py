"""A database that fails over under load: nothing that was acknowledged is lost, and no user is told a falsehood.

The negative control: with asynchronous replication a failover loses what was acknowledged, and the audit sees it.

`make ha SEED=7 FAULTS=node,sigstop`
"""

from __future__ import annotations

import asyncio
import os
import random
from contextlib import AsyncExitStack

import pytest

from monoskope.m8.log.postgres.log import PostgresLog
from monoskope.testing.engines.patroni import Patroni
from monoskope.testing.log_writer import some_time
from monoskope.testing.logs.harness import ledger
from tests.faults.databases import another_leads
from tests.faults.table import FAULTS, PATRONI, at
from tests.ha.appender import Appender, check
from tests.ha.world import ThreeM8, running

pytestmark = pytest.mark.ha


def chosen(names: str) -> list[str]:
    """Return the faults that a list with commas names, all for "". An unknown name ends the run with a sentence."""
    known = at(PATRONI)
    found = [name.strip() for name in names.split(",") if name.strip()] or known
    unknown = [name for name in found if name not in known]
    if unknown:
        sentence = f"FAULTS: there is no fault {', '.join(unknown)}. Name some of: {', '.join(known)}."
        pytest.fail(sentence, pytrace=False)
    return found


CHOSEN = chosen(os.environ.get("FAULTS", ""))


@pytest.mark.parametrize("fault", CHOSEN)
async def test_what_was_acknowledged_is_there_once_and_no_user_notices(
    world: ThreeM8, patroni: Patroni, fault: str, seed: int
) -> None:
    print(f"SEED={seed}")
    await world.survives(fault, FAULTS[fault].breaks(patroni, random.Random(f"{seed} {fault}")))


async def test_the_audit_sees_what_asynchronous_replication_loses(lossy: Patroni) -> None:
    target = lossy.target(await asyncio.to_thread(lossy.create_database))
    async with AsyncExitStack() as stack:
        log = await PostgresLog.open(target, clock=some_time, projector=ledger)
        stack.push_async_callback(log.close)
        appender = Appender("lossy", [log])
        async with running(appender):
            await appender.goes_on()
            old = await asyncio.to_thread(lossy.wait_until_whole)
            # From here on no standby gets anything, and the primary acknowledges all the same.
            for sender in old.senders():
                sender.suspend()
            await appender.goes_on(50)
            old.kill()
            await asyncio.to_thread(another_leads, lossy, old)
            await appender.goes_on()
        findings = await check(log, target, appender.acknowledged)
    print(f"\nasynchronous replication: {findings.lost} of {len(appender.acknowledged)} acknowledged appends are lost")
    assert findings.lost >= 1
    assert (findings.gaps, findings.doubled) == (0, 0), "what is left is a log all the same"
