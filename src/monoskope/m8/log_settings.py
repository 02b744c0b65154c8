"""The `[log]` table of `m8.toml`: how often m8 signs a checkpoint of its log (docs/operate/witnessed-log.md)."""

from __future__ import annotations

import msgspec

from monoskope.protocol.tlog.checkpoint import COVERED_S

MOST_EVERY_S = COVERED_S / 4
"""With it a record waits for three quarters of the time within which it has to be covered. In the last quarter another
m8 can take the signing over."""
HOURLY_S = 3_600.0
"""A checkpoint is signed at least so often, in seconds, even if the log did not grow: its age says that m8 lives."""


class LogTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The `[log]` table.

    Attributes:
        checkpoint_every_s: While the log grows, m8 signs a checkpoint at most so often, in seconds, and a third as
            often where little happens and none is asked for.
    """

    checkpoint_every_s: float = 10.0

    def __post_init__(self) -> None:
        if not 0.05 <= self.checkpoint_every_s <= MOST_EVERY_S:
            raise ValueError(f"`checkpoint_every_s` must be from 0.05 to {MOST_EVERY_S:g}")
