"""What `m8 migrate --to` does: copy the log in use into an empty one of the other engine."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click

from monoskope.errors import UsageError
from monoskope.m8.backup import migrate as parts
from monoskope.m8.backup.stopped import check_stopped
from monoskope.m8.bootstrap import log_at, opened_log, wall_clock
from monoskope.m8.log.noted import Noted
from monoskope.m8.settings import SETTINGS_FILE, ServerSettings, load

_FORM = "The place is postgresql://… or sqlite:PATH."


def migrate_to(folder: Path, place: str) -> None:
    """Copy the log that the folder's settings name to `place`, and print what to change in them.

    Raises:
        UsageError: `place` is of another form, or the log in use itself.
        Error: as the two logs do.
    """
    settings = load(folder)
    _check(settings, place)
    ended = asyncio.run(_migrate(settings, place))
    at = f" at {ended}" if ended.position else ""
    click.echo(f"Copied {ended.position} events to {place}; both logs hold, and end{at} .")
    click.echo(_next(settings, place))


def _check(settings: ServerSettings, place: str) -> None:
    scheme, colon, rest = place.partition(":")
    if not colon or not rest or scheme not in {"sqlite", "postgresql", "postgres"}:
        raise UsageError("the place of --to is of no known form.", fix=_FORM)
    if scheme == "sqlite" and settings.engine == "sqlite" and Path(rest).resolve() == settings.event_log.resolve():
        raise UsageError(f"{rest} is the log in use.", fix="Name an empty place.")


async def _migrate(settings: ServerSettings, place: str) -> Noted:
    async with opened_log(settings) as source, log_at(place, for_import=True) as target:
        await check_stopped(source, tick_s=settings.timings.tick, now_ms=wall_clock())
        return await parts.copy(source, target)


def _next(settings: ServerSettings, place: str) -> str:
    file = settings.folder / SETTINGS_FILE
    if place.startswith("sqlite:"):
        path = Path(place.removeprefix("sqlite:"))
        moved = "" if path.resolve() == settings.event_log.resolve() else f"Move {path} to {settings.event_log}. "
        if settings.engine == "sqlite":
            return f"{moved}Then start m8. Keep the old log until then, and never serve both."
        return f'{moved}Then take the line `database = "…"` out of {file}, and start m8. Keep the old log until then.'
    return f'Write `database = "{place}"` into {file}, and start m8. Keep {settings.event_log}, and never serve both.'
