"""`monoctl describe secret-store`."""

from __future__ import annotations

import click

from monoskope.client import Client
from monoskope.monoctl.options import CommandSession, connection_options, output_option
from monoskope.monoctl.output import terminal, views
from monoskope.monoctl.output.formats import Document, cell, emit, pairs, table

_FIELDS = {
    "Name": "name",
    "Type": "type",
    "State": "state",
    "Default": "default",
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


@click.command(short_help="Show everything about one store.")
@click.argument("name", default="")
@output_option
@connection_options
def secret_store(name: str, output: str, session: CommandSession) -> None:
    """Show one store, or without NAME the default store: its identity, limits, key id and reactors."""

    async def work(client: Client) -> Document:
        return views.store(await client.queries.store(name))

    document = session.run(work)
    if output != "table":
        emit(output, document, {})
        return
    if not document["max_plaintext"]:
        document["max_plaintext"] = _NOT_ANNOUNCED
    document["engine"] = document["engine"] or _NOT_ANNOUNCED
    pairs({name: cell(document, field) for name, field in _FIELDS.items()})
    reactors: list[Document] = document["reactors"]
    terminal.out()
    if not reactors:
        terminal.out("No reactor has ever attached.")
        _refused(document["refused_login"])
        return
    for one in reactors:
        one["does"] = [word for field, word in _DOES.items() if one[field]]
        one["signed"] = _signed(one)
    table(list(_REACTORS), [[cell(one, field) for field in _REACTORS.values()] for one in reactors])
    _refused(document["refused_login"])


def _signed(reactor: Document) -> str:
    """Say whether a reactor acts on signed requests alone, as it announced, and whether its lists are in order."""
    if reactor["signers_trouble"]:
        return "required; a list cannot be used"
    return "required" if reactor["signatures"] else ""


_WHY = {
    "FINGERPRINT_KEY": "its fingerprint key {fingerprint_key_id} is not the one that counts. Import that one there (m8"
    " reactor fingerprint-key import DIR FILE --replace), and start it again",
    "STORE_TYPE": "it serves an engine of another type. Correct `engine.type` in its reactor.toml",
    "TOO_MANY_REACTORS": "the store had as many reactors as it may have. Stop one of them",
}


def _refused(login: Document | None) -> None:
    """Say which login m8 refused last, if none has succeeded since."""
    if login is None:
        return
    why = _WHY.get(login["refusal"], "for a reason that this version does not know").format(**login)
    terminal.out()
    terminal.out(
        f"m8 says: at {login['refused_at']} it refused the login of the reactor {login['replica'][:8]}: {why}."
    )
