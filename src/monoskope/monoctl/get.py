"""`monoctl get`: secrets, one secret, stores, one request."""

from __future__ import annotations

import click

from monoskope.api.gateway.v1 import views_pb2
from monoskope.client import Client
from monoskope.errors import UsageError
from monoskope.monoctl import views, write
from monoskope.monoctl.days import day
from monoskope.monoctl.options import Session, connection_options, output_option, timeout_option
from monoskope.monoctl.output import Document, emit, pairs

_SECRETS = {
    "URI": "uri",
    "HASH": "hash",
    "VERSION": "upstream_version",
    "DRIFTED": "drifted",
    "BY": "subject",
    "CHANGED": "uploaded_at",
}
_STORES = {
    "NAME": "name",
    "TYPE": "type",
    "STATE": "state",
    "DEFAULT": "default",
    "ENGINE": "engine",
    "PENDING": "pending",
    "LAST HEARD": "last_heard_at",
    "IDENTITY": "identity",
}
_TYPES = {"TYPE": "type", "MATURITY": "maturity", "STORES": "stores", "LAYOUT": "layouts"}
_UPLOAD = {
    "REQUEST": "request_id",
    "URI": "uri",
    "PURPOSE": "purpose",
    "STATE": "state",
    "OUTCOME": "outcome",
    "REASON": "reason",
    "BY": "subject",
    "CHANGED": "changed_at",
}


_NOTES = {"DELETED": "deleted", "SYNC": "sync", "VERIFIED": "verified_at", "EXPIRES": "expires_on", "LABELS": "labels"}
"""Shown if any of the secrets has them."""
_STATES = {
    "present": views_pb2.SECRET_STATE_PRESENT,
    "deleted": views_pb2.SECRET_STATE_DELETED,
    "drifted": views_pb2.SECRET_STATE_DRIFTED,
    "out-of-sync": views_pb2.SECRET_STATE_OUT_OF_SYNC,
}
_VERSIONS = {
    "RECORDED": "recorded_at",
    "OUTCOME": "outcome",
    "VERSION": "upstream_version",
    "REPLACED": "prior_version",
    "BY": "subject",
    "REQUEST": "request_id",
    "HASH": "hash",
}


def _columns(documents: list[Document]) -> dict[str, str]:
    return _SECRETS | {name: field for name, field in _NOTES.items() if any(row[field] for row in documents)}


@click.command(short_help="List secrets.")
@click.argument("prefix", default="")
@click.option("--prefix", "below", default="", metavar="URI", help="The same as PREFIX.")
@click.option("--store", default="", metavar="STORE", help="Of one store alone.")
@click.option("--by", "subject", default="", metavar="SUBJECT", help="Last changed by SUBJECT.")
@click.option(
    "--state",
    type=click.Choice(list(_STATES)),
    default="present",
    show_default=True,
    help="Drifted: the last upload replaced what was not put through m8. Out of sync: `verify secret` found otherwise.",
)
@click.option("--expiring", metavar="DAY", help="Said to expire by then, or expired: YYYY-MM-DD, or 30d.")
@click.option("--limit", type=click.IntRange(1), help="At most so many.")
@output_option
@connection_options
def secrets(  # noqa: PLR0917 - click passes them by name
    prefix: str,
    below: str,
    store: str,
    subject: str,
    state: str,
    expiring: str | None,
    limit: int | None,
    output: str,
    session: Session,
) -> None:
    """List the secrets below PREFIX (`store://` or `store://segment`), or all that you may see."""
    if prefix and below:
        raise UsageError("PREFIX and --prefix exclude each other.", fix="Give one of them.")
    before = day(expiring, more=1) if expiring else ""

    async def work(client: Client) -> list[Document]:
        found: list[Document] = []
        views_of = client.queries.secrets(
            prefix or below,
            store=store,
            subject=subject,
            state=_STATES[state],
            expiring_before=before,
        )
        async for view in views_of:
            found.append(views.secret(view))
            if len(found) == limit:
                break
        return found

    documents = session.run(work)
    emit(output, documents, _columns(documents), nothing="No secrets found.")


@click.command(short_help="Show one secret.")
@click.argument("uri")
@click.option("--versions", is_flag=True, help="Show every put, patch, import and deletion of it, the newest first.")
@output_option
@connection_options
def secret(uri: str, output: str, session: Session, *, versions: bool) -> None:
    """Show one secret: its hash if you may see it, its version, who changed it last and when. Never a value."""
    if versions:
        _show_versions(uri, output, session)
        return

    async def work(client: Client) -> Document:
        return views.secret(await client.queries.secret(await client.full_uri(uri)))

    document = session.run(work)
    emit(output, document, _columns([document]))
    if output == "table" and document["values"]:
        write.out()
        pairs(document["values"])


def _show_versions(uri: str, output: str, session: Session) -> None:
    async def work(client: Client) -> list[Document]:
        full = await client.full_uri(uri)
        return [views.version(view) async for view in client.queries.secret_versions(full)]

    emit(output, session.run(work), _VERSIONS)


@click.command(short_help="List stores.")
@output_option
@connection_options
def secret_stores(output: str, session: Session) -> None:
    """List the stores with their type and state."""

    async def work(client: Client) -> list[Document]:
        return [views.store(view) async for view in client.queries.stores()]

    emit(output, session.run(work), _STORES, nothing="No stores found.")


@click.command(short_help="List the types of stores in use.")
@output_option
@connection_options
def store_types(output: str, session: Session) -> None:
    """List the types of the stores that you can see: which are experimental, and how secrets lie in their engines.

    As the stores' reactors announced it. "-": no reactor of that type ever attached.
    """

    async def work(client: Client) -> list[Document]:
        return views.store_types([view async for view in client.queries.stores()])

    emit(output, session.run(work), _TYPES, nothing="No stores found.")


@click.command(short_help="Show one request.")
@click.argument("request_id")
@click.option("--wait", is_flag=True, help="Until it has ended.")
@timeout_option
@output_option
@connection_options
def upload(request_id: str, timeout: float, output: str, session: Session, *, wait: bool) -> None:
    """Show what m8 knows of one request. That is m8's word; a put or compare of your own proves more."""

    async def work(client: Client) -> Document:
        return views.upload(await client.queries.upload(request_id, wait=wait, timeout_s=timeout))

    emit(output, session.run(work), _UPLOAD)
