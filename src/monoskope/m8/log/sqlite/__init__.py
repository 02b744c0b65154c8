"""The embedded event log: `SqliteLog` in one SQLite file."""

from __future__ import annotations

from monoskope.m8.log.sqlite.log import SqliteLog

__all__ = ["SqliteLog"]
