"""Labels and days of expiry without a value: `monoctl label secret` and `monoctl expire secret`."""

from __future__ import annotations

import click

from monoskope.api.gateway.v1 import views_pb2
from monoskope.client import Client
from monoskope.errors import UsageError
from monoskope.monoctl.input.request_options import parse_day, parse_edits
from monoskope.monoctl.options import CommandSession, connection_options, output_option
from monoskope.monoctl.output import terminal, views
from monoskope.monoctl.output.formats import emit

COLUMNS = {"URI": "uri", "LABELS": "labels", "EXPIRES": "expires_on", "EDITED BY": "notes_edited_by"}
M8S_WORD = "labels and day of expiry that were edited are m8's word: no store signed them."
"""Beside every edit: the notes of a put stand in its signed grant, these do not."""


@command(short_help="Set and remove labels of a secret.")
@click.argument("uri")
@click.argument("edits", nargs=-1, required=True, metavar="NAME=VALUE|NAME-...")
@output_options
def label_secret(uri: str, edits: tuple[str, ...], session: CommandSession) -> None:
    """Set labels of a secret, and remove those named with a "-" behind. The others stay. It needs no value.

    No store is asked: m8 records who edited what, and shows it as its own word. It takes the right to put the secret.

    \b
    monoctl label secret app/db owner=team-a
    monoctl label secret vault://app/db owner=team-b project-
    """  # noqa: D301 - click wants the character itself
    labels = parse_edits(edits)

    show_notes(session.run(lambda client: client.edit_notes(uri, labels)), session.output)


def show_notes(view: views_pb2.Secret, output: str) -> None:
    """Print the notes of a secret as they are now."""
    emit(output, views.secret(view), COLUMNS)
    if output == "table":
        terminal.note(M8S_WORD)


@command(short_help="Note when a secret expires.")
@click.argument("uri")
@click.argument("day", default="")
@click.option("--never", is_flag=True, help="Remove the day of expiry.")
@output_options
def expire_secret(uri: str, day: str, session: CommandSession, *, never: bool) -> None:
    """Note the DAY on which a secret expires: YYYY-MM-DD, or 90d from today. It needs no value.

    It is a note: m8 does nothing on that day, and `get secrets --expiring` lists it. No store is asked: m8 records who
    edited it, and shows it as its own word. It takes the right to put the secret.

    \b
    monoctl expire secret app/db 90d
    monoctl expire secret app/db --never
    """  # noqa: D301 - click wants the character itself
    if bool(day) == never:
        raise UsageError("give a DAY, or --never.", fix="Write for example 90d, or 2027-01-31.")
    expires_on = "" if never else parse_day(day)

    show_notes(session.run(lambda client: client.edit_notes(uri, expires_on=expires_on)), session.output)
