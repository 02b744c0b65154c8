"""`monoctl import secret`."""

from __future__ import annotations

import click

from monoskope.client import Client, Import
from monoskope.errors import Error
from monoskope.monoctl.options import CommandSession, connection_options, output_option, timeout_option
from monoskope.monoctl.output import done
from monoskope.monoctl.output.report import end

_COLUMNS = {"URI": "uri", "OUTCOME": "outcome", "VERSION": "upstream_version", "HASH": "hash"}


@click.command(short_help="Adopt secrets that others put into an engine.")
@click.argument("uris", nargs=-1, required=True, metavar="URI [URI...]")
@timeout_option
@output_option
@connection_options
def secret(uris: tuple[str, ...], timeout: float, output: str, session: CommandSession) -> None:
    """Adopt secrets that others put into an engine.

    The store's reactor reads each secret and signs a receipt with its hash. It moves, writes and shows nothing. From
    then on a put may replace the secret, as if it had been put through m8.
    """

    async def work(client: Client) -> list[Import | Error]:
        return await client.import_secrets(uris, timeout=timeout)

    end(session.run(work, several=len(uris) > 1), output, _COLUMNS, done.imported, changes=True)
