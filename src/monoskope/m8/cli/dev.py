"""`m8 dev`: an all-in-one server to play with."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import os
import shlex
import shutil
import sysconfig
from pathlib import Path

import click

from monoskope.command_line import Command
from monoskope.m8.dev import environment as development
from monoskope.m8.settings import state_folder

REACTOR_NEEDS = ("prometheus_client", "pyrage", "websockets")
"""The packages that a reactor with a store of age files imports and that the bare package does not bring."""


@click.command(cls=Command, short_help="Run m8 and a reactor, to try things out.")
@click.option(
    "--dir",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=None,
    metavar="FOLDER",
    help="The folder for everything.  [default: $XDG_STATE_HOME/monoskope/dev]",
)
@click.option(
    "--port",
    type=click.IntRange(0, 65_535),
    default=None,
    metavar="PORT",
    help=f"The port of a new server; 0 for any free port.  [default: {development.PORT}]",
)
@click.option("--admin", is_flag=True, help="Also write an administrator's token for monoctl.")
@click.option("--signed", is_flag=True, help="Make a key, and have the reactor act only on what that key signed.")
def dev(*, folder: Path | None, port: int | None, admin: bool, signed: bool) -> None:
    """Run m8 and a reactor with a store of age files, to try things out. Ctrl-C stops all of it."""
    _need_reactor()
    own = state_folder(os.environ, "dev")
    options = development.Options(folder=(folder or own).absolute(), port=port, admin=admin, signed=signed)

    def ready(what: development.Ready) -> None:
        click.echo(_invitation(what, is_found=options.folder == own, admin=admin))

    asyncio.run(development.run(options, say=_say, ready=ready))


def _need_reactor() -> None:
    """Raise `ModuleNotFoundError` if the reactor that this command starts lacks a package: before anything is made."""
    for name in REACTOR_NEEDS:
        if importlib.util.find_spec(name) is None:
            raise ModuleNotFoundError(name=name)


def _say(text: str) -> None:
    with contextlib.suppress(OSError):  # a terminal that is gone must not prevent the stop
        click.echo(f"m8 dev: {text}", err=True)


def _monoctl() -> str:
    """Return how a shell finds the monoctl that was installed with this m8: by its name if that is the same file."""
    installed = Path(sysconfig.get_path("scripts"), "monoctl")
    found = shutil.which("monoctl")
    same = found is not None and installed.exists() and Path(found).samefile(installed)
    return "monoctl" if same else shlex.quote(str(installed))


def _invitation(what: development.Ready, *, is_found: bool, admin: bool) -> str:
    lines = [f"m8 runs at {what.server}, with the store `local`: age files in {what.secrets}. Try:", ""]
    if not is_found:
        lines.append(f"  export MONOCTL_CONFIG={shlex.quote(str(what.client / 'config.toml'))}")
    monoctl = _monoctl()
    lines += [
        f"  printf hunter2 | {monoctl} put secret app/db --from-file password=-",
        f"  printf anna | {monoctl} patch secret app/db --from-file user=-",
        f"  {monoctl} generate secret app/key signing=ed25519",
        f"  {monoctl} verify secret --all",
        f"  {monoctl} get secrets",
        f"  {monoctl} get events",
        f"  {monoctl} delete secret app/db --yes",
        "",
    ]
    if what.signed:
        lines += _signed(what, monoctl)
    if admin:
        lines += [f"As an administrator: export MONOCTL_TOKEN_FILE={shlex.quote(str(what.client / 'admin.token'))}", ""]
    return "\n".join([*lines, "Ctrl-C stops everything; the next m8 dev goes on from here."])


def _signed(what: development.Ready, monoctl: str) -> list[str]:
    """What to try with signatures. The last command is refused, which is the point of it."""
    return [
        "The reactor acts only on requests that a key of its own list signed, whatever m8 says. monoctl signs with",
        f"{what.client / 'signing-key'}. The reactor knows no other key:",
        "",
        f"  printf hunter2 | {monoctl} put secret app/signed --from-file password=-",
        f"  {monoctl} get secret app/signed -o yaml | grep signer",
        "  ssh-keygen -q -t ed25519 -N '' -f other-key",
        f"  printf theirs | {monoctl} put secret app/signed --from-file password=- --signing-key other-key",
        "",
        f"It stays so at later starts. To end it, remove [signers] from {what.reactor / 'reactor.toml'}.",
        "",
    ]
