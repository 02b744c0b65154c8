"""`monoctl version`."""

from __future__ import annotations

from importlib.metadata import version as installed

import click

from monoskope.monoctl.output import terminal


@click.command(short_help="Show the version of monoctl.")
@click.option("-o", "--output", type=click.Choice(["table", "json", "yaml"]), default="table", show_default=True)
def version(output: str) -> None:
    """Show the version of monoctl, without a connection to m8."""
    number = installed("monoskope")
    if output == "table":
        terminal.out(f"monoctl {number}")
        return
    from monoskope.monoctl.output.formats import emit  # noqa: PLC0415 - the plain form needs no client

    emit(output, {"monoctl": number}, {})
