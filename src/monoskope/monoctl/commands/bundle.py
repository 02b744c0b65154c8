"""`monoctl config bundle`: what a colleague needs, in one file that they compare by its fingerprint."""

from __future__ import annotations

import os
from pathlib import Path

import click

from monoskope.client.bundle.compare import read
from monoskope.client.bundle.make import make
from monoskope.client.known.sources import find
from monoskope.errors import UsageError
from monoskope.monoctl.groups import command
from monoskope.monoctl.options import config_option, configured, context_option
from monoskope.monoctl.output import terminal
from monoskope.protocol.bundle import MAX_CONTACT, WELL_KNOWN, Bundle
from monoskope.protocol.identity import grouped
from monoskope.settings import write_private
from monoskope.text import counted

FILE = "monoskope-bundle.json"


@command(short_help="Write what a colleague needs to join, in one file.")
@click.argument("file", type=click.Path(path_type=Path), default=FILE)
@click.option(
    "--contact",
    metavar="TEXT",
    help="Whom a newcomer asks, such as 'Anna, phone 030 1234'; by default what the file says already.",
)
@click.option("--server", metavar="SERVER[,…]", help="The m8 [MONOCTL_SERVER].")
@click.option("--known-stores", metavar="FILE", help="The identities you trust; mode 0600 [MONOCTL_KNOWN_STORES].")
@config_option
@context_option
def bundle(  # noqa: PLR0917 - click passes them by name
    file: Path,
    contact: str | None,
    server: str | None,
    known_stores: str | None,
    config: Path | None,
    context: str | None,
) -> None:
    """Write what a colleague needs to join, in one file: `monoctl join FILE` reads it (docs/join.md).

    It comes from your own pins and settings, and not from what m8 says now: servers, where to log in, the private
    authorities, the log's keys and witnesses, stores with their identities, and whom to ask. It holds no token. Publish
    the file as you like (`bundle` in m8.toml), and its fingerprint by another way: colleagues compare it.
    """
    found = find({"server": server, "known_stores": known_stores}, config=config, context=context)
    servers = configured(found)
    before = _before(file, servers[0])
    made = make(found, _contact(contact, before), ca=os.environ.get("MONOCTL_CA", "") if "ca" in found else "")
    if before == made:
        terminal.out(f"{file} says all that already.")
    else:
        write_private(file, bytes(made), replace=True)
        file.chmod(0o644)  # it is made to be published
        terminal.out(f"{file} has {counted(len(made.stores), 'store')} of {servers[0]}.")
    terminal.out(
        f"Who joins with it asks {made.contact}, and sends the line for the lists of signers there.",
        "Its fingerprint, for colleagues to compare, by another way than the file:",
        f"  {grouped(made.fingerprint)}",
        f"They run: monoctl join {file.name}",
        f"Or, once `bundle` in m8.toml names it and m8 serves it at {WELL_KNOWN}: monoctl join https://{servers[0]}",
    )


def _before(file: Path, server: str) -> Bundle | None:
    """Return the bundle that the file holds, None if there is no such file. Raises `UsageError` for any other file."""
    if not file.exists():
        return None
    try:
        found = Bundle.parse(read(file))
    except UsageError as error:
        raise UsageError(f"{file} exists, and was not changed: {error.message}", fix="Name another file.") from None
    if server not in found.servers:
        raise UsageError(
            f"{file} is the bundle of another m8, {found.servers[0]}, and was not changed.", fix="Name another file."
        )
    return found


def _contact(given: str | None, before: Bundle | None) -> str:
    if given is not None:
        return given.strip()
    if before is not None:
        return before.contact
    if not terminal.interactive():
        raise UsageError("it is not said whom a newcomer asks.", fix="Say it with --contact 'NAME, how to reach them'.")
    return terminal.prompt(f"Whom does a newcomer ask? NAME, how to reach them ({MAX_CONTACT} characters)").strip()
