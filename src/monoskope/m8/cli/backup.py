"""`m8 backup`."""

from __future__ import annotations

from pathlib import Path

import click

from monoskope.m8 import backup as parts
from monoskope.m8 import settings
from monoskope.m8.cli.common import folder_option


@click.command(short_help="Copy the whole server, also while it runs.")
@folder_option
@click.argument("target", metavar="FOLDER", type=click.Path(path_type=Path))
def backup(folder: Path, target: Path) -> None:
    """Copy the whole server into the new FOLDER: log, keys, certificates and settings. m8 may run meanwhile.

    The hash chain of the copy is checked. m8 can be served from it: m8 serve --dir FOLDER. It holds the keys of the
    server, so keep it as you keep the server.
    """
    done = parts.back_up(settings.load(folder), target)
    click.echo(f"{target} holds {done.events} events, each naming the hash of the one before it.")
    for path in done.outside:
        click.echo(f"warning: {path} lies outside of {folder}, and is not in it.", err=True)
