"""What commands about a reactor are given: its folder, or its settings file."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from monoskope.errors import UsageError
from monoskope.reactor.settings import SETTINGS_FILE

R = TypeVar("R")
SETTINGS_PATH = click.Path(path_type=Path, resolve_path=True)
FILE = click.Path(path_type=Path, dir_okay=False)
folder_argument = click.argument(
    "folder", metavar="DIR", type=click.Path(path_type=Path, file_okay=False, resolve_path=True)
)
"""Gives a command the argument DIR: it gets the folder, which need not exist."""


def settings_argument(command: Callable[..., R]) -> Callable[..., R]:
    """Give a command the argument DIR|FILE and the option `--config`, of which one is given; it gets the file."""

    @click.argument("named", metavar="DIR|FILE", required=False, type=SETTINGS_PATH)
    @click.option("--config", metavar="DIR|FILE", type=SETTINGS_PATH, help="The same as DIR|FILE.")
    @functools.wraps(command)
    def wrapped(*args: Any, named: Path | None, config: Path | None, **rest: Any) -> R:  # noqa: ANN401 - click's own
        if named is not None and config is not None:
            raise UsageError("DIR|FILE and --config exclude each other.", fix="Give one of them.")
        path = named or config
        if path is None:
            raise UsageError("no settings are named.", fix="Name a reactor's folder, or its settings file.")
        return command(*args, file=settings_file(path), **rest)

    return wrapped


def settings_file(path: Path) -> Path:
    """Return the settings file that `path` is, or that lies in the folder `path`."""
    return path if path.suffix == ".toml" or path.is_file() else path / SETTINGS_FILE
