"""`m8 migrate`: give the read models of an older m8 the form of this version, or copy the log into another database."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click

from monoskope.counted import counted
from monoskope.errors import UsageError
from monoskope.exit_codes import ExitCode
from monoskope.m8 import settings
from monoskope.m8.cli.common import arm_failpoints, folder_option
from monoskope.m8.cli.migrate_to import migrate_to
from monoskope.m8.cli.other_log import database_options, place
from monoskope.m8.log import sqlite_file, sqlite_forms, sqlite_identity, sqlite_migration, sqlite_rebuild
from monoskope.m8.log.migration import Plan
from monoskope.m8.log.opening import Place
from monoskope.m8.log.sqlite_build import Build
from monoskope.m8.opened import log_at, place_of, wall_clock
from monoskope.m8.readmodels import documents as chain

_MIB = 1 << 20


@click.command(short_help="Give the read models of an older m8 the form of this version.")
@folder_option
@click.option(
    "--check",
    is_flag=True,
    help="Change nothing, and say what would happen. Exit code: 0 if nothing is to be done, 12 if something is.",
)
@click.option(
    "--prepare",
    is_flag=True,
    help="Do all but the last step while an older m8 serves: the start of this version then takes a moment.",
)
@click.option(
    "--to",
    default="",
    metavar="PLACE",
    help="Copy the event log into this empty place: postgresql://USER@HOST/DATABASE or sqlite:PATH.",
)
@database_options
def migrate(folder: Path, *, check: bool, prepare: bool, to: str, **files: Path | None) -> int:
    """Make the read models anew from the log, if an older m8 made them. Stop m8 before; `m8 serve` does the same.

    An older m8 that runs meanwhile goes on until the last step. From then on its calls fail and it writes nothing.

    With --to, copy the event log byte for byte into an empty place. m8 must not run. Both hash chains are checked, and
    nothing is removed from the log in use. At the end it says what to change in m8.toml. If it breaks off, the same
    command goes on.
    """
    if check + prepare + bool(to) > 1:
        raise click.UsageError("--check, --prepare and --to exclude each other.")
    arm_failpoints()
    if to:
        migrate_to(folder, place("--to", to, **files), to)
        return ExitCode.OK
    return _read_models(folder, check=check, prepare=prepare)


def _read_models(folder: Path, *, check: bool, prepare: bool) -> int:
    loaded = settings.load(folder)
    if loaded.database is not None and check:
        asyncio.run(_check_database(Place(loaded.event_log, loaded.database)))
        return _nothing_to_do(sqlite_forms.FORM)
    if loaded.database is not None:
        raise UsageError(
            f"the event log is in the PostgreSQL database {loaded.database}. Without --to, "
            "m8 migrate is for SQLite files.",
            fix="Run m8 serve, which says if it cannot serve from a database. For read models: m8 readmodels rebuild.",
        )
    path = loaded.event_log
    plan = sqlite_migration.plan(path, chain.project)
    if not plan.is_needed:
        return _nothing_to_do(plan.form)
    if check:
        _show(plan)
        return ExitCode.DIFFERENT
    if found := sqlite_identity.log_id(path):
        place_of(loaded).check(found)
    sqlite_file.prepare(path)
    build = Build(chain.project, wall_clock, resumes=True, exchanges=not prepare)
    if not prepare:
        build.piece_s = sqlite_rebuild.LONG_PIECE_S
    sqlite_rebuild.migrate(path, build, tell=lambda _replayed, _left: None)
    replayed = counted(build.replayed, "event")
    if prepare:
        click.echo(f"Prepared: {replayed} replayed. Start m8 serve of this version to end it.")
        return ExitCode.OK
    sqlite_rebuild.drop_leftovers(path, wall_clock)
    click.echo(f"Migrated: {replayed} replayed, the read models have form {sqlite_forms.FORM} now.")
    return ExitCode.OK


async def _check_database(place: Place) -> None:
    """Open the log in a database, and change nothing. Raises `UsageError` if its form is another one."""
    async with log_at(place):
        pass


def _nothing_to_do(form: int) -> ExitCode:
    click.echo(f"Nothing to do: the read models have form {form}, the one of this m8.")
    return ExitCode.OK


def _show(plan: Plan) -> None:
    click.echo(f"The read models have form {plan.form}; this m8 needs form {plan.new_form}.")
    click.echo(f"Events to replay: {plan.events}. About {max(1, round(plan.seconds))} s with nobody else at work.")
    size = max(1, round(plan.size / _MIB))
    click.echo(f"Disk: about {size} MiB more, and the space of the old read models is used again afterwards.")
    click.echo("Online: an older m8 can serve meanwhile (m8 migrate --prepare); the last step takes a moment.")
