"""`monoctl copy secret`."""

from __future__ import annotations

import click

from monoskope.client import Client, Copy
from monoskope.monoctl.input.request_options import expectation
from monoskope.monoctl.options import CommandSession, connection_options, output_option, timeout_option
from monoskope.monoctl.output import done
from monoskope.monoctl.output.formats import emit

_COLUMNS = {
    "FROM": "uri",
    "TO": "destination",
    "OUTCOME": "outcome",
    "VERSION": "destination_version",
    "HASH": "hash",
}


@click.command(short_help="Copy a secret into another store.")
@click.argument("uri")
@click.argument("destination")
@click.option("--expect", metavar="absent|VERSION", help="Copy only if nothing, or this version, is there.")
@click.option("--overwrite", is_flag=True, help="Replace whatever is there.")
@timeout_option
@output_option
@connection_options
def secret(  # noqa: PLR0917 - click passes them by name
    uri: str,
    destination: str,
    expect: str | None,
    timeout: float,
    output: str,
    session: CommandSession,
    *,
    overwrite: bool,
) -> None:
    """Copy the secret at URI to DESTINATION, in another store.

    The reactor of URI's store reads the secret and puts it there; nobody else sees it. The reactor's own settings say
    where it may copy to: see `copies_to` in `monoctl describe secret-store`. The command succeeds only with signed
    receipts of both stores that show the same hash.
    """
    expected = expectation(expect, overwrite=overwrite)

    async def work(client: Client) -> Copy:
        return await client.copy_secret(uri, destination, expect=expected, timeout=timeout)

    emit(output, done.copied(session.run(work)), _COLUMNS)
