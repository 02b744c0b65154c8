"""`monoctl config`: the settings of this client."""

from __future__ import annotations

from pathlib import Path

import click
import msgspec

from monoskope.client.settings import FIELDS, config_path, find, read_config
from monoskope.client.sources import is_public_key
from monoskope.errors import UsageError
from monoskope.host_port import check_servers
from monoskope.monoctl.output import write
from monoskope.monoctl.output.formats import emit
from monoskope.settings import write_private

_config_option = click.option(
    "--config", metavar="FILE", type=click.Path(path_type=Path), help="The settings file [MONOCTL_CONFIG]."
)


@click.command(short_help="Show the settings and where each comes from.")
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
    emit(output, documents, {"NAME": "name", "VALUE": "value", "SOURCE": "source"})


@click.command("set", short_help="Write one setting to the settings file.")
@click.argument("name", type=click.Choice(["server", "ca_file", "token_file", "signing_key"]))
@click.argument("value")
@_config_option
def set_(name: str, value: str, config: Path | None) -> None:
    """Write one setting to the settings file (mode 0600). Creates the file if it is missing."""
    if name == "server":
        value = ",".join(check_servers(value))
    elif name == "signing_key" and is_public_key(value):
        from monoskope.client.signing.chosen import signer_of  # noqa: PLC0415 - for this setting alone

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


@click.command(short_help="Show the settings file's path.")
@_config_option
def path(config: Path | None) -> None:
    """Show the path of the settings file, even if the file does not exist."""
    write.out(str(config_path(config)))
