"""What a bundle says, for the eyes of who is to compare it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from monoskope.client.bundle.pins import New
from monoskope.monoctl.output import terminal
from monoskope.protocol.bundle import Bundle
from monoskope.protocol.identity import grouped
from monoskope.text import counted


def show(bundle: Bundle) -> None:
    """Print what a bundle says, a line each, and not its fingerprint: who is asked for it would copy it."""
    rows = list(_rows(bundle))
    width = max(len(name) for name, _ in rows)
    terminal.out(*(f"{name:{width}}  {value}" for name, value in rows))


def show_fingerprint(bundle: Bundle) -> None:
    """Print the fingerprint of a bundle: after the comparison, or where there is none."""
    terminal.out("Fingerprint of all its bytes:", f"  {grouped(bundle.fingerprint)}")


def show_new(new: New, settings: Sequence[str], where: str) -> None:
    """Print what of it is new on this machine."""
    pins = [*(f"the store {name}" for name in new.stores), *(["the log"] if new.log else [])]
    terminal.out(
        f"New pins: {', '.join(pins) or 'none'}.", f"New settings in {where}: {', '.join(settings) or 'none'}."
    )


def _rows(bundle: Bundle) -> Iterator[tuple[str, str]]:
    login, log = bundle.login, bundle.log
    yield "Server", ", ".join(bundle.servers)
    if bundle.ca:
        yield "", f"with a certificate of {_authorities(bundle.ca)}, which counts for this m8 alone"
    yield "Contact", bundle.contact
    yield "Log in at", login.issuer
    yield "", f"as the client {login.client_id}" + (f", for the audience {login.audience}" if login.audience else "")
    if login.scopes:
        yield "", f"with the scopes {login.scopes}"
    if login.hosts:
        yield "", f"also at {login.hosts}"
    if login.ca:
        yield "", f"with a certificate of {_authorities(login.ca)}"
    yield "Log", log.vkeys[0]
    if log.quorum:
        yield "Witnesses", f"{log.quorum} of {len(log.witnesses)} must have seen it:"
        yield from (("", key) for key in log.witnesses)
    yield "Stores", counted(len(bundle.stores), "identity", "identities")
    for name, identity in sorted(bundle.stores.items()):
        yield "", f"{name} {identity}" + (" (the default)" if name == bundle.default_store else "")


def _authorities(certificates: tuple[str, ...]) -> str:
    return counted(len(certificates), "authority", "authorities") + " of its own"
