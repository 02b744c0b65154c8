"""What the listener of operations answers, free of any transport."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"
"""The content type of Prometheus' text format."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer.

    Attributes:
        status: As HTTP has it: 200, 500, 503.
        content_type: Of the body.
        body: All of it.
    """

    status: int
    content_type: str
    body: bytes


Handler: TypeAlias = Callable[[], Awaitable[Answer]]

Handlers: TypeAlias = Mapping[str, Handler]
"""A path to what answers it."""


def alive() -> Answer:
    """Return the answer of `/healthz`: the event loop runs, since it made this answer."""
    return Answer(200, "application/json", b'{"alive": true}\n')


def readiness(checks: Mapping[str, str], notes: Mapping[str, str] | None = None) -> Answer:
    """Return the answer of `/readyz`: 200 if every check is `ok`, else 503.

    Args:
        checks: The name of each check, and `ok` or a few fixed words that say what is wrong.
        notes: The same of what an operator should know and calls do not depend on.
    """
    is_ready = all(state == "ok" for state in checks.values())
    found = {"ready": is_ready, "checks": dict(checks), **({"notes": dict(notes)} if notes else {})}
    body = json.dumps(found).encode()
    return Answer(200 if is_ready else 503, "application/json", body + b"\n")


def metrics(text: bytes) -> Answer:
    """Return the answer of `/metrics`."""
    return Answer(200, METRICS_TYPE, text)
