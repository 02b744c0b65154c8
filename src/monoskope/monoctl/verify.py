"""`monoctl verify secret`."""

from __future__ import annotations

import click

from monoskope.client import Client, Verification
from monoskope.errors import Error, UsageError
from monoskope.exit_codes import ExitCode, exit_code_of_all
from monoskope.monoctl.options import Session, connection_options, output_option, timeout_option
from monoskope.monoctl.output import emit
from monoskope.monoctl.report import report

_COLUMNS = {"URI": "uri", "OUTCOME": "outcome", "UPSTREAM": "upstream_version", "NEWEST": "newest"}


@click.command(short_help="See whether stores still hold what was put.")
@click.argument("uris", nargs=-1, metavar="[URI...]")
@click.option(
    "--all",
    "everything",
    is_flag=True,
    help="All secrets below the URI prefixes given (`store://` or `store://segment`), or all you see.",
)
@timeout_option
@output_option
@connection_options
def secret(uris: tuple[str, ...], timeout: float, output: str, session: Session, *, everything: bool) -> None:
    """See whether stores still hold what the newest receipts tell. Nobody sees a value, nothing is written.

    IN_SYNC, DRIFTED (something else is upstream) or GONE. Exit code 0 if all are in sync, 12 if one is not. NEWEST says
    whether the store was asked about the newest receipt that m8 shows; without the right to see hashes it is empty.
    """
    if not uris and not everything:
        raise UsageError("no secret is named.", fix="Name URIs, or say --all.")

    async def work(client: Client) -> list[Verification | Error]:
        chosen = await _below(client, uris) if everything else uris
        return await client.verify_secrets(chosen, timeout=timeout) if chosen else []

    results = session.run(work)
    verifications = [result for result in results if isinstance(result, Verification)]
    documents = [
        {
            "uri": verification.uri,
            "outcome": verification.outcome,
            "upstream_version": verification.upstream_version,
            "newest": verification.newest,
            "request_id": verification.request_id,
        }
        for verification in verifications
    ]
    errors = [result for result in results if isinstance(result, Error)]
    if documents or everything:
        single = len(uris) == 1 and not everything
        emit(output, documents[0] if single else documents, _COLUMNS, nothing="No secrets found.")
    for error in errors:
        report(error, as_json=output == "json")
    code = exit_code_of_all(errors)
    if not errors and not all(verification.in_sync for verification in verifications):
        code = ExitCode.DIFFERENT
    click.get_current_context().exit(code)


async def _below(client: Client, prefixes: tuple[str, ...]) -> list[str]:
    """Return the URIs of all secrets that are there below `prefixes`, each once."""
    found = {view.uri for prefix in prefixes or ("",) async for view in client.queries.secrets(prefix)}
    return sorted(found)
