"""`monoctl get`: secrets, one secret, stores, one request."""

from __future__ import annotations

import click

from monoskope.api.gateway.v1 import views_pb2
from monoskope.client import Client
from monoskope.client.proof import Checked
from monoskope.client.queries import request_id_bytes
from monoskope.errors import UsageError
from monoskope.monoctl.input.labels import parse_day
from monoskope.monoctl.options import CommandSession, connection_options, output_option, timeout_option
from monoskope.monoctl.output import views, write
from monoskope.monoctl.output.formats import Document, emit, pairs
from monoskope.monoctl.output.proven import tell, tell_whose
from monoskope.monoctl.output.server_certificate import note_if_it_expires

_SECRETS = {
    "URI": "uri",
    "HASH": "hash",
    "VERSION": "upstream_version",
    "PROVEN": "proven",
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
    "PROVEN": "proven",
    "BY": "subject",
    "CHANGED": "changed_at",
}


_NOTES = {"DELETED": "deleted", "SYNC": "sync", "VERIFIED": "verified_at", "EXPIRES": "expires_on", "LABELS": "labels"}
"""Columns that are shown if any of the secrets has a value for them."""
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
    "PROVEN": "proven",
    "BY": "subject",
    "REQUEST": "request_id",
    "HASH": "hash",
}


def _columns(documents: list[Document]) -> dict[str, str]:
    return _SECRETS | {name: field for name, field in _NOTES.items() if any(row[field] for row in documents)}


@click.command(short_help="List secrets.")
@click.argument("prefix", default="")
@click.option("--prefix", "below", default="", metavar="URI", help="The same as PREFIX.")
@click.option("--store", default="", metavar="STORE", help="Only of this store.")
@click.option("--by", "subject", default="", metavar="SUBJECT", help="Only those that SUBJECT changed last.")
@click.option(
    "--state",
    type=click.Choice(list(_STATES)),
    default="present",
    show_default=True,
    help="Drifted: the last upload replaced what others had put. Out of sync: `verify secret` found a difference.",
)
@click.option("--expiring", metavar="DAY", help="Only those that expire by then, or have expired: YYYY-MM-DD, or 30d.")
@click.option("--limit", type=click.IntRange(1), help="At most this many.")
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
    session: CommandSession,
) -> None:
    """List the secrets below PREFIX (`store://` or `store://segment`), or all that you may see.

    PROVEN says whether a receipt of the store's pinned identity proves hash and version. Everything else is m8's word:
    who and when, labels and state, that there is no newer receipt, and that the list is complete.
    """
    if prefix and below:
        raise UsageError("PREFIX and --prefix exclude each other.", fix="Give one of them.")
    before = parse_day(expiring, more=1) if expiring else ""

    async def work(client: Client) -> list[tuple[Document, Checked]]:
        found: list[tuple[Document, Checked]] = []
        proofs = client.proofs
        views_of = client.queries.secrets(
            prefix or below,
            store=store,
            subject=subject,
            state=_STATES[state],
            expiring_before=before,
        )
        async for view in views_of:
            checked = await proofs.secret(view)
            found.append((views.secret(view) | views.proof(checked), checked))
            if len(found) == limit:
                break
        return found

    results = session.run(work)
    documents = [document for document, _ in results]
    emit(output, documents, _columns(documents), nothing="No secrets found.")
    tell(((document["uri"], checked) for document, checked in results), output=output)


@click.command(short_help="Show one secret.")
@click.argument("uri")
@click.option("--versions", is_flag=True, help="Show every put, patch, import and deletion of it, the newest first.")
@output_option
@connection_options
def secret(uri: str, output: str, session: CommandSession, *, versions: bool) -> None:
    """Show one secret: its hash if you may see it, its version, who changed it last and when. Never a value.

    PROVEN means the same as in `get secrets`. With --versions it says what the receipt of each request proves.
    """
    if versions:
        _show_versions(uri, output, session)
        return

    async def work(client: Client) -> tuple[Document, Checked]:
        view = await client.queries.secret(await client.full_uri(uri))
        checked = await client.proofs.secret(view)
        return views.secret(view) | views.proof(checked), checked

    document, checked = session.run(work)
    emit(output, document, _columns([document]))
    if output == "table" and document["values"]:
        write.out()
        pairs(document["values"])
    tell([(document["uri"], checked)], output=output)


def _show_versions(uri: str, output: str, session: CommandSession) -> None:
    async def work(client: Client) -> list[tuple[Document, Checked]]:
        full = await client.full_uri(uri)
        found = [view async for view in client.queries.secret_versions(full)]
        checks = await client.proofs.versions(found)
        return [
            (views.version(view) | views.proof(checked), checked) for view, checked in zip(found, checks, strict=True)
        ]

    results = session.run(work)
    emit(output, [document for document, _ in results], _VERSIONS)
    tell(((f"request {document['request_id']}", checked) for document, checked in results), output=output)


@click.command(short_help="List stores.")
@output_option
@connection_options
def secret_stores(output: str, session: CommandSession) -> None:
    """List the stores with their type and state."""

    async def work(client: Client) -> list[Document]:
        await note_if_it_expires(client)
        return [views.store(view) async for view in client.queries.stores()]

    emit(output, session.run(work), _STORES, nothing="No stores found.")


@click.command(short_help="List the types of stores in use.")
@output_option
@connection_options
def store_types(output: str, session: CommandSession) -> None:
    """List the types of the stores that you can see: which are experimental, and how secrets lie in their engines.

    The stores' reactors announced it. "-": no reactor of that type has ever attached.
    """

    async def work(client: Client) -> list[Document]:
        return views.store_types([view async for view in client.queries.stores()])

    emit(output, session.run(work), _TYPES, nothing="No stores found.")


@click.command(short_help="Show one request.")
@click.argument("request_id")
@click.option("--wait", is_flag=True, help="Wait until it has ended.")
@timeout_option
@output_option
@connection_options
def upload(request_id: str, timeout: float, output: str, session: CommandSession, *, wait: bool) -> None:
    """Show one request. Its outcome is shown only if a receipt of the store's pinned identity proves it.

    PROVEN says whether there is such a receipt. What m8 says without a receipt is marked; the rest is m8's word, too.
    """

    async def work(client: Client) -> tuple[views_pb2.SecretUpload, Checked]:
        content = request_id_bytes(request_id)
        answer = await client.queries.upload_answer(content, wait=wait, timeout_s=timeout)
        return answer.upload, await client.proofs.upload(answer, content)

    view, checked = session.run(work)
    columns = _UPLOAD if checked.proven else _UPLOAD | {"M8 SAYS": "m8_says"}
    emit(output, views.upload(view, checked.receipt) | views.proof(checked), columns)
    tell([(f"request {request_id}", checked)], output=output)
    tell_whose(checked, view.purpose)
