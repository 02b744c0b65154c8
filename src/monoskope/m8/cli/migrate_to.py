"""What `m8 migrate --to` does: copy the log in use into an empty one of the other engine."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click

from monoskope.counted import counted
from monoskope.errors import UsageError
from monoskope.m8.backup import migrate as parts
from monoskope.m8.backup.stopped import check_stopped
from monoskope.m8.log.noted import Noted
from monoskope.m8.log.opening import Place, find_id, give_id
from monoskope.m8.opened import log_at, opened_log, place_of
from monoskope.m8.settings import SETTINGS_FILE, ServerSettings, load


def migrate_to(folder: Path, target: Place, text: str) -> None:
    """Copy the log that the folder's settings name to `target`, and print what to change in them.

    Args:
        folder: Of m8.
        target: An empty place, or one where such a copy was interrupted.
        text: `target` as it was written.

    Raises:
        UsageError: `target` is the log in use.
        ConflictError: an m8 serves the log, or the target has other events.
        Error: as the two logs do.
    """
    settings = load(folder)
    if target.database is None and settings.database is None and target.file.resolve() == settings.event_log.resolve():
        raise UsageError(f"{target} is the log in use.", fix="Name an empty place.")
    ended = asyncio.run(_migrate(settings, target))
    at = f", and end at {ended}" if ended.position else ""
    click.echo(f"Copied {counted(ended.position, 'event')} to {target}. Both logs hold{at} .")
    click.echo(_next(settings, target, text))


async def _migrate(settings: ServerSettings, target: Place) -> Noted:
    async with opened_log(settings) as source, log_at(target, for_import=True) as opened:
        await check_stopped(source, tick_s=settings.timings.tick)
        ended = await parts.copy(source, opened)
        if log_id := await find_id(place_of(settings)):
            await give_id(target, log_id)
        return ended


def _next(settings: ServerSettings, target: Place, text: str) -> str:
    file = settings.folder / SETTINGS_FILE
    if target.database is not None:
        return (
            f'Next: write `database = "{text}"` into {file}, with the files that were named here, and start m8. '
            f"Keep {place_of(settings)} as it is, and never serve both."
        )
    moved = "" if target.file.resolve() == settings.event_log.resolve() else f"move {target} to {settings.event_log}, "
    lines = "" if settings.database is None else f"take the lines that begin with `database` out of {file}, "
    kept = "elsewhere" if settings.database is None else "as it is"
    return f"Next: {moved}{lines}and start m8. Keep {place_of(settings)} {kept}, and never serve both."
