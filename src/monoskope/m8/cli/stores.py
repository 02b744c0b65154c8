"""`m8 stores check`: replace this process with the program that checks an engine. m8 imports nothing of it."""

from __future__ import annotations

import os
import sys

import click

from monoskope.m8.cli.reactor import PassThrough

MODULE = "monoskope.testing.store_check.check"


@click.group()
def stores() -> None:
    """Check the engines behind stores."""


@stores.command(
    cls=PassThrough,
    options_metavar="DIR|FILE",
    add_help_option=False,
    short_help="Run the driver suite against a configured engine.",
)
@click.pass_context
def check(context: click.Context) -> None:
    """Run the driver suite against a configured engine, below a path of its own (m8 stores check --help)."""
    arguments = [sys.executable, "-P", "-m", MODULE, *context.args]
    os.execv(arguments[0], arguments)  # noqa: S606  no shell is wanted
