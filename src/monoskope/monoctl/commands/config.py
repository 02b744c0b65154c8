"""This program on this machine: `monoctl config` and `monoctl completion`."""

from __future__ import annotations

import os
from pathlib import Path

import click
import msgspec

from monoskope import shell_completion
from monoskope.client.known.sources import (
    FIELDS,
    LOG_FIELDS,
    LOGIN_FIELDS,
    Setting,
    config_path,
    find,
    is_public_key,
    read_config,
)
from monoskope.client.login.issuer import origin_of
from monoskope.client.settings import retry_for_of
from monoskope.errors import UsageError
from monoskope.host_port import check_servers
from monoskope.monoctl.groups import command
from monoskope.monoctl.output import terminal
from monoskope.monoctl.output.formats import emit
from monoskope.settings import write_private

_config_option = click.option(
    "--config", metavar="FILE", type=click.Path(path_type=Path), help="The settings file [MONOCTL_CONFIG]."
)


@command(short_help="Show the settings and where each comes from.")
@_config_option
@click.option("-o", "--output", type=click.Choice(["table", "json", "yaml"]), default="table", show_default=True)
def view(config: Path | None, output: str) -> None:
    """Show the settings in effect, and where each comes from. Never shows a token."""
    found = find({}, config=config)
    documents = [
        {"name": name, "value": found[name].value, "source": found[name].source}
        if name in found
        else {"name": name, "value": "", "source": "not set"}
        for name in FIELDS
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
@click.argument(
    "name",
    type=click.Choice(
        ["server", "ca_file", "token_file", "signing_key", "requester", "retry_for", *LOG_FIELDS, *LOGIN_FIELDS]
    ),
)
@click.argument("value")
@_config_option
def set_(name: str, value: str, config: Path | None) -> None:
    """Write one setting to the settings file (mode 0600). Creates the file if it is missing."""
    if name == "server":
        value = ",".join(check_servers(value))
    elif name == "retry_for":
        retry_for_of(value, "retry_for")
    elif name == "login_issuer" and origin_of(value) is None:
        raise UsageError("login_issuer is not an https:// URL.", fix="Write it as the issuer writes it.")
    elif name in LOG_FIELDS:
        from monoskope.client.known.demand import check_setting  # noqa: PLC0415 - for these settings alone

        check_setting(name, value)
    elif name == "requester" or (name in LOGIN_FIELDS and name != "login_ca_file"):
        pass
    elif name == "signing_key" and is_public_key(value):
        from monoskope.client.signing.signer import signer_of  # noqa: PLC0415 - for this setting alone

        signer_of(value)
    elif not Path(value).expanduser().is_file():
        raise UsageError(f"{name}: there is no such file.", fix="Give the path of the file, not its content.")
    else:
        value = str(Path(value).expanduser().absolute())
    path = config_path(config)
    table = msgspec.to_builtins(read_config(path)) | {name: value}
    import tomli_w  # noqa: PLC0415 - nothing else writes TOML

    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_private(path, tomli_w.dumps(table).encode(), replace=True)


@command(short_help="Show the settings file's path.")
@_config_option
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
