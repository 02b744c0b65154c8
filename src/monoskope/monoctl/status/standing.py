"""The caller, the log, the stores with their pins, and the signing key, as m8 and this machine know them."""

from __future__ import annotations

import datetime as dt
import time

from monoskope.api.gateway.v1 import views_pb2
from monoskope.checks.check import Check
from monoskope.checks.log import LOG, LogSeen, WitnessSeen, log_checks
from monoskope.checks.store import StoreSeen, store_check
from monoskope.client import Client
from monoskope.client.known.logs import NAME, KnownLogs, LogPin
from monoskope.client.known.pins import Pins
from monoskope.client.known.stores import SYSTEM_FILE, KnownStores
from monoskope.client.login.credential import Login
from monoskope.client.results.access import WhoAmI
from monoskope.client.results.log import Log
from monoskope.client.settings import ClientSettings
from monoskope.client.signing import Signing
from monoskope.client.stores import Store
from monoskope.client.walk.trust import chain
from monoskope.errors import Error, IdentityChangedError, LogMismatchError, ProtocolError, UsageError, docs_page
from monoskope.protocol.identity import ProofError
from monoskope.text import counted
from monoskope.times import instant
from monoskope.uri import check_store_name

LOGIN, PINS, STORES, KEY = "login", "pins", "stores", "signing key"
"""Names of checks; those of single stores end with the store's."""

SOON = dt.timedelta(days=7)
"""A token that lasts no longer, and is not renewed by itself, is warned of."""

_SIGNED = "signatures"
"""The capability of reactors that take signed requests alone."""
_ASK = "Ask an administrator of m8 for a role binding."
_DOCS_OF_KEYS = docs_page("signed-requests.md")


def pins_of(settings: ClientSettings) -> Pins:
    """Return what this machine has pinned, without asking m8. Raises as `KnownStores.read`."""
    return KnownStores(settings.known_stores_path, servers=settings.servers).read()


async def standing_checks(client: Client, pins: Pins) -> list[Check]:
    """Return all checks for which m8 is asked.

    Args:
        client: Open.
        pins: This machine's own. What they say of an identity, nothing that m8 says changes.
    """
    try:
        before = _pinned_log(client.settings)
        who = await client.access.who_am_i()
    except LogMismatchError as error:
        return [Check.failed(LOG, error)]
    except Error as error:
        return [Check.failed(LOGIN, error)]
    found = [_login(client.settings, who)]
    try:
        found += await _log(client, before)
        views = [_named(view) async for view in client.queries.stores()]
    except Error as error:
        return [*found, Check.failed(LOG if isinstance(error, LogMismatchError) else STORES, error)]
    stores = [Store.of(view) for view in views]
    found += _pins(client.settings.server, views, pins, who)
    found += [store_check(_seen(store)) for store in stores] or [_no_stores(who)]
    try:
        return [*found, await _key(client, who, stores)]
    except Error as error:
        return [*found, Check.failed(KEY, error)]


def _named(view: views_pb2.SecretStore) -> views_pb2.SecretStore:
    """Return a store whose name is one: it stands in the fixes, which are commands that people copy into a shell."""
    try:
        check_store_name(view.name)
    except UsageError as error:
        said = f"m8 shows a store whose name is none: {error.message}"
        raise ProtocolError(said, fix="Copy none of it. Ask who runs m8.") from None
    return view


def _login(settings: ClientSettings, who: WhoAmI) -> Check:
    """Return as whom m8 knows the caller, and until when."""
    name = who.member or who.subject
    said = f"By {settings.credential_source}, m8 knows you as {name}"
    if who.member and not who.roles:
        return Check.warn(LOGIN, f"{said}, and no role binding names you.", _ASK)
    if isinstance(settings.credential, Login) and settings.credential.is_renewed:
        return Check.ok(LOGIN, f"{said}. Your issuer renews it without you.")
    if who.expires_at is None:
        return Check.ok(LOGIN, f"{said}.")
    until = f"{said}, until {instant(round(who.expires_at.timestamp() * 1000))}"
    if settings.credential is None and who.expires_at - dt.datetime.now(dt.UTC) < SOON:
        return Check.warn(LOGIN, f"{until}.", "Ask who made your token for another one, or: monoctl login")
    return Check.ok(LOGIN, f"{until}.")


def _pinned_log(settings: ClientSettings) -> LogPin | None:
    """Return what this machine knows of the log before m8 is asked, None at first contact. Raises as `KnownLogs`."""
    system = SYSTEM_FILE.with_name(NAME)
    return KnownLogs(settings.known_logs_path, system=system, servers=settings.servers).pin(settings.server)


async def _log(client: Client, before: LogPin | None) -> list[Check]:
    """Return the rows of the log. Raises `LogMismatchError` if it does not fit what this machine knew of it before."""
    found = await client.log.get()
    since = (
        f"Pinned; it continues the {counted(before.size, 'entry', 'entries')} that this machine saw before."
        if before is not None
        else "This machine sees it for the first time, and has pinned it now."
    )
    demanded = f" You demand {counted(found.demanded, 'witness', 'witnesses')}, and they cosigned." * bool(
        found.demanded
    )
    return log_checks(_seen_log(found), round(time.time() * 1000), more=since + demanded)


def _seen_log(found: Log) -> LogSeen:
    return LogSeen(
        origin=found.origin,
        size=found.size,
        signed_at_ms=_ms(found.newest_at),
        trouble=found.trouble,
        quorum=found.quorum,
        quorum_trouble=found.quorum_trouble,
        witnesses=[WitnessSeen(one.name, _ms(one.cosigned_at), one.trouble) for one in found.witnesses],
    )


def _ms(at: dt.datetime | None) -> int:
    return 0 if at is None else round(at.timestamp() * 1000)


def _pins(server: str, views: list[views_pb2.SecretStore], pins: Pins, who: WhoAmI) -> list[Check]:
    """Return a row for each store that is shown or pinned: whether m8 shows the identity that is pinned here."""
    shown = {view.name for view in views}
    hidden = sorted(store for name, store in pins.identities if name == server and store not in shown)
    return [*(_pin(server, view, pins) for view in views), *(_hidden(store, who) for store in hidden)]


def _pin(server: str, view: views_pb2.SecretStore, pins: Pins) -> Check:
    name, pinned = f"pin {view.name}", pins.identities.get((server, view.name))
    if pinned is None:
        try:
            pins.check_free(server, view.name, view.identity)
        except IdentityChangedError as error:
            return Check.failed(name, error)
        said = f"No identity is pinned. m8 shows {view.identity}."
        return Check.warn(name, said, "At your first request compare it with what the store's operator published.")
    if view.identity == pinned:
        return Check.ok(name, f"m8 shows the identity that is pinned here, {pinned}.")
    try:
        steps = chain(pinned, view.rotations, store=view.name)
    except ProofError:
        steps = []
    if steps and steps[-1] == view.identity:
        return Check.ok(
            name,
            f"{pinned} was rotated to {view.identity}, signed by both. Your next request pins that, and so does"
            f" `monoctl describe secret-store {view.name}`.",
        )
    return Check.fail(
        name,
        f"m8 shows {view.identity}, and {pinned} is pinned here. No rotation leads from one to the other.",
        "Send nothing. Ask the store's operator, by another way than m8, which one is right. Only if it is the new one:"
        f" monoctl forget-store {view.name}",
    )


def _hidden(store: str, who: WhoAmI) -> Check:
    """A bundle pins all stores of a company, and most people see some of them."""
    said = "It is pinned here, and m8 shows you no such store"
    if not _sees_all(who):
        return Check.ok(f"pin {store}", f"{said}, as where you have no right.")
    return Check.warn(
        f"pin {store}", f"{said}, though you may see all.", "Ask the store's operator whether it is there."
    )


def _sees_all(who: WhoAmI) -> bool:
    return bool({"administrator", "auditor"} & {*who.roles})


def _no_stores(who: WhoAmI) -> Check:
    if _sees_all(who):
        return Check.warn(STORES, "There is none yet.", f"Add one: {docs_page('operate/README.md')}")
    return Check.warn(STORES, "m8 shows you none: you have no right in any.", _ASK)


def _seen(store: Store) -> StoreSeen:
    there = [one for one in store.reactors if one.attached]
    engines = [one.engine for one in there]
    return StoreSeen(store.name, store.active, engines, bool(store.reactors), any(one.signers_trouble for one in there))


async def _key(client: Client, who: WhoAmI, stores: list[Store]) -> Check:
    """Return whether there is a key where one is asked for, and which stores are known to list it.

    Only the stores know their lists. That one listed the key is proven by a receipt that names it.

    Raises:
        Error: the key cannot be used, or m8 does not answer.
    """
    asking = [one.name for one in stores if any(_SIGNED in each.capabilities for each in one.reactors if each.attached)]
    key = _shown_key(client.settings.signing_key)
    if not key:
        if not asking:
            return Check.ok(KEY, "You have none, and no store that you see asks for one.")
        said = f"You have none, and these stores take signed requests alone: {', '.join(asking)}."
        return Check.warn(KEY, said, f"Make one, and have it listed: {_DOCS_OF_KEYS}")
    listed = [name for name in asking if await _listed(client, name, who.subject, key)]
    said = f"{key}. {_lists(asking, listed)}"
    missing = [name for name in asking if name not in listed]
    if missing:
        return Check.warn(KEY, said, f"If you have not yet, send it to who runs {', '.join(missing)}: {_DOCS_OF_KEYS}")
    return Check.ok(KEY, said)


def _shown_key(setting: str) -> str:
    """Return the key that signs requests, as receipts show it; "" without one. Raises as `Signing.prepare`."""
    public = Signing(None, setting, passphrase=None, blocks=True).public if setting else None
    return "" if public is None else public.shown


def _lists(asking: list[str], listed: list[str]) -> str:
    if not asking:
        return "No store that you see asks for signed requests."
    known = f"By receipts, these stores list it: {', '.join(listed)}. " if listed else ""
    missing = [name for name in asking if name not in listed]
    unknown = f"Whether these list it only they know until they act on it: {', '.join(missing)}." if missing else ""
    return (known + unknown).strip()


async def _listed(client: Client, store: str, subject: str, key: str) -> bool:
    """Whether the newest secrets of a caller in a store have a proven receipt that names the key."""
    looked = 0
    async for secret in client.list_secrets(store=store, subject=subject, page_size=_LOOKED_AT):
        looked += 1
        if secret.proven and secret.signer_key == key:
            return True
        if looked == _LOOKED_AT:
            break
    return False


_LOOKED_AT = 20
"""Secrets of the caller that are looked at in each store."""
