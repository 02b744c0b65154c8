"""`monoctl whoami`."""

from __future__ import annotations

import click

from monoskope.client import Client
from monoskope.monoctl.options import CommandSession, connection_options, output_option
from monoskope.monoctl.output import views, write
from monoskope.monoctl.output.formats import Document, cell, emit, pairs

_TITLES = {
    "Subject": "subject",
    "Role": "role",
    "Prefixes": "prefixes",
    "Rights": "rights",
    "Expires": "expires",
    "Credential": "credential",
    "Server": "server",
    "Version of m8": "m8_version",
    "Its certificate": "certificate_expires",
    "Fingerprint key": "fingerprint_key_id",
}


@click.command(short_help="Show who you are to m8, and what you may do.")
@output_option
@connection_options
def whoami(output: str, session: CommandSession) -> None:
    """Show who you are to m8, and what you may do there: the subject, role, prefixes and rights of your credential.

    All of it is m8's word; nothing here is signed by a store.
    """

    async def work(client: Client) -> Document:
        answer = await client.queries.server()
        return views.server(client.server, answer) | {"credential": client.settings.credential_source}

    document = session.run(work)
    if output != "table":
        emit(output, document, {})
        return
    pairs({title: cell(document, name) for title, name in _TITLES.items()})
    write.err("This is m8's word.")
