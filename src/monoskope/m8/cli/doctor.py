"""`m8 doctor`: all checks of a server, each with its fix. A file of its own: it loads more than other commands."""

from __future__ import annotations

from pathlib import Path

import click

from monoskope.checks.check import ending
from monoskope.command_line import Command
from monoskope.m8.cli.common import folder_option, output_option, show_checks
from monoskope.m8.dev.environment import dev_folder
from monoskope.m8.doctor import examine


@click.command(cls=Command, short_help="Check a server, and say what to do about what is wrong.")
@folder_option
@output_option
def doctor(folder: Path, output: str) -> int:
    """Check a server: its files, certificate, database, log, issuers, stores, backup and more.

    Run it on the server, as the user of m8, whether m8 runs or not. It changes nothing and shows no secret. Each thing
    that is wrong stands beside its fix. It ends with 21 if a check says FAIL, else with 0.
    """
    if (dev := dev_folder(folder)) is not None:
        click.echo(f"{dev} is of m8 dev, to play with: m8 doctor has no checks for that. Name a server by --dir.")
        return 0
    checks = examine(folder)
    show_checks(checks, output)
    return ending(checks)
