"""`monoctl help` and `monoctl version`."""

from __future__ import annotations

from importlib.metadata import version as installed

import click

from monoskope.monoctl.output import terminal


@command("help", short_help="Show the help of a command.")
@click.argument("words", nargs=-1, metavar="[VERB [NOUN]]")
@click.pass_context
def show_help(context: click.Context, words: tuple[str, ...]) -> None:
    """Show the help of a command, as `--help` after it does: `monoctl help put secret`."""
    here = context.find_root()
    for word in words:
        group = here.command
        if not isinstance(group, click.Group):
            raise click.UsageError(f"`{here.command_path}` has no command {word!r}.", here)
        # This refuses an unknown word, and suggests one.
        name, command, _ = group.resolve_command(here, [word])
        assert command is not None
        here = command.context_class(command, info_name=name, parent=here, **command.context_settings)
    terminal.out(*here.get_help().split("\n"))


@command(short_help="Show the version of monoctl.")
@click.option("-o", "--output", type=click.Choice(["table", "json", "yaml"]), default="table", show_default=True)
def version(output: str) -> None:
    """Show the version of monoctl, without a connection to m8."""
    number = installed("monoskope")
    if output == "table":
        terminal.out(f"monoctl {number}")
        return
    from monoskope.monoctl.output.formats import emit  # noqa: PLC0415 - the plain form needs no client

    emit(output, {"monoctl": number}, {})
