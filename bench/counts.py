"""How much is measured: enough for figures that hold, or just enough to see that everything runs."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Counts:
    """One run's amounts."""

    pairs: int
    """Of command lines, alternating."""
    blocks: int
    """Of puts and of direct writes, alternating."""
    few_uploads: int
    """That go first, so that everything is warm."""
    uploads: int
    """After which memory is measured: all that were made by then."""
    update_block: int
    """Updates, or direct updates, in one block that has 16 in flight: in `blocks` of each."""
    quiet_puts: int
    """Of the quiet user, without and with a flood."""
    flood: int
    """Key requests of the other user, all at once."""
    engine_blocks: int
    """Of puts and of direct writes to each engine, alternating, alone and 16 in flight."""
    engine_block: int
    """Puts, or direct writes, in one such block."""
    floor_block: int
    """Bare puts in one block that has 16 in flight; there are `blocks` of them, too."""
    rotations: int
    """That one command does."""
    connections: int
    """TLS connections that stay open at once."""


FULL = Counts(
    pairs=20,
    blocks=10,
    few_uploads=100,
    uploads=10_000,
    update_block=80,
    quiet_puts=1_000,
    flood=10_000,
    engine_blocks=5,
    engine_block=40,
    floor_block=320,
    rotations=200,
    connections=500,
)
QUICK = Counts(
    pairs=3,
    blocks=2,
    few_uploads=20,
    uploads=200,
    update_block=16,
    quiet_puts=20,
    flood=1_000,
    engine_blocks=1,
    engine_block=4,
    floor_block=16,
    rotations=8,
    connections=100,
)

IN_FLIGHT = 16
"""Uploads, or direct writes, at the same time."""
