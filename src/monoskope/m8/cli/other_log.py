"""Naming a log that m8.toml does not: `sqlite:PATH`, or the URL of a PostgreSQL database and what belongs to it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from monoskope.errors import UsageError
from monoskope.m8.log.opening import Place
from monoskope.m8.log.postgres.settings import DatabaseSettings

F = TypeVar("F", bound=Callable[..., Any])

FORM = "Write sqlite:PATH, or postgresql://USER@HOST/DATABASE."
_FILE = click.Path(path_type=Path, dir_okay=False)


def database_options(command: F) -> F:
    """Add the options for a PostgreSQL database, as m8.toml has them for its own."""
    options = (
        click.option(
            "--database-password-file",
            type=_FILE,
            default=None,
            metavar="FILE",
            help="For postgresql://: its password, mode 0600; or set M8_DATABASE_PASSWORD.",
        ),
        click.option(
            "--database-ca",
            type=_FILE,
            default=None,
            metavar="FILE",
            help="For postgresql://: who signed its certificate, PEM. Without it: the system's authorities.",
        ),
        click.option(
            "--database-certificate", type=_FILE, default=None, metavar="FILE", help="m8's own certificate for it, PEM."
        ),
        click.option(
            "--database-key", type=_FILE, default=None, metavar="FILE", help="Its private key, PEM, mode 0600."
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


def place(option: str, text: str, **files: Path | None) -> Place:
    """Return the place that `text` names.

    Args:
        option: The option that has it, for errors.
        text: `sqlite:PATH` or a URL.
        files: What `database_options` gives.

    Raises:
        UsageError: it is of another form, or a file cannot be used.
        RefusedError: others can reach a file with a password or a key.
    """
    scheme, colon, rest = text.partition(":")
    if colon and rest and scheme == "sqlite":
        return Place(Path(rest))
    if not colon or scheme not in {"postgresql", "postgres"}:
        raise UsageError(f"{option} names no log in a form that m8 knows.", fix=FORM)
    names = {
        name.removeprefix("database_"): str(file.absolute()) if file is not None else "" for name, file in files.items()
    }
    settings = DatabaseSettings(database=text, **names)
    return Place(Path(), settings.target(Path(option), os.environ))
