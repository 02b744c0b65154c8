"""`m8 init`: set a server up."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from monoskope.command_line import Command
from monoskope.m8 import settings
from monoskope.m8.cli.common import database_options, folder_option
from monoskope.m8.cli.setup import steps
from monoskope.m8.cli.setup.answers import Asked, Terminal, read_answers
from monoskope.m8.cli.setup.context import Setup

_FILE = click.Path(path_type=Path, dir_okay=False)


@click.command(cls=Command, short_help="Set up a server: all of it, or the steps that you name.")
@click.argument("names", metavar="[STEP]...", nargs=-1, type=click.Choice(list(steps.STEPS)))
@folder_option
@click.option("--answers", type=_FILE, metavar="FILE", help="A TOML file that answers in place of questions.")
@click.option(
    "--name", "hosts", multiple=True, metavar="HOST", help="A host name under which m8 can be reached; can be repeated."
)
@click.option(
    "--listen",
    default="",
    metavar="HOST:PORT",
    help=f"Where to listen.  [default: {settings.DEFAULT_LISTEN}; of all steps, everywhere]",
)
@click.option("--no-ca-key", is_flag=True, help="Do not keep the key of the CA: it cannot sign another certificate.")
@click.option(
    "--database",
    default="",
    metavar="URL",
    help="Keep the event log in PostgreSQL: postgresql://USER@HOST/DATABASE, without a password.",
)
@database_options
@click.option(
    "--log-origin",
    default="",
    metavar="NAME",
    help="What the event log is called in its checkpoints, for ever.  [default: monoskope/<16 hex digits>]",
)
@click.option(
    "--units",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Where to write systemd units.  [default: units in the folder of m8]",
)
@click.option("--browser", is_flag=True, help="Log in by an address that you open, not by a code that you type.")
def init(
    *,
    names: tuple[str, ...],
    folder: Path,
    answers: Path | None,
    hosts: tuple[str, ...],
    listen: str,
    no_ca_key: bool,
    database: str,
    log_origin: str,
    units: Path | None,
    browser: bool,
    **files: Path | None,
) -> None:
    """Set up a server, step by step.

    The steps are folder, database, tls, issuer, administrator, backup, units and finish. Without a STEP all of them
    run, and what they need is asked for, in ten questions at most. A step that is done changes nothing; a set-up that
    was stopped goes on. `m8 init folder` alone makes a server's folder and asks nothing.
    """
    named = {
        **({"database": database} if database else {}),
        **{name: str(file.absolute()) for name, file in files.items() if file is not None},
    }
    given = {name: value for name, value in named.items() if name in {"database", "database_ca"}}
    given |= {"units": str(units)} if units is not None else {}
    given |= {"name": hosts[0]} if hosts else {}
    person = Terminal() if sys.stdin.isatty() and sys.stdout.isatty() else None
    setup = Setup(
        folder,
        Asked(folder, given, read_answers(answers), person),
        is_guided=not names,
        listen=listen,
        names=hosts,
        keeps_ca_key=not no_ca_key,
        log_origin=log_origin,
        database=named,
        by_browser=browser,
    )
    steps.run(setup, names)
    if names == ("folder",):
        click.echo(f"\nNext:\n\n  m8 serve{setup.here}")
        click.echo(f"  m8 token create{setup.here} --role administrator --subject YOU --out admin.token\n")
        click.echo(f"Clients and reactors need {folder / 'ca.crt'}.")
