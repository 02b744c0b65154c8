"""How a malformed command line is told: click's own sentence, without the options that no help shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import click


def sentence(error: click.ClickException) -> str:
    """Return what `error` says on one line, in lower case. Options that are hidden are not suggested."""
    from click import NoSuchOption, Option  # noqa: PLC0415 - it stands at the bottom, where nothing heavy is imported

    if isinstance(error, NoSuchOption) and error.possibilities and error.ctx is not None:
        options = [option for option in error.ctx.command.params if isinstance(option, Option) and option.hidden]
        hidden = {name for option in options for name in (*option.opts, *option.secondary_opts)}
        near = [name for name in error.possibilities if name not in hidden]
        error = NoSuchOption(error.option_name, possibilities=near, ctx=error.ctx)
    message = " ".join(error.format_message().split())
    return message[:1].lower() + message[1:]
