"""What `-o` takes where things are listed, and the words that narrow a list."""

from __future__ import annotations

import click

from monoskope.client import Client
from monoskope.errors import UsageError
from monoskope.monoctl.output.formats import TABLE, WORDS

form_option = click.option(
    "-o",
    "--output",
    "form",
    type=click.Choice(WORDS),
    default=TABLE,
    show_default=True,
    help="How to print: `wide` shows whole hashes and versions, `name` names alone.",
)
"""The option of commands that list, instead of `output_option`."""


async def full_prefix(client: Client, text: str, *, store: str = "") -> str:
    """Return the URI prefix that `text` names: itself, or a path in `store`, else in the default store; "" for all.

    Raises as `Client.full_uri`.
    """
    if not text or "://" in text:
        return text
    path = text.removesuffix("/")
    return f"{store}://{path}" if store else await client.full_uri(path)


def one_prefix(word: str, option: str) -> str:
    """Return PREFIX, given as a word or by `--prefix`. Raises `UsageError` if it is given as both."""
    if word and option:
        raise UsageError("PREFIX and --prefix exclude each other.", fix="Give one of them.")
    return word or option
