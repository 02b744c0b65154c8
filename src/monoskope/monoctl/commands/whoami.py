"""`monoctl whoami`."""

from __future__ import annotations

import click

from monoskope.api.gateway.v1 import queries_pb2
from monoskope.api.secrets.v1 import events_pb2
from monoskope.client import Client
from monoskope.monoctl.options import CommandSession, connection_options, output_option
from monoskope.monoctl.output import write
from monoskope.monoctl.output.formats import Document, cell, emit, pairs
from monoskope.protocol.names import spelled
from monoskope.times import rfc3339

_TITLES = {
    "Subject": "subject",
    "Role": "role",
    "Prefixes": "prefixes",
    "Rights": "rights",
    "Expires": "expires",
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
        return _document(client.server, answer)

    document = session.run(work)
    if output != "table":
        emit(output, document, {})
        return
    pairs({title: cell(document, name) for title, name in _TITLES.items()})
    write.err("This is m8's word.")


def _document(server: str, answer: queries_pb2.GetServerResponse) -> Document:
    return {
        "subject": answer.subject,
        "role": _word(spelled(events_pb2.Role, answer.role)),
        "prefixes": list(answer.prefixes),
        "rights": [_word(spelled(events_pb2.Right, right)) for right in answer.rights],
        "expires": rfc3339(answer.expires_at_ms),
        "server": server,
        "m8_version": answer.version,
        "certificate_expires": rfc3339(answer.certificate_expires_at_ms) if answer.certificate_expires_at_ms else None,
        "fingerprint_key_id": answer.fingerprint_key_id,
    }


def _word(name: str) -> str:
    """Return a role or a right as `m8 token create` takes it."""
    return name.lower().replace("_", "-")
