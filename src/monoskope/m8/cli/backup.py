"""`m8 backup`: a copy of the log that any engine can be restored from, or of the whole folder."""

from __future__ import annotations

import difflib
from pathlib import Path
from types import MappingProxyType

import click

from monoskope.counted import counted
from monoskope.errors import UsageError
from monoskope.m8 import settings
from monoskope.m8.backup import folder as parts
from monoskope.m8.cli.common import folder_option
from monoskope.m8.cli.lazy import LazyGroup

_COMMANDS = MappingProxyType(
    {
        "create": "monoskope.m8.cli.backup_create:create",
        "folder": "monoskope.m8.cli.backup:folder_",
        "key": "monoskope.m8.cli.backup_create:key",
        "restore": "monoskope.m8.cli.backup_restore:restore",
        "verify": "monoskope.m8.cli.backup_restore:verify",
    }
)


class _Backup(LazyGroup):
    """Also takes the form `m8 backup FOLDER`."""

    places = _COMMANDS

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Take a first word that is no command as the folder of `m8 backup folder`."""
        if args[0] in _COMMANDS:
            return super().resolve_command(ctx, args)
        if "/" not in args[0] and (close := difflib.get_close_matches(args[0], _COMMANDS, n=1, cutoff=0.75)):
            raise UsageError(
                f"m8 backup has no command {args[0]}.",
                fix=f"Did you mean: m8 backup {close[0]} . For a folder of that name: m8 backup folder {args[0]}",
            )
        return "folder", folder_, args


@click.group(cls=_Backup, short_help="Back m8 up, also while it runs, and restore it.")
@folder_option
@click.pass_context
def backup(context: click.Context, *, folder: Path) -> None:
    """Back m8 up, also while it runs, and restore it.

    create, verify and restore handle one encrypted file with the event log, from which any database can be restored.
    No key is in it. folder copies the whole folder of an m8 on SQLite, keys included; m8 backup FOLDER is the same.
    """
    context.obj = folder


own_folder_option = click.option(
    "--dir", "own", type=click.Path(path_type=Path, file_okay=False), default=None, help="The folder of m8."
)
"""For the commands of the group, so that `--dir` may stand before and after their name."""


@click.command(name="folder", short_help="Copy the whole folder, keys included.")
@own_folder_option
@click.argument("target", metavar="FOLDER", type=click.Path(path_type=Path))
@click.pass_obj
def folder_(folder: Path, own: Path | None, target: Path) -> None:
    """Copy the whole server into the new FOLDER: log, keys, certificates and settings. m8 may run meanwhile.

    The hash chain of the copy is checked. m8 can be served from it: m8 serve --dir FOLDER. It holds the keys of the
    server, so keep it as you keep the server.
    """
    folder = own or folder
    done = parts.back_up(settings.load(folder), target)
    click.echo(f"{target} holds {counted(done.events, 'event')}, each naming the hash of the one before it.")
    for path in done.outside:
        click.echo(f"warning: {path} lies outside of {folder}, and is not in it.", err=True)
