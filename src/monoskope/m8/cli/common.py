"""What several commands of `m8` share: the folder, its log, lengths of time, tables."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import click

from monoskope import failpoints
from monoskope.checks.check import Check, documents, lines
from monoskope.errors import OutcomeUnknownError, UsageError
from monoskope.m8 import settings
from monoskope.m8.log.event_log import EventLog, UnknownAppendError
from monoskope.m8.opened import opened_log
from monoskope.text import escape
from monoskope.times import parse_length

F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")

folder_option = click.option(
    "--dir",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    envvar="M8_DIR",
    default=settings.default_folder,
    show_default="$XDG_STATE_HOME/monoskope/m8",
    show_envvar=True,
    help="The folder of m8.",
)

own_folder_option = click.option(
    "--dir",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=None,
    callback=lambda context, _parameter, given: given or context.obj,
    help="The folder of m8.",
)
"""For the commands of a group that takes `--dir`, too, so that it may stand before and after their name."""

output_option = click.option(
    "-o", "--output", type=click.Choice(["table", "json"]), default="table", show_default=True, help="How to print."
)


_FILE = click.Path(path_type=Path, dir_okay=False)


def database_options(command: F) -> F:
    """Add the options for a PostgreSQL database, as m8.toml has them for its own."""
    options = (
        click.option(
            "--database-password-file",
            type=_FILE,
            default=None,
            metavar="FILE",
            help="For postgresql://: its password, mode 0600; or set M8_DATABASE_PASSWORD.",
        ),
        click.option(
            "--database-ca",
            type=_FILE,
            default=None,
            metavar="FILE",
            help="For postgresql://: who signed its certificate, PEM. Without it: the system's authorities.",
        ),
        click.option(
            "--database-certificate", type=_FILE, default=None, metavar="FILE", help="m8's own certificate for it, PEM."
        ),
        click.option(
            "--database-key", type=_FILE, default=None, metavar="FILE", help="Its private key, PEM, mode 0600."
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


def seconds(text: str) -> int:
    """Turn a length of time such as 30m, 12h or 30d into seconds. Raises `click.BadParameter`."""
    try:
        return parse_length(text)
    except UsageError as error:
        raise click.BadParameter(f"{error.message} {error.fix}") from None


def arm_failpoints() -> None:
    """Arm the failpoints that the environment names, and say so."""
    if warning := failpoints.arm(os.environ):
        click.echo(f"warning: {warning}", err=True)


@asynccontextmanager
async def opened(
    folder: Path, *, frees_reserve: bool = False
) -> AsyncIterator[tuple[settings.ServerSettings, EventLog]]:
    """Open the log of the server in `folder`, as `opened_log` does. Raises `Error` as its parts do."""
    loaded = settings.load(folder)
    async with opened_log(loaded, frees_reserve=frees_reserve) as log:
        yield loaded, log


def on_log(
    folder: Path,
    use: Callable[[settings.ServerSettings, EventLog], Awaitable[T]],
    *,
    frees_reserve: bool = False,
    unknown: str = "",
) -> T:
    """Return what `use` makes of the log of the server in `folder`.

    Args:
        folder: Of m8.
        use: Given the settings and the log.
        frees_reserve: As `opened_log` has it.
        unknown: What to do where it is not known whether an event was recorded.

    Raises:
        OutcomeUnknownError: that is not known.
        Error: as `settings.load`, `opened_log` and `use` do.
    """

    async def work() -> T:
        async with opened(folder, frees_reserve=frees_reserve) as (loaded, log):
            return await use(loaded, log)

    try:
        return asyncio.run(work())
    except UnknownAppendError as error:
        raise OutcomeUnknownError(error.message, fix=unknown or error.fix) from None


def show(rows: Sequence[dict[str, object]], columns: Sequence[str], output: str) -> None:
    """Print `rows` as a JSON array of objects, or as a table of `columns`."""
    if output == "json":
        click.echo(json.dumps(list(rows), indent=2))
        return
    cells = [[name.upper().replace("_", " ") for name in columns]]
    cells += [[_cell(row[name]) for name in columns] for row in rows]
    widths = [max(len(line[index]) for line in cells) for index in range(len(columns))]
    for line in cells:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def show_checks(checks: Sequence[Check], output: str) -> None:
    """Print checks as a JSON array of objects, or for people."""
    if output == "json":
        click.echo(json.dumps(documents(checks), indent=2))
        return
    for line in lines(checks):
        click.echo(line)


def _cell(value: object) -> str:
    return escape(",".join(str(part) for part in value) if isinstance(value, list) else str(value))
