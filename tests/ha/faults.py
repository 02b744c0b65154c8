"""What breaks below the event log, one function a fault. Each returns once it is mended, and writing may go on."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from contextlib import suppress
from types import MappingProxyType

import psutil
import pytest

from monoskope.testing.engines.patroni import Patroni
from monoskope.testing.engines.patroni_node import Node
from monoskope.testing.parts import wait_until

TTL_S = 20
FAILOVER_S = 75.0
"""How long a new primary may take on a machine that does much else."""


def postmaster_killed(patroni: Patroni, _: random.Random) -> None:
    """PostgreSQL of the primary is gone at once; Patroni goes on."""
    patroni.wait_until_whole().kill_postmaster()


def node_killed(patroni: Patroni, _: random.Random) -> None:
    """The primary and its Patroni are gone at once; they come back after another node has taken over."""
    old = patroni.wait_until_whole()
    old.kill()
    another_leads(patroni, old)
    old.start()


def primary_asleep(patroni: Patroni, _: random.Random) -> None:
    """The primary and its Patroni stand still until another has taken over, and then go on as if nothing had been."""
    old = patroni.wait_until_whole()
    old.freeze()
    another_leads(patroni, old)
    old.thaw()


def senders_asleep(patroni: Patroni, _: random.Random) -> None:
    """The primary's processes that send to the standbys stand still, for longer than `wal_receiver_timeout`."""
    senders = patroni.wait_until_whole().senders()
    assert len(senders) == 2
    asleep(senders, 8.0)


def standby_asleep(patroni: Patroni, chance: random.Random) -> None:
    """One standby stands still."""
    primary = patroni.wait_until_whole()
    standby = chance.choice([one for one in patroni.nodes if one is not primary])
    asleep(standby.processes(), 8.0)


def etcd_away(patroni: Patroni, _: random.Random) -> None:
    """The store of who leads is away for longer than the leader's lock lasts."""
    patroni.wait_until_whole()
    patroni.etcd.kill()
    time.sleep(TTL_S + 5)  # the length of the fault
    patroni.etcd.start()


Fault = Callable[[Patroni, random.Random], None]

FAULTS: MappingProxyType[str, Fault] = MappingProxyType(
    {
        "postmaster": postmaster_killed,
        "node": node_killed,
        "sigstop": primary_asleep,
        "senders": senders_asleep,
        "standby": standby_asleep,
        "etcd": etcd_away,
    }
)


def chosen(names: str) -> list[str]:
    """Return the faults that a list with commas names, all for "". An unknown name ends the run with a sentence."""
    found = [name.strip() for name in names.split(",") if name.strip()] or list(FAULTS)
    unknown = [name for name in found if name not in FAULTS]
    if unknown:
        sentence = f"FAULTS: there is no fault {', '.join(unknown)}. Name some of: {', '.join(FAULTS)}."
        pytest.fail(sentence, pytrace=False)
    return found


def another_leads(patroni: Patroni, old: Node) -> None:
    """Wait until a node other than `old` is the primary."""
    wait_until(
        lambda: any(one is not old and one.leads() for one in patroni.nodes),
        what="another node takes over",
        seconds=FAILOVER_S,
    )


def asleep(processes: list[psutil.Process], seconds: float) -> None:
    """Stop processes for so long. The time is the length of the fault; nothing waits for it to be over."""
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.suspend()
    time.sleep(seconds)
    for process in reversed(processes):
        with suppress(psutil.NoSuchProcess):
            process.resume()
