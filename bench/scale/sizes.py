"""How much is measured: the full million, enough to develop with, or just enough to see that everything runs."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Sizes:
    """One run's amounts."""

    secrets: tuple[int, ...]
    """The sizes of the log, in secrets of five events; the first is what the others are compared with."""
    blocks: int
    """Of puts and of listings at each size, alternating among the sizes."""
    puts: int
    """In one block, one after the other."""
    lists: int
    """Of each filter in one block."""
    restarts: int
    """Of each m8."""
    appends: int
    """In one block, of each number of writers; bare INSERTs as many."""
    append_pairs: int
    """Of a block of appends and one of bare INSERTs."""
    replica_puts: int
    """In one block, 16 in flight."""
    replica_blocks: int
    """Of puts through one, two and three m8, alternating."""
    subscribers: int
    """Of one process."""
    told: int
    """Events that each subscriber waits for."""
    rest_s: float
    """Seconds in which nothing is asked of m8 and reactors; a tenth of it of simulated crowds."""
    crowds: tuple[int, ...]
    """Of watchers, and of reactors."""
    lag_events: int
    """That watchers do not read: more than their backlog."""


FULL = Sizes(
    secrets=(1_000, 100_000, 1_000_000),
    blocks=10,
    puts=20,
    lists=10,
    restarts=3,
    appends=4_000,
    append_pairs=10,
    replica_puts=320,
    replica_blocks=4,
    subscribers=1_000,
    told=100,
    rest_s=600.0,
    crowds=(1_000, 5_000),
    lag_events=3_000,
)
QUICK = Sizes(
    secrets=(1_000, 20_000),
    blocks=4,
    puts=10,
    lists=5,
    restarts=1,
    appends=1_000,
    append_pairs=2,
    replica_puts=96,
    replica_blocks=2,
    subscribers=1_000,
    told=30,
    rest_s=10.0,
    crowds=(100, 500),
    lag_events=1_500,
)
TINY = Sizes(
    secrets=(200,),
    blocks=1,
    puts=2,
    lists=1,
    restarts=1,
    appends=64,
    append_pairs=1,
    replica_puts=16,
    replica_blocks=1,
    subscribers=20,
    told=3,
    rest_s=1.0,
    crowds=(10, 20),
    lag_events=20,
)
"""For the test: its figures mean nothing."""
