"""`monoctl whoami`."""

from __future__ import annotations

import click

from monoskope.client import Client
from monoskope.monoctl.options import CommandSession, connection_options, output_option
from monoskope.monoctl.output import terminal, views
from monoskope.monoctl.output.formats import Document, cell, emit, pairs

_OF_MEMBERS = {"Member": "member", "Issuer": "issuer", "Groups": "groups", "Roles": "roles"}
_OF_ALL = {
    "Expires": "expires",
    "Credential": "credential",
    "Signing key": "signing_key",
    "Server": "server",
    "Version of m8": "m8_version",
    "Its certificate": "certificate_expires",
    "Fingerprint key": "fingerprint_key_id",
}
_TITLES = {"Subject": "subject", "Role": "role", "Prefixes": "prefixes", "Rights": "rights"} | _OF_ALL


@click.command(short_help="Show who you are to m8, and what you may do.")
@output_option
@connection_options
def whoami(output: str, session: CommandSession) -> None:
    """Show who you are to m8, and what you may do there: the subject, role, prefixes and rights of your credential.

    All of it but credential and signing key is m8's word; nothing here is signed by a store. m8 does not know of the
    signing key, with which you sign what stores want signed.
    """

    async def work(client: Client) -> Document:
        answer = await client.queries.server()
        document = views.server(client.server, answer) | {
            "credential": client.settings.credential_source,
            "signing_key": client.settings.signing_key,
        }
        return document | views.member(await client.access.who_am_i())

    document = session.run(work)
    if output != "table":
        emit(output, document, {})
        return
    pairs(_lines(document))
    terminal.err("This is m8's word.")


def _lines(document: Document) -> dict[str, str]:
    """Return titles with what stands beside them. Of a member, rights stand with their own prefix and role binding."""
    if not document.get("member"):
        return {title: cell(document, name) for title, name in _TITLES.items()}
    lines = {title: cell(document, name) for title, name in _OF_MEMBERS.items()}
    for one in document["may"]:
        lines[f"Below {one['prefix']}, by {one['role_binding']}"] = ", ".join(one["rights"])
    return lines | {title: cell(document, name) for title, name in _OF_ALL.items()}
