"""Moments in sentences for people."""

from __future__ import annotations

from datetime import UTC, datetime


def instant(at_ms: int) -> str:
    """Return milliseconds since 1970 as `2026-01-31T12:00:00Z`."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
