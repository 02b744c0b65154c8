"""The `[log]` table of `m8.toml`: how often m8 signs a checkpoint of its log (docs/operate/witnessed-log.md)."""

from __future__ import annotations

import msgspec

HOURLY_S = 3_600.0
"""A checkpoint is signed at least so often, in seconds, even if the log did not grow: its age says that m8 lives."""


class LogTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The `[log]` table.

    Attributes:
        checkpoint_every_s: While the log grows, m8 signs a checkpoint at most so often, in seconds.
    """

    checkpoint_every_s: float = 10.0

    def __post_init__(self) -> None:
        if not 0.05 <= self.checkpoint_every_s <= HOURLY_S:
            raise ValueError("`checkpoint_every_s` must be from 0.05 to 3600")
