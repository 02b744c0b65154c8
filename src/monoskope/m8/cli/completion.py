"""`m8 completion`."""

from __future__ import annotations

import click

from monoskope import shell_completion


@click.command()
@click.argument("shell", type=click.Choice(shell_completion.SHELLS))
def completion(shell: str) -> None:
    """Print a completion script for your shell.

    \b
    bash:  source <(m8 completion bash)
    zsh:   source <(m8 completion zsh)
    fish:  m8 completion fish | source
    """  # noqa: D301 - click wants the character itself
    click.echo(shell_completion.script(click.get_current_context().find_root().command, "m8", shell))
