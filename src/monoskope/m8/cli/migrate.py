"""`m8 migrate`."""

from __future__ import annotations

from pathlib import Path

import click

from monoskope.m8.cli.common import folder_option
from monoskope.m8.cli.migrate_to import migrate_to
from monoskope.m8.cli.other_log import database_options, place


@click.command(short_help="Copy the event log into an empty one of another database.")
@folder_option
@click.option("--to", required=True, metavar="PLACE", help="postgresql://USER@HOST/DATABASE or sqlite:PATH.")
@database_options
def migrate(folder: Path, *, to: str, **files: Path | None) -> None:
    """Copy the event log into an empty one of another database, byte for byte. m8 must not run.

    Both hash chains are checked. Nothing is removed from the log in use. At the end it says what to change in m8.toml.
    If it breaks off, the same command goes on.
    """
    migrate_to(folder, place("--to", to, **files), to)
