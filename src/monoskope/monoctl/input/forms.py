"""What `-o` takes where things are listed, and the words that narrow a list."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from monoskope.client import Client
from monoskope.errors import UsageError
from monoskope.monoctl.output.jsonpath import Template
from monoskope.monoctl.output.listing import JSONPATH, TABLE, WORDS, Form

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem


class _FormType(click.ParamType[Form]):
    name = "form"

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:  # noqa: ARG002 - click's own
        return f"[{'|'.join(WORDS)}|{JSONPATH}TEMPLATE]"

    def convert(self, value: Form, param: click.Parameter | None, ctx: click.Context | None) -> Form:
        if isinstance(value, Template) or value in WORDS:
            return value
        if value.startswith(JSONPATH):
            return Template(value.removeprefix(JSONPATH))
        return self.fail(f"{value!r} is not one of {', '.join(WORDS)}, {JSONPATH}TEMPLATE.", param, ctx)

    def shell_complete(
        self,
        ctx: click.Context,  # noqa: ARG002 - click's own
        param: click.Parameter,  # noqa: ARG002
        incomplete: str,
    ) -> list[CompletionItem]:
        from click.shell_completion import CompletionItem  # noqa: PLC0415 - a command that runs does not need it

        return [CompletionItem(word) for word in (*WORDS, JSONPATH) if word.startswith(incomplete)]


form_option = click.option(
    "-o",
    "--output",
    "form",
    type=_FormType(),
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
