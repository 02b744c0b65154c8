"""`monoctl join`: how a newcomer comes to know m8, its stores and its log, by one comparison (docs/join.md)."""

from __future__ import annotations

from pathlib import Path

import click

from monoskope.client.bundle import compare
from monoskope.client.bundle.compare import Address
from monoskope.client.bundle.pins import MachinePins
from monoskope.client.http.transport import find_roots
from monoskope.client.known.sources import find
from monoskope.errors import UsageError
from monoskope.monoctl.groups import command
from monoskope.monoctl.output import terminal
from monoskope.monoctl.output.bundle import show
from monoskope.protocol.bundle import Bundle


@command(short_help="Get to know an m8 and its stores, by one comparison.")
@click.argument("source", metavar="URL|FILE")
@click.option("--fingerprint", metavar="SHA256:…", help="What a person told you, by another way than the bundle.")
@click.option("--ca-file", metavar="FILE", help="The CA that signed the certificate of the server in the URL.")
@click.option("--dry-run", is_flag=True, help="Only show what the bundle says.")
@click.option("--known-stores", metavar="FILE", help="The identities you trust; mode 0600 [MONOCTL_KNOWN_STORES].")
@click.option("--config", metavar="FILE", type=click.Path(path_type=Path), help="Your settings [MONOCTL_CONFIG].")
def join(
    *,
    source: str,
    fingerprint: str | None,
    ca_file: str | None,
    dry_run: bool,
    known_stores: str | None,
    config: Path | None,
) -> None:
    """Get to know an m8 and its stores, by one comparison.

    The bundle comes from m8 itself (https://HOST[:PORT]), or from a file. What it says is shown, and nothing of it is
    used before you type the fingerprint that a person told you by another way. Joining again adds what is new; it
    replaces and removes nothing.
    """
    bundle = _bundle(source, ca_file, fingerprint)
    show(bundle)
    found = find({"known_stores": known_stores}, config=config)
    if "known_stores" not in found:
        raise UsageError("no home folder is known, so there is no place for pins.", fix="Set HOME.")
    pins = MachinePins(Path(found["known_stores"].value), bundle)
    new = pins.new()
    if dry_run:
        terminal.err("Nothing was changed: --dry-run.")
        return
    compare.compare(bundle, fingerprint or _asked(bundle))
    pins.add()
    terminal.out(f"Pinned: {len(new.stores)} stores.")


def _bundle(source: str, ca_file: str | None, fingerprint: str | None) -> Bundle:
    address = Address.parse(source)
    if address is None:
        return Bundle.parse(compare.read(Path(source)))
    if address.has_fingerprint:
        terminal.note("the fingerprint in the link does not count: who made the link made both.")
    roots = None if fingerprint else find_roots(ca_file, "")
    bundle = Bundle.parse(compare.fetch(address.server, roots))
    compare.check_named(bundle, address)
    return bundle


def _asked(bundle: Bundle) -> str:
    if not terminal.interactive():
        raise UsageError(
            "there is no terminal to ask on.", fix="Give the fingerprint that a person told you with --fingerprint."
        )
    return terminal.prompt(
        "Compare by another way than the one by which this came: a fingerprint in the link, in the file or in the same"
        f" message does not count.\nType or paste the fingerprint that you were told ({bundle.contact} knows it)"
    )
