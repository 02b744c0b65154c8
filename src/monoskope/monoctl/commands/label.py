"""`monoctl label secret`."""

from __future__ import annotations

import click

from monoskope.api.gateway.v1 import views_pb2
from monoskope.client import Client
from monoskope.monoctl.input.request_options import parse_edits
from monoskope.monoctl.options import CommandSession, connection_options, output_option
from monoskope.monoctl.output import terminal, views
from monoskope.monoctl.output.formats import emit

COLUMNS = {"URI": "uri", "LABELS": "labels", "EXPIRES": "expires_on", "EDITED BY": "notes_edited_by"}
M8S_WORD = "labels and day of expiry that were edited are m8's word: no store signed them."
"""Beside every edit: the notes of a put stand in its signed grant, these do not."""


@click.command(short_help="Set and remove labels of a secret.")
@click.argument("uri")
@click.argument("edits", nargs=-1, required=True, metavar="NAME=VALUE|NAME-...")
@output_option
@connection_options
def secret(uri: str, edits: tuple[str, ...], output: str, session: CommandSession) -> None:
    """Set labels of a secret, and remove those named with a "-" behind. The others stay. It needs no value.

    No store is asked: m8 records who edited what, and shows it as its own word. It takes the right to put the secret.

    \b
    monoctl label secret app/db owner=team-a
    monoctl label secret vault://app/db owner=team-b project-
    """  # noqa: D301 - click wants the character itself
    labels = parse_edits(edits)

    async def work(client: Client) -> views_pb2.Secret:
        return await client.edit_notes(uri, labels)

    show_notes(session.run(work), output)


def show_notes(view: views_pb2.Secret, output: str) -> None:
    """Print the notes of a secret as they are now."""
    emit(output, views.secret(view), COLUMNS)
    if output == "table":
        terminal.note(M8S_WORD)
