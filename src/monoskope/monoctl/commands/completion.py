"""`monoctl completion`."""

from __future__ import annotations

import click
from click.shell_completion import ShellComplete, get_completion_class

from monoskope.monoctl.output import write


@click.command(short_help="Print a completion script for your shell.")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print a completion script for your shell.

    \b
    bash:  source <(monoctl completion bash)
    zsh:   source <(monoctl completion zsh)
    fish:  monoctl completion fish | source
    """  # noqa: D301 - click wants the character itself
    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"no completion for {shell}")
    root = click.get_current_context().find_root().command
    # The base class's method, because the one for bash would run bash to find its version.
    script = ShellComplete.source(kind(root, {}, "monoctl", "_MONOCTL_COMPLETE"))
    write.out(*script.split("\n"))
