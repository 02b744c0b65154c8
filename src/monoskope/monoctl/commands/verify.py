"""`monoctl verify secret`."""

from __future__ import annotations

import click

from monoskope.client import Client, Verification
from monoskope.errors import Error, UsageError
from monoskope.exit_codes import ExitCode, exit_code_of_all
from monoskope.monoctl.options import CommandSession, connection_options, output_option, timeout_option
from monoskope.monoctl.output.formats import emit
from monoskope.monoctl.output.listed import Listed, listed
from monoskope.monoctl.output.report import report

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
def secret(uris: tuple[str, ...], timeout: float, output: str, session: CommandSession, *, everything: bool) -> None:
    """See whether stores still hold what the newest receipts tell. Nobody sees a value, nothing is written.

    IN_SYNC, DRIFTED (something else is upstream) or GONE. Exit code 0 if all are in sync, 12 if one is not. NEWEST says
    whether the store was asked about the newest receipt that m8 shows; without the right to see hashes it is empty.

    With --all it is m8 that says which secrets there are. What it lists and shows is compared with what it did before
    (`seen_secrets`, beside `known_stores`): a warning names what is missing without a proven deletion, or older.
    """
    if not uris and not everything:
        raise UsageError("no secret is named.", fix="Name URIs, or say --all.")

    async def work(client: Client) -> tuple[Listed | None, list[Verification | Error]]:
        asked = await listed(client, uris) if everything else None
        chosen = uris if asked is None else asked.uris
        return asked, await client.verify_secrets(chosen, timeout=timeout) if chosen else []

    asked, results = session.run(work)
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
        emit(
            output,
            documents[0] if single else documents,
            _COLUMNS,
            nothing="No secret was verified." if errors else "No secrets found.",
        )
    if asked is not None:
        asked.tell()
    for error in errors:
        report(error, as_json=output == "json")
    code = exit_code_of_all(errors)
    if not errors and not all(verification.in_sync for verification in verifications):
        code = ExitCode.DIFFERENT
    click.get_current_context().exit(code)
