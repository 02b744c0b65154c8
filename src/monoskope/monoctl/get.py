"""`monoctl get`: secrets, one secret, stores, one request."""

from __future__ import annotations

import click

from monoskope.client import Client
from monoskope.monoctl import views
from monoskope.monoctl.options import Session, connection_options, output_option, timeout_option
from monoskope.monoctl.output import Document, emit, pairs

_SECRETS = {
    "URI": "uri",
    "HASH": "hash",
    "VERSION": "upstream_version",
    "DRIFTED": "drifted",
    "BY": "subject",
    "UPLOADED": "uploaded_at",
}
_STORES = {
    "NAME": "name",
    "TYPE": "type",
    "STATE": "state",
    "DEFAULT": "default",
    "LAST HEARD": "last_heard_at",
    "IDENTITY": "identity",
}
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


@click.command(short_help="List secrets.")
@click.argument("prefix", default="")
@output_option
@connection_options
def secrets(prefix: str, output: str, session: Session) -> None:
    """List the secrets below PREFIX (`store://` or `store://segment`), or all that you may see."""

    async def work(client: Client) -> list[Document]:
        return [views.secret(view) async for view in client.queries.secrets(prefix)]

    emit(output, session.run(work), _SECRETS, nothing="No secrets found.")


@click.command(short_help="Show one secret.")
@click.argument("uri")
@output_option
@connection_options
def secret(uri: str, output: str, session: Session) -> None:
    """Show one secret: its hash if you may see it, its version, who put it and when. Never a value."""

    async def work(client: Client) -> Document:
        return views.secret(await client.queries.secret(await client.full_uri(uri)))

    document = session.run(work)
    emit(output, document, _SECRETS)
    if output == "table" and document["values"]:
        click.echo()
        pairs(document["values"])


@click.command(short_help="List stores.")
@output_option
@connection_options
def secret_stores(output: str, session: Session) -> None:
    """List the stores with their type and state."""

    async def work(client: Client) -> list[Document]:
        return [views.store(view) async for view in client.queries.stores()]

    emit(output, session.run(work), _STORES, nothing="No stores found.")


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
