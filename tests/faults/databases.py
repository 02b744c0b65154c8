"""Faults below the event log: of one PostgreSQL, or of several under Patroni."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import psutil

from monoskope.testing.engines.patroni import Patroni
from monoskope.testing.engines.patroni_node import Node
from monoskope.testing.engines.postgres import Postgres
from monoskope.testing.parts import wait_until

TTL_S = 20
ASLEEP_S = 8.0
"""Longer than `wal_receiver_timeout`."""
FAILOVER_S = 75.0
"""How long a new primary may take on a machine that does much else."""


@contextmanager
def killed_under_load(postgres: Postgres, waits: Callable[[], bool]) -> Iterator[None]:
    """It stands still until `waits` says that all its clients wait, so that something is under way, and is killed."""
    server = psutil.Process(postgres.pid)
    server.suspend()
    backends = server.children()
    _each(backends, psutil.Process.suspend)
    try:
        wait_until(waits, what="all writers wait")
    finally:
        _each(backends, psutil.Process.kill)
        postgres.kill()
    yield
    postgres.start()


@contextmanager
def postmaster_killed(patroni: Patroni, _: random.Random) -> Iterator[None]:
    """PostgreSQL of the primary is gone at once; Patroni goes on."""
    patroni.wait_until_whole().kill_postmaster()
    yield


@contextmanager
def node_killed(patroni: Patroni, _: random.Random) -> Iterator[None]:
    """The primary and its Patroni are gone at once; they come back after another node has taken over."""
    old = patroni.wait_until_whole()
    old.kill()
    another_leads(patroni, old)
    yield
    old.start()


@contextmanager
def primary_asleep(patroni: Patroni, _: random.Random) -> Iterator[None]:
    """The primary and its Patroni stand still until another has taken over, and then go on as if nothing had been."""
    old = patroni.wait_until_whole()
    old.freeze()
    another_leads(patroni, old)
    yield
    old.thaw()


@contextmanager
def senders_asleep(patroni: Patroni, _: random.Random) -> Iterator[None]:
    """The primary's processes that send to the standbys stand still, for longer than `wal_receiver_timeout`."""
    senders = patroni.wait_until_whole().senders()
    assert len(senders) == 2
    with _asleep(senders):
        yield


@contextmanager
def standby_asleep(patroni: Patroni, chance: random.Random) -> Iterator[None]:
    primary = patroni.wait_until_whole()
    standby = chance.choice([one for one in patroni.nodes if one is not primary])
    with _asleep(standby.processes()):
        yield


@contextmanager
def etcd_away(patroni: Patroni, _: random.Random) -> Iterator[None]:
    """The store of who leads is away for longer than the leader's lock lasts."""
    patroni.wait_until_whole()
    patroni.etcd.kill()
    time.sleep(TTL_S + 5)  # the length of the fault
    yield
    patroni.etcd.start()


def another_leads(patroni: Patroni, old: Node) -> None:
    wait_until(
        lambda: any(one is not old and one.leads() for one in patroni.nodes),
        what="another node takes over",
        seconds=FAILOVER_S,
    )


@contextmanager
def _asleep(processes: list[psutil.Process]) -> Iterator[None]:
    _each(processes, psutil.Process.suspend)
    time.sleep(ASLEEP_S)  # the length of the fault
    yield
    _each(processes[::-1], psutil.Process.resume)


def _each(processes: list[psutil.Process], does: Callable[[psutil.Process], None]) -> None:
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            does(process)
