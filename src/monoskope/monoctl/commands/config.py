"""This program on this machine: `monoctl config` and `monoctl completion`."""

from __future__ import annotations

import os
from pathlib import Path

import click

from monoskope import shell_completion
from monoskope.client.known.config_file import check_context, config_path, read_config
from monoskope.client.known.sources import find
from monoskope.client.known.table import FIELDS, IN_FILES, Setting
from monoskope.client.settings.writing import chosen_context, unset_settings, use_context, write_settings
from monoskope.host_port import check_servers
from monoskope.monoctl.groups import command
from monoskope.monoctl.options import config_option, context_option
from monoskope.monoctl.output import terminal
from monoskope.monoctl.output.formats import emit

_output_option = click.option(
    "-o", "--output", type=click.Choice(["table", "json", "yaml"]), default="table", show_default=True
)


@command(short_help="Show the settings and where each comes from.")
@config_option
@context_option
@_output_option
def view(config: Path | None, context: str | None, output: str) -> None:
    """Show the settings in effect, and where each comes from. Never shows a token."""
    found = find({}, config=config, context=context)
    documents = [
        {"name": name, "value": found[name].value, "source": found[name].source}
        if name in found
        else {"name": name, "value": "", "source": "not set"}
        for name in ("context", *FIELDS)
    ]
    documents.append(_credential(found))
    emit(output, documents, {"NAME": "name", "VALUE": "value", "SOURCE": "source"})


def _credential(found: dict[str, Setting]) -> dict[str, str]:
    """Return the row that says which credential counts."""
    given = [name for name in ("token", "token_file") if name in found]
    if given or "server" not in found:
        value, source = (given[0], found[given[0]].source) if given else ("", "not set")
        return {"name": "credential", "value": value, "source": source}
    from monoskope.client.login.credential import ambient  # noqa: PLC0415 - few look

    server = check_servers(found["server"].value)[0]
    credential = ambient(server, server, os.environ)
    if credential is None:
        return {"name": "credential", "value": "", "source": "not set"}
    return {"name": "credential", "value": credential.source, "source": "found, as no token is given"}


@command("set", short_help="Write one setting to the settings file.")
@click.argument("name", type=click.Choice(IN_FILES))
@click.argument("value")
@config_option
@context_option
def set_(name: str, value: str, config: Path | None, context: str | None) -> None:
    """Write one setting to the settings file (mode 0600). Creates the file if it is missing.

    The setting is written in the context that counts, else at the top of the file.

    \b
    monoctl config set --context lab server m8.lab.example:7443
    """  # noqa: D301 - click wants the character itself
    counts = context or chosen_context(None, config=config).context
    write_settings({name: value}, context=counts or None, config=config)


@command(short_help="Remove one setting from the settings file.")
@click.argument("name", type=click.Choice(IN_FILES))
@config_option
@context_option
def unset(name: str, config: Path | None, context: str | None) -> None:
    """Remove one setting from the settings file: from the context that counts, else from the top of the file.

    A context whose last setting is removed is gone.
    """
    counts = chosen_context(context, config=config).context
    unset_settings([name], context=counts or None, config=config)


@command(short_help="Choose the context that counts.")
@click.argument("context", required=False)
@click.option("--none", "none", is_flag=True, help="No context: the settings at the top of the file count.")
@config_option
def use(context: str | None, config: Path | None, *, none: bool) -> None:
    """Choose the context that counts where neither --context nor MONOCTL_CONTEXT names one.

    A context is one m8 with all that is bound to it: server, CA, token or login, log, signing key.
    """
    if (context is None) is not none:
        raise click.UsageError("Name a context, or say --none.")
    chosen = use_context(None if none else context, config=config)
    if chosen.context:
        terminal.out(f"The context {chosen.context} counts now: {chosen.table.server}.")
    else:
        terminal.out(f"No context counts now, but the settings at the top of {chosen.path}.")
    named = os.environ.get("MONOCTL_CONTEXT")
    if named and named != chosen.context:
        terminal.warn(f"MONOCTL_CONTEXT names {check_context(named)!r}, and counts before it.")


@command(short_help="List the contexts.")
@config_option
@_output_option
def contexts(config: Path | None, output: str) -> None:
    """List the contexts of the settings file, and mark the one that counts.

    A server at the top of the file comes first. It is in no context: its name is empty.
    """
    path = config_path(config)
    file = read_config(path)
    counts = os.environ.get("MONOCTL_CONTEXT") or file.context
    top = {"": file.top} if file.top.server else {}
    documents = [
        {"name": name, "server": table.server, "counts": "yes" if name == counts else ""}
        for name, table in sorted((top | file.contexts).items())
    ]
    if not documents and output == "table":
        terminal.note(f"{path} has no contexts. `monoctl config set --context NAME server SERVER` makes one.")
        return
    if top and output == "table":
        documents[0]["name"] = "(no context)"
    emit(output, documents, {"NAME": "name", "SERVER": "server", "COUNTS": "counts"})


@command(short_help="Show the settings file's path.")
@config_option
def path(config: Path | None) -> None:
    """Show the path of the settings file, even if the file does not exist."""
    terminal.out(str(config_path(config)))


@command(short_help="Print a completion script for your shell.")
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
