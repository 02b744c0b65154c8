"""What each client did and was told, with times: one line of JSON an operation."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from monoskope.exit_codes import ExitCode

OK = "OK"
"""It ended well: a receipt proves it."""

KILLED = "KILLED"
"""The client was killed and was told nothing."""

UNKNOWN = ExitCode.OUTCOME_UNKNOWN.name

NOTHING_WRITTEN = frozenset(
    code.name
    for code in (
        ExitCode.USAGE,
        ExitCode.REFUSED,
        ExitCode.NOT_FOUND,
        ExitCode.IDENTITY_CHANGED,
        ExitCode.CONFLICT,
        ExitCode.UNAVAILABLE,
        ExitCode.TIMED_OUT,
        ExitCode.UNAUTHENTICATED,
        ExitCode.ALREADY_EXISTS,
        ExitCode.PROTOCOL,
        ExitCode.RATE_LIMITED,
        ExitCode.NOT_TRIED,
        ExitCode.NOT_AUTHORIZED,
        ExitCode.INTERRUPTED,
    )
)
"""Ends that promise it."""

DEFECTS = frozenset(
    code.name
    for code in (
        ExitCode.INTERNAL,
        ExitCode.USAGE,
        ExitCode.IDENTITY_CHANGED,
        ExitCode.UNAUTHENTICATED,
        ExitCode.PROTOCOL,
        ExitCode.LOG_MISMATCH,
    )
)
"""Ends that nothing of what the rig breaks explains."""


@dataclass(slots=True)
class Operation:
    """One thing that a client did.

    Attributes:
        verb: put, patch, delete, copy or compare.
        value: What it put, patched or compared, "" otherwise. No two writes have the same.
        expect: As the SDK takes it.
        to: Where a copy goes.
        began: When it was called, monotonic seconds.
        ended: When it returned; None if it never did.
        end: `OK`, `KILLED`, or the name of an exit code.
        request_ids: Every request that it is known to have made, in hex.
        version: The version that the result names; of a copy that at its destination.
        source_version: Of a copy, the version that was copied.
    """

    client: int
    verb: str
    uri: str
    value: str = ""
    expect: str = ""
    to: str = ""
    began: float = 0.0
    ended: float | None = None
    end: str = ""
    request_ids: list[str] = field(default_factory=list)
    version: str = ""
    source_version: str = ""
    equal: bool | None = None
    said: str = ""

    @property
    def key(self) -> str:
        return "user" if self.verb == "patch" else "password"

    @property
    def place(self) -> str:
        return self.to or self.uri

    def __str__(self) -> str:
        words = " ".join(filter(None, (self.verb, self.uri, self.to, self.value)))
        return f"client {self.client}: {words} -> {self.end or 'nothing'} {self.version or self.said}"


def write(file: Path, heading: dict[str, object], operations: Iterable[Operation]) -> None:
    """Write a history: a line of JSON about the round, then one line an operation, in the order of their beginnings."""
    file.parent.mkdir(parents=True, exist_ok=True)
    lines = [heading, *(dataclasses.asdict(one) for one in sorted(operations, key=lambda one: one.began))]
    file.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
