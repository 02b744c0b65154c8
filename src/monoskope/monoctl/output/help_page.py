"""How the help of a command shows its options: its own, then those of the connection, which most commands have."""

from __future__ import annotations

import os
import sys

import click

MOST_COLUMNS = 100
_LEAST_COLUMNS = 50
_MARGIN = 2


def width() -> int:
    """Return how wide a help may be, as click would: by COLUMNS, else by the terminal, else 78.

    click asks `shutil` for it, which loads the compressors that Python has: 4 ms.
    """
    try:
        columns = int(os.environ.get("COLUMNS", "0"))
    except ValueError:
        columns = 0
    if columns <= 0:
        try:
            columns = os.get_terminal_size(sys.__stdout__.fileno()).columns if sys.__stdout__ else 0
        except (OSError, ValueError):
            columns = 0
    return max(min(columns or 80, MOST_COLUMNS) - _MARGIN, _LEAST_COLUMNS)


class ConnectionOption(click.Option):
    """An option that says which m8 is called, and as whom."""


def write_options(command: click.Command, ctx: click.Context, formatter: click.HelpFormatter) -> None:
    """Write the options of a command in their sections."""
    own: list[tuple[str, str]] = []
    shared: list[tuple[str, str]] = []
    for parameter in command.get_params(ctx):
        if not isinstance(parameter, click.Option):
            continue  # the usage line names arguments; from 8.5.1 on click gives each a row without a word beside it
        record = parameter.get_help_record(ctx)
        if record is not None:
            (shared if isinstance(parameter, ConnectionOption) else own).append(record)
    for title, records in (("Options", own), ("Connection options", shared)):
        if records:
            with formatter.section(title):
                formatter.write_dl(records)
