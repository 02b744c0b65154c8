"""The lines of the operating log, as a test reads them."""

from __future__ import annotations

import contextlib
import io
import json
import sys
from collections.abc import Iterator
from typing import Any

from monoskope import operating_log
from monoskope.m8.service.app import App


class _Lines(io.StringIO):
    def __init__(self) -> None:
        super().__init__()
        self.told: list[dict[str, Any]] = []

    def write(self, text: str) -> int:
        self.told.append(json.loads(text))
        return len(text)


@contextlib.contextmanager
def capture_logs() -> Iterator[list[dict[str, Any]]]:
    """Yield a list that gets each line which is written within the block."""
    lines = _Lines()
    operating_log.set_up(lines)
    try:
        yield lines.told
    finally:
        operating_log.set_up(sys.stderr)


def strangers(app: App, lines: io.StringIO) -> dict[str, int]:
    """How the calls of strangers ended of which an operating log tells, at the latest now."""
    app.strangers.flush()
    said = [line for line in map(json.loads, lines.getvalue().splitlines()) if line["event"] == "calls of strangers"]
    return {end: count for line in said for end, count in line["ends"].items()}


def calls(lines: io.StringIO) -> list[dict[str, Any]]:
    return [line for line in map(json.loads, lines.getvalue().splitlines()) if line["event"] == "call"]
