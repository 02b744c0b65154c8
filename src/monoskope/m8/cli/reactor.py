"""`m8 reactor …`: replace this process with the reactor's program, of which m8 imports nothing."""

from __future__ import annotations

import click

from monoskope.m8.programs import become_reactor


class PassThrough(click.Command):
    """A command that passes all arguments, also `--help` and `--`, to another program."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Keep `args` as they are."""
        ctx.args = list(args)
        return ctx.args


@click.command(cls=PassThrough, options_metavar="", add_help_option=False)
@click.pass_context
def reactor(context: click.Context) -> None:
    """Run the reactor's program (m8 reactor --help)."""
    become_reactor(*context.args)
