"""`monoctl expire secret`."""

from __future__ import annotations

import click

from monoskope.api.gateway.v1 import views_pb2
from monoskope.client import Client
from monoskope.errors import UsageError
from monoskope.monoctl.commands.label import show_notes
from monoskope.monoctl.input.request_options import parse_day
from monoskope.monoctl.options import CommandSession, connection_options, output_option


@click.command(short_help="Note when a secret expires.")
@click.argument("uri")
@click.argument("day", default="")
@click.option("--never", is_flag=True, help="Remove the day of expiry.")
@output_option
@connection_options
def secret(uri: str, day: str, output: str, session: CommandSession, *, never: bool) -> None:
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

    async def work(client: Client) -> views_pb2.Secret:
        return await client.edit_notes(uri, expires_on=expires_on)

    show_notes(session.run(work), output)
