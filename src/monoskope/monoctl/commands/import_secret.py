"""`monoctl import secret`."""

from __future__ import annotations

import click

from monoskope.client import Client, Import
from monoskope.errors import Error
from monoskope.exit_codes import exit_code_of_all
from monoskope.monoctl.options import CommandSession, connection_options, output_option, timeout_option
from monoskope.monoctl.output.formats import emit
from monoskope.monoctl.output.report import report

_COLUMNS = {"URI": "uri", "OUTCOME": "outcome", "VERSION": "upstream_version", "HASH": "hash"}


@click.command(short_help="Adopt secrets that are upstream already.")
@click.argument("uris", nargs=-1, required=True, metavar="URI [URI...]")
@timeout_option
@output_option
@connection_options
def secret(uris: tuple[str, ...], timeout: float, output: str, session: CommandSession) -> None:
    """Adopt secrets that are upstream already, put there by others.

    Their store's reactor reads each and signs a receipt with its hash. Nothing is moved, written or shown. From then on
    a put may replace it, as if it had been put through m8.
    """

    async def work(client: Client) -> list[Import | Error]:
        return await client.import_secrets(uris, timeout=timeout)

    results = session.run(work)
    documents = [
        {
            "uri": result.uri,
            "outcome": "IMPORTED",
            "hash": result.hash,
            "values": result.values,
            "upstream_version": result.upstream_version,
            "request_id": result.request_id,
        }
        for result in results
        if isinstance(result, Import)
    ]
    errors = [result for result in results if isinstance(result, Error)]
    if documents:
        emit(output, documents[0] if len(uris) == 1 else documents, _COLUMNS)
    for error in errors:
        report(error, as_json=output == "json")
    click.get_current_context().exit(exit_code_of_all(errors))
