"""Stores, as they are shown, and as administrators change them; and the rotation of the fingerprint key."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable, Iterable

import click

from monoskope.api.gateway.v1 import views_pb2
from monoskope.api.secrets.v1 import events_pb2
from monoskope.client import Client
from monoskope.errors import Error
from monoskope.monoctl.groups import command
from monoskope.monoctl.options import CommandSession, connection_options, list_options, output_options
from monoskope.monoctl.output import terminal, views
from monoskope.monoctl.output.formats import Document, cell, emit, pairs, show
from monoskope.text import counted
from monoskope.times import instant, now_ms

_STORES = {
    "NAME": "name",
    "TYPE": "type",
    "ACTIVE": "active",
    "DEFAULT": "is_default",
    "ENGINE": "engine",
    "PENDING": "pending",
    "LAST HEARD": "last_heard_at",
    "IDENTITY": "identity",
}
_TYPES = {"TYPE": "type", "MATURITY": "maturity", "STORES": "stores", "LAYOUT": "layouts"}
_FIELDS = {
    "Name": "name",
    "Type": "type",
    "Active": "active",
    "Default": "is_default",
    "Identity": "identity",
    "Identity steps": "identity_rotations",
    "Fingerprint key": "fingerprint_key_id",
    "Largest secret": "max_plaintext",
    "Maturity": "maturity",
    "Layout": "layout",
    "Engine": "engine",
    "Pending requests": "pending",
    "Created": "created_at",
}
_DOES = {
    "patchable": "patch",
    "soft_delete": "delete",
    "deletable": "destroy",
    "undeletable": "undelete",
    "rollbackable": "rollback",
    "listable": "list-upstream",
}
"""What not every engine can do: the field that says so, and the verb that users know."""
_NOT_ANNOUNCED = "unknown while no reactor is attached"
_REACTORS = {
    "REACTOR": "replica",
    "ATTACHED": "attached",
    "LAST HEARD": "last_heard_at",
    "ENGINE": "engine",
    "SINCE": "engine_since_at",
    "LAST FAILURE": "last_failure",
    "FAILED": "last_failure_at",
    "LARGEST": "max_plaintext",
    "CHECK-AND-SET": "check_and_set",
    "READABLE": "readable",
    "DOES": "does",
    "COPIES TO": "copies_to",
    "SIGNED REQUESTS": "signed",
    "FINGERPRINT KEY": "fingerprint_key_id",
}
_WHY = {
    "FINGERPRINT_KEY": "its fingerprint key {fingerprint_key_id} is not the one that counts. Import that one there (m8"
    " reactor fingerprint-key import DIR FILE --replace), and start it again",
    "STORE_TYPE": "it serves an engine of another type. Correct `engine.type` in its reactor.toml",
    "TOO_MANY_REACTORS": "the store had as many reactors as it may have. Stop one of them",
}
_CHANGED = {"NAME": "name", "TYPE": "type", "ACTIVE": "active", "DEFAULT": "is_default", "IDENTITY": "identity"}
WARN_DAYS = 30
"""How long before the certificate expires the note begins."""

_DAY_MS = 86_400_000


@command(short_help="List stores.")
@list_options
def secret_stores(session: CommandSession) -> None:
    """List the stores with their type and state."""

    async def work(client: Client) -> list[views_pb2.SecretStore]:
        await _note_if_certificate_expires(client)
        return await _stores(client)

    documents = list(map(views.store, session.run(work)))
    show(session.output, documents, _STORES, name="name", nothing="No stores found.")


async def _stores(client: Client) -> list[views_pb2.SecretStore]:
    return [view async for view in client.queries.stores()]


async def _note_if_certificate_expires(client: Client) -> None:
    """Print a note if the caller is an administrator and m8 says that its certificate expires soon.

    A question that m8 does not answer is no reason to fail.
    """
    with contextlib.suppress(Error):
        server = await client.queries.server()
        at_ms = server.certificate_expires_at_ms
        days = (at_ms - now_ms()) // _DAY_MS
        if server.role == events_pb2.ROLE_ADMINISTRATOR and at_ms and days < WARN_DAYS:
            terminal.note(
                f"m8 says that its certificate expires at {instant(at_ms)}, in {counted(max(days, 0), 'day')}. "
                "Renew it on the server: m8 tls renew"
            )


@command(short_help="List the types of stores in use.")
@list_options
def store_types(session: CommandSession) -> None:
    """List the types of the stores that you can see: which are experimental, and how secrets lie in their engines.

    The stores' reactors announced it. "-": no reactor of that type has ever attached.
    """
    show(session.output, views.store_types(session.run(_stores)), _TYPES, name="type", nothing="No stores found.")


@command(short_help="Show everything about one store.")
@click.argument("name", default="")
@output_options
def secret_store(name: str, session: CommandSession) -> None:
    """Show one store, or without NAME the default store: its identity, limits, key id and reactors.

    If its identity was rotated, in steps signed by old and new key, the new one is pinned, as by each request.
    """

    async def look(client: Client) -> views_pb2.SecretStore:
        found = await client.queries.store(name)
        client.stores.follow(found)
        return found

    document = views.store(session.run(look))
    if session.output != "table":
        emit(session.output, document, {})
        return
    if not document["max_plaintext"]:
        document["max_plaintext"] = _NOT_ANNOUNCED
    document["engine"] = document["engine"] or _NOT_ANNOUNCED
    pairs({name: cell(document, field) for name, field in _FIELDS.items()})
    reactors: list[Document] = document["reactors"]
    terminal.out()
    for one in reactors:
        can = one["capabilities"]
        one["does"] = [word for field, word in _DOES.items() if field in can]
        one |= {field: field in can for field in ("check_and_set", "readable")}
        one["signed"] = _signed_requests(one)
    if reactors:
        emit(session.output, reactors, _REACTORS)
    else:
        terminal.out("No reactor has ever attached.")
    _print_refused_login(document["refused_login"])


def _signed_requests(reactor: Document) -> str:
    """Say whether a reactor acts on signed requests alone, as it announced, and whether its lists are in order."""
    if reactor["signers_trouble"]:
        return "required; a list cannot be used"
    return "required" if "signatures" in reactor["capabilities"] else ""


def _print_refused_login(login: Document | None) -> None:
    """Say which login m8 refused last, if none has succeeded since."""
    if login is None:
        return
    why = _WHY.get(login["refusal"], "for a reason that this version does not know").format(**login)
    terminal.out()
    name = login["replica"][:8]
    terminal.out(f"m8 says: at {login['refused_at']} it refused the login of the reactor {name}: {why}.")


def _show_changed(session: CommandSession, change: Callable[[Client], Awaitable[views_pb2.SecretStore]]) -> None:
    emit(session.output, views.store(session.run(change)), _CHANGED)


@command(short_help="Add an inactive store.")
@click.argument("name")
@click.option("--type", "kind", required=True, metavar="TYPE", help="The kind of engine: vault, age, …")
@click.option("--identity", required=True, metavar="SHA256:…", help="What `m8 reactor init` printed.")
@click.option("--activate", "activates", is_flag=True, help="Pin the identity here, too, and activate the store.")
@output_options
def create(name: str, kind: str, identity: str, session: CommandSession, *, activates: bool) -> None:
    """Add a store. It takes uploads once it is active. The first store becomes the default.

    With --activate you agree to the identity as well, as with your first put: it is pinned in known_stores.
    """

    async def work(client: Client) -> views_pb2.SecretStore:
        created = await client.stores.create(name, kind=kind, identity=identity)
        if not activates:
            return created
        try:
            await client.stores.trust(name, identity)
            return await client.stores.activate(name)
        except Error:
            terminal.warn(f"the store {name} was added, and is not active.")
            raise

    _show_changed(session, work)


@command(short_help="Activate a store.")
@click.argument("name")
@output_options
def activate(name: str, session: CommandSession) -> None:
    """Activate a store, so that it takes uploads."""
    _show_changed(session, lambda client: client.stores.activate(name))


@command(short_help="Deactivate a store.")
@click.argument("name")
@output_options
def deactivate(name: str, session: CommandSession) -> None:
    """Deactivate a store, so that it takes no more uploads. What is upstream does not change."""
    _show_changed(session, lambda client: client.stores.deactivate(name))


@command(short_help="Make a store the default.")
@click.argument("name")
@output_options
def set_default(name: str, session: CommandSession) -> None:
    """Make a store the default. Each user must confirm the new default."""
    _show_changed(session, lambda client: client.stores.set_default(name))


@command(short_help="Give a store a new identity without proof.")
@click.argument("name")
@click.option("--identity", required=True, metavar="SHA256:…", help="What `m8 reactor init` printed.")
@output_options
def replace(name: str, identity: str, session: CommandSession) -> None:
    """Give a store a new identity without proof, as after a theft. Every user must pin it again."""
    _show_changed(session, lambda client: client.stores.replace_identity(name, identity=identity))


@command(short_help="Allow a second fingerprint key id.")
@click.argument("key_id")
@connection_options
def start_rotation(key_id: str, session: CommandSession) -> None:
    """Allow a second fingerprint key id, while reactors move to it."""
    session.run(lambda client: client.stores.start_fingerprint_key_rotation(key_id))
    terminal.out(f"m8 says: reactors may use fingerprint key {key_id} now.")


@command(short_help="Allow only the new fingerprint key id.")
@click.argument("key_id")
@click.option(
    "--force", is_flag=True, help="Also while attached reactors have another key. m8 shuts them out; see the question."
)
@click.option("--yes", is_flag=True, help="With --force: do not ask.")
@connection_options
def finish_rotation(key_id: str, session: CommandSession, *, force: bool, yes: bool) -> None:
    """Allow only the new fingerprint key id.

    m8 refuses this while an attached reactor has another key, and names it.
    """
    stores = session.run(_stores)
    if force:
        for sentence in _breaks(stores, key_id) or ["no attached reactor has another key."]:
            terminal.warn(sentence)
        terminal.agree(f"Allow the fingerprint key {key_id} alone?", yes=yes, otherwise="nothing was changed")
    session.run(lambda client: client.stores.finish_fingerprint_key_rotation(key_id, force=force))
    terminal.out(f"m8 says: fingerprint key {key_id} alone counts now.")
    for sentence in _left_behind(stores, key_id):
        terminal.warn(sentence)


def _breaks(stores: Iterable[views_pb2.SecretStore], key_id: str) -> list[str]:
    """Return a sentence for each store with attached reactors that would be shut out."""
    found = []
    for store in stores:
        there = [reactor for reactor in store.reactors if reactor.attached]
        old = [reactor for reactor in there if reactor.fingerprint_key_id != key_id]
        if old:
            names = ", ".join(reactor.replica.hex()[:8] for reactor in old)
            after = "every request to it ends UNAVAILABLE" if old == there else "its other reactors go on"
            found.append(f"{store.name}: m8 ends the sessions of {names} and refuses their logins; {after}.")
    return found


def _left_behind(stores: Iterable[views_pb2.SecretStore], key_id: str) -> list[str]:
    """Return a sentence for each store of which m8 last saw, with another key, reactors that are not attached now.

    A process has a new name after each start. So each attached reactor with the new key is taken for the successor of
    one that had another.
    """
    found = []
    for store in stores:
        moved = [reactor for reactor in store.reactors if reactor.attached and reactor.fingerprint_key_id == key_id]
        gone = [reactor for reactor in store.reactors if not reactor.attached and reactor.fingerprint_key_id != key_id]
        if len(gone) > len(moved):
            names = ", ".join(f"{one.replica.hex()[:8]} until {instant(one.last_heard_ms)}" for one in gone)
            found.append(
                f"store {store.name}: attached with the key {key_id}: {len(moved)}. Not attached now, and last seen"
                f" with another key: {names}. A reactor has a new name after each start, so some of these may be"
                " earlier starts of one that has moved. m8 refuses one that starts with the former key. Import the"
                " new key there first."
            )
    return found
