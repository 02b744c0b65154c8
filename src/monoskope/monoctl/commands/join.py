"""`monoctl join`: how a newcomer comes to know m8, its stores and its log, by one comparison (docs/join.md)."""

from __future__ import annotations

import os
from pathlib import Path

import click

from monoskope.client.bundle import compare, key
from monoskope.client.bundle.compare import Address
from monoskope.client.bundle.key import Found
from monoskope.client.bundle.pins import MachinePins
from monoskope.client.bundle.settings import MachineSettings, ca_of, place_for
from monoskope.client.http.transport import find_roots
from monoskope.client.known.config_file import Chosen, config_path
from monoskope.client.login.credential import KeptLogin, Login, login_path, read
from monoskope.client.login.id_token import claims_of
from monoskope.client.login.starting import settings_of
from monoskope.client.settings import ClientSettings
from monoskope.client.signing.signer import signer_of
from monoskope.client.walk.trust import subject_of
from monoskope.errors import IdentityChangedError, RefusedError, UnauthenticatedError, UsageError
from monoskope.monoctl.commands.login import Way, log_in, login_options, met
from monoskope.monoctl.groups import command
from monoskope.monoctl.options import CommandSession, config_option, context_option
from monoskope.monoctl.output import terminal
from monoskope.monoctl.output.bundle import show, show_fingerprint, show_new
from monoskope.protocol.bundle import Bundle
from monoskope.protocol.login import Member


@command(short_help="Get to know an m8 and its stores, by one comparison, and log in.")
@click.argument("source", metavar="URL|FILE")
@click.option("--fingerprint", metavar="SHA256:…", help="What a person told you, by another way than the bundle.")
@click.option("--ca-file", metavar="FILE", help="The CA that signed the certificate of the server in the URL.")
@click.option("--dry-run", is_flag=True, help="Only show what the bundle says, and what would be new here.")
@login_options
@click.option("--signing-key", metavar="FILE|KEY", help="Signs your requests; else you are asked, or one is made.")
@click.option("--known-stores", metavar="FILE", help="The identities you trust; mode 0600 [MONOCTL_KNOWN_STORES].")
@config_option
@context_option
def join(
    *,
    source: str,
    fingerprint: str | None,
    ca_file: str | None,
    dry_run: bool,
    way: Way,
    signing_key: str | None,
    known_stores: str | None,
    config: Path | None,
    context: str | None,
) -> None:
    """Get to know an m8 and its stores, by one comparison, and log in.

    The bundle comes from m8 itself (https://HOST[:PORT]), or from a file. What it says is shown, and nothing of it is
    used before you type the fingerprint that a person told you by another way. Then stores and log are pinned, the
    settings are written, and you log in. The last line is for the person whom the bundle names: with it a store that
    takes signed requests alone takes yours. Joining again adds what is new, and goes on where it was interrupted. It
    replaces and removes nothing.
    """
    path = config_path(config)
    bundle = _bundle(source, ca_file, fingerprint, path)
    show(bundle)
    file = known_stores or os.environ.get("MONOCTL_KNOWN_STORES")
    known = Path(file) if file else path.with_name("known_stores")
    pins = MachinePins(known, bundle)
    place = place_for(bundle, context=context or os.environ.get("MONOCTL_CONTEXT"), config=config)
    settings = MachineSettings(place, bundle)
    new = pins.new()
    show_new(new, sorted(settings.new()), place.where)
    _kept(settings.servers[0], bundle.login.issuer)
    if fingerprint or not dry_run:
        compare.compare(bundle, fingerprint or _asked())
    show_fingerprint(bundle)
    settings.check_fixed()
    if new.log:
        _check_added(settings, place, source)
    if dry_run:
        terminal.err("Nothing was changed: --dry-run.")
        return
    pins.add()
    settings.add()
    kept = _logged_in(settings, way, known)
    found = _key(settings, signing_key)
    if kept is None:
        terminal.warn("Join again once m8 answers: then the line for your store's operators is shown.")
        return
    _tell(bundle, settings, place, found, kept)


def _check_added(settings: MachineSettings, place: Chosen, source: str) -> None:
    """Raise `RefusedError` if what is kept for a configured m8, such as its token, would go to another server, too."""
    if settings.added:
        raise RefusedError(
            f"the bundle adds {', '.join(settings.added)} to {place.where}. No log is pinned that would show that this"
            " is the same m8.",
            fix=f"Nothing was changed. Run `monoctl get log` first, or name a new context: `monoctl join {source}"
            " --context NAME`.",
        )


def _bundle(source: str, ca_file: str | None, fingerprint: str | None, path: Path) -> Bundle:
    address = Address.parse(source)
    if address is None:
        return Bundle.parse(compare.read(Path(source)))
    if address.has_fingerprint:
        terminal.note("the fingerprint in the link does not count: who made the link made both.")
    joined = ca_of(path, address.server)
    roots = None if fingerprint else find_roots(ca_file or (joined if joined.is_file() else None), "")
    bundle = Bundle.parse(compare.fetch(address.server, roots))
    compare.check_named(bundle, address)
    return bundle


def _asked() -> str:
    """Return what the user types. The question names nobody to ask: the bundle's contact is not compared yet."""
    if not terminal.interactive():
        raise UsageError(
            "there is no terminal to ask on.", fix="Give the fingerprint that a person told you with --fingerprint."
        )
    return terminal.prompt(
        "Compare it with what a person told you whom you knew before, by another way than the one by which this came.\n"
        "A fingerprint in the link, in the file or in the same message does not count, nor does one from the contact"
        " above.\nType or paste the fingerprint that you were told"
    )


def _kept(server: str, issuer: str) -> KeptLogin | None:
    """Return the login that this machine has for the m8. Raises `IdentityChangedError` if it is at another issuer."""
    path = login_path(server)
    kept = None if path is None else read(path)
    if kept is not None and kept.issuer != issuer:
        raise IdentityChangedError(
            f"you are logged in at {kept.issuer}, and the bundle has {issuer}.",
            fix="Nothing was changed. If that one is right, run `monoctl logout` first.",
        )
    return kept


def _logged_in(settings: MachineSettings, way: Way, known: Path) -> KeptLogin | None:
    """Return the login that is kept, or a new one where m8 takes that no more; None if m8 has not seen it yet."""
    session = CommandSession({"config": None}, ())
    server = settings.servers[0]
    path, wanted = login_path(server), settings_of(server, settings.found())
    if path is None:
        raise UsageError("no home folder is known, so there is no place for a login.", fix="Set HOME.")

    def dialled(login: Login) -> ClientSettings:
        return settings.client(login, known)

    if _kept(server, wanted.issuer) is not None:
        try:
            met(session, dialled(Login(path, wanted.issuer)))
        except UnauthenticatedError:
            terminal.note("your login has ended.")
            log_in(session, wanted, way, dialled)
    else:
        log_in(session, wanted, way, dialled)
    kept = read(path)
    return kept if kept is not None and kept.token else None


def _key(settings: MachineSettings, given: str | None) -> Found:
    """Return the key that signs: the configured one, the one that was given, the user's SSH key, or a new one."""
    configured = settings.found().get("signing_key")
    if configured is not None:
        return Found(configured.value, signer_of(configured.value).public())
    found = None
    if given is not None:
        found = Found(given, signer_of(given).public())
    elif terminal.interactive():
        found = key.of_ssh(Path.home() / ".ssh")
        asked = f"\n  {found.setting}\n  {found.key.shown}\nElse a new key is made." if found else ""
        if found and not terminal.confirm(f"Sign your requests with the SSH key that you have?{asked}\nUse it?"):
            found = None
    found = found or key.made_in(settings.folder)
    settings.write({"signing_key": found.setting})
    return found


def _tell(bundle: Bundle, settings: MachineSettings, place: Chosen, found: Found, kept: KeptLogin) -> None:
    """End with the line to send. The member is that of the login's file."""
    member = Member.parse(subject_of(kept.token) or "")
    if member.name not in {kept.subject, *map(str, claims_of(kept.id_token).values())}:
        terminal.warn(f"m8 calls you {member}, which your issuer does not. Ask {bundle.contact} before you send this.")
    if not found.key.principal and "requester" not in settings.found():
        settings.write({"requester": member.name})
    if place.context:
        terminal.note(
            f"this m8 is the context {place.context}: say `--context {place.context}`, or once"
            f" `monoctl config use {place.context}`."
        )
    terminal.err(f"You are {member}. Send this line to {bundle.contact}, for the [signers] of your stores:", "")
    terminal.out(key.line_for(member, found.key))
