"""`monoctl completion`."""

from __future__ import annotations

import click

from monoskope import shell_completion
from monoskope.monoctl.output import terminal


@click.command(short_help="Print a completion script for your shell.")
@click.argument("shell", type=click.Choice(shell_completion.SHELLS))
def completion(shell: str) -> None:
    """Print a completion script for your shell. It completes stores and URIs too, for which it asks m8.

    \b
    bash:  source <(monoctl completion bash)
    zsh:   source <(monoctl completion zsh)
    fish:  monoctl completion fish | source
    """  # noqa: D301 - click wants the character itself
    root = click.get_current_context().find_root().command
    terminal.out(*shell_completion.script(root, "monoctl", shell).split("\n"))
