"""What one run of the load is to be, as its processes hand it to one another, and what each of them counted."""

from __future__ import annotations

import statistics
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from tests.faults.strangers import Door

USERS = ("users0", "users1")
"""The processes that share the users: one alone would not keep up."""


class Plan(msgspec.Struct, frozen=True):
    """One run.

    Attributes:
        seed: What the users' choices are drawn from.
        pause_s: How long a user rests between two calls, on average.
        users: Tokens, by subject: user `u3` may put below `s3://u3`, if there are so many stores.
        greedy: The token of the user who never rests.
        watchers: Tokens by URI prefix: each subject that watches.
        watchers_of_all: Tokens of those who watch everything.
        hostile: Connections that misbehave, of each sort, held open at a time.
        unread: Tokens of those who watch everything and read nothing.
    """

    server: str
    ca_file: str
    seconds: float
    seed: int
    pause_s: float
    users: dict[str, str]
    greedy: str
    watchers: dict[str, str]
    watchers_of_all: list[str]
    stores: list[str]
    hostile: int
    unread: list[str]

    @property
    def door(self) -> Door:
        return Door(self.server, self.ca_file, self.unread)

    @classmethod
    def read(cls, path: Path) -> Plan:
        return msgspec.json.decode(path.read_bytes(), type=cls)


class Tally:
    """Seconds of calls by kind and by user, refusals by kind and reason, and calls that had to be sent again."""

    def __init__(self) -> None:
        self.took: defaultdict[str, list[float]] = defaultdict(list)
        self.by_user: defaultdict[str, list[float]] = defaultdict(list)
        self.refused: Counter[str] = Counter()
        self.again = 0

    def add(self, kind: str, user: str, seconds: float) -> None:
        self.took[kind].append(seconds)
        self.by_user[user].append(seconds)

    def refuse(self, kind: str, reason: str) -> None:
        self.refused[f"{kind}: {reason}"] += 1

    def said(self) -> dict[str, Any]:
        return {"took": self.took, "by_user": self.by_user, "refused": self.refused, "again": self.again}


def quantiles_ms(seconds: Sequence[float]) -> dict[str, float]:
    """Return how many there are, p50 and p99 in milliseconds."""
    if len(seconds) < 2:
        return {"calls": len(seconds)}
    cuts = statistics.quantiles(seconds, n=100, method="inclusive")
    return {"calls": len(seconds), "p50_ms": round(cuts[49] * 1_000, 1), "p99_ms": round(cuts[98] * 1_000, 1)}


def slope(points: Sequence[tuple[float, float]]) -> float:
    """Return by how much the second number grows with each unit of the first; 0 for fewer than two points."""
    if len({at for at, _ in points}) < 2:
        return 0.0
    return statistics.linear_regression([at for at, _ in points], [size for _, size in points]).slope
