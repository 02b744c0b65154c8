"""`m8 backup restore`: a backup becomes the event log of a folder, in the engine of its choice."""

from __future__ import annotations

import asyncio
import contextlib
import os
from pathlib import Path

import click

from monoskope.command_line import Command
from monoskope.errors import ConflictError, Error, UsageError
from monoskope.m8.backup import restore as parts
from monoskope.m8.backup.form import Header
from monoskope.m8.backup.restore import check_stopped
from monoskope.m8.cli.backup import at_least_option, identity_option, made_line, opened_by, reading
from monoskope.m8.cli.backup_report import Aftermath, lost, tell, valid_tokens
from monoskope.m8.cli.common import database_options, own_folder_option
from monoskope.m8.log.event_log import EventLog
from monoskope.m8.log.folder import Noted, remembered
from monoskope.m8.log.opening import Place
from monoskope.m8.log.postgres.settings import DatabaseSettings
from monoskope.m8.opened import log_at, opened_log, place_of
from monoskope.m8.settings import SETTINGS_FILE, ServerSettings, load
from monoskope.text import counted
from monoskope.times import wall_clock

FORM = "Write sqlite:PATH, or postgresql://USER@HOST/DATABASE."


def place(option: str, text: str, **files: Path | None) -> Place:
    """Return the place that `text` names.

    Args:
        option: The option that has it, for errors.
        text: `sqlite:PATH` or a URL.
        files: What `database_options` gives.

    Raises:
        UsageError: it is of another form, or a file cannot be used.
        RefusedError: others can reach a file with a password or a key.
    """
    scheme, colon, rest = text.partition(":")
    if colon and rest and scheme == "sqlite":
        return Place(Path(rest))
    if not colon or scheme not in {"postgresql", "postgres"}:
        raise UsageError(f"{option} names no log in a form that m8 knows.", fix=FORM)
    names = {
        name.removeprefix("database_"): str(file.absolute()) if file is not None else "" for name, file in files.items()
    }
    settings = DatabaseSettings(database=text, **names)
    return Place(Path(), settings.target(Path(option), os.environ))


@click.command(cls=Command, short_help="Restore a backup into an empty event log.")
@own_folder_option
@identity_option
@at_least_option
@click.option("--accept-loss", is_flag=True, help="Restore although a later position is noted in the folder.")
@click.option(
    "--into",
    default="",
    metavar="LOG",
    help="Move the log into this empty place: postgresql://USER@HOST/DATABASE or sqlite:PATH.",
)
@click.option(
    "--compare-with",
    default="",
    metavar="LOG",
    help="The log of before, if it can still be read, in the same form.",
)
@database_options
@click.argument("source")
def restore(
    folder: Path,
    *,
    identity: Path,
    at_least: Noted | None,
    accept_loss: bool,
    into: str,
    compare_with: str,
    source: str,
    **files: Path | None,
) -> None:
    """Restore a backup into the event log that the folder's m8.toml names, which must be empty. m8 must not run.

    SOURCE is a file, or '-' for standard input. It is checked as verify does. If it breaks off, the same command goes
    on; until it ends well, m8 does not open the log. At its end it lists the tokens that count again or still, because
    the restored log knows nothing of what happened after the backup.

    With --into, the log moves into another engine or place. The log in use must end where the backup ends, and stays as
    it is. At the end this says what to change in m8.toml.
    """
    if into and compare_with:
        raise click.UsageError("--into and --compare-with exclude each other.")
    settings = load(folder)
    least = _least(settings, at_least, accept_loss=accept_loss)
    if into:
        target = place("--into", into, **files)
        _done(settings, asyncio.run(_move(settings, target, source, identity, least)))
        click.echo(_next(settings, target, into))
        return
    old = place("--compare-with", compare_with, **files) if compare_with else None
    header, found = asyncio.run(_restore(settings, source, identity, least, before=old))
    _done(settings, header)
    tell(header, found)


def _done(settings: ServerSettings, header: Header) -> None:
    header.end.write(settings.folder)
    click.echo(f"Restored {counted(header.position, 'event')}. {made_line(header)}")


async def _restore(
    settings: ServerSettings, source: str, identity: Path, least: Noted | None, *, before: Place | None
) -> tuple[Header, Aftermath]:
    async with contextlib.AsyncExitStack() as stack:
        old = await stack.enter_async_context(log_at(before)) if before is not None else None
        # Read first: a backup that is refused makes no log, which m8 would serve as a new one.
        checking = await stack.enter_async_context(reading(source, opened_by(identity), least))
        header = checking.begun
        log = await stack.enter_async_context(opened_log(settings, for_import=True))
        await check_stopped(log, tick_s=settings.file.timings.tick)
        _check_same_log(settings, header)
        await parts.restore(checking, log)
        found = Aftermath(await valid_tokens(log, wall_clock()))
        if old is not None:
            try:
                found.lost = await lost(old, header)
            except Error as error:
                found.failure = error
        return header, found


async def _move(settings: ServerSettings, target: Place, source: str, identity: Path, least: Noted | None) -> Header:
    """Restore the backup of the log in use into `target`.

    Raises:
        ConflictError: an m8 serves the log in use, or it does not end where the backup ends.
    """
    if target.database is None and settings.database is None and target.file.resolve() == settings.event_log.resolve():
        raise UsageError(f"{target} is the log in use.", fix="Name an empty place.")
    async with reading(source, opened_by(identity), least) as checking, opened_log(settings) as used:
        header = checking.begun
        await check_stopped(used, tick_s=settings.file.timings.tick)
        _check_same_log(settings, header)
        await _check_whole(used, header)
        async with log_at(target, for_import=True) as log:
            await parts.restore(checking, log)
        await _check_whole(used, header)  # nothing was recorded meanwhile
        return header


async def _check_whole(used: EventLog, header: Header) -> None:
    if await Noted.last(used) != header.end:
        raise ConflictError(
            "the backup does not end where the log in use ends.",
            fix="Stop every m8 that uses the log, take another backup of it, and restore that one into an empty place.",
        )


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


def _check_same_log(settings: ServerSettings, header: Header) -> None:
    known = remembered(settings.log_id)
    if known and header.log_id and known != header.log_id:
        raise ConflictError(
            f"{settings.folder} serves the log {known}, and the backup is of the log {header.log_id}.",
            fix="Restore it into a new folder (m8 init folder --dir NEW), and copy token-signing.key and the TLS files"
            " there.",
        )


def _least(settings: ServerSettings, at_least: Noted | None, *, accept_loss: bool) -> Noted | None:
    """Return the later one of the position that is given and the one that the folder notes."""
    if accept_loss:
        return at_least
    found = Noted.find(settings.folder)
    known = [each for each in (at_least, found) if each is not None]
    # Of two of the same position, the one that also says which record stands there.
    return max(known, key=lambda each: (each.position, each.hash != b""), default=None)
