"""Environment variables that look like ours and are not: a misspelt one would be ignored without a word."""

from __future__ import annotations

from collections.abc import Iterable

import click

PREFIX = "MONOCTL_"

VARIABLES = frozenset(
    PREFIX + name
    for name in ("CONFIG", "SERVER", "CA_FILE", "TOKEN_FILE", "KNOWN_STORES", "STORE_IDENTITY", "DEFAULT_STORE")
)
"""All that `monoctl` reads, XDG's apart."""


def warn_of_unknown(names: Iterable[str]) -> None:
    """Say on standard error which `MONOCTL_…` variables nobody reads, and which one may be meant. Shows no value."""
    for name in sorted(names):
        if name.startswith(PREFIX) and name not in VARIABLES:
            import difflib  # noqa: PLC0415 - hardly ever needed

            close = difflib.get_close_matches(name, VARIABLES, n=1)
            hint = f" Did you mean {close[0]}?" if close else ""
            click.echo(f"warning: the environment variable {name} means nothing to monoctl.{hint}", err=True)
