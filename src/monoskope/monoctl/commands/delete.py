"""`monoctl delete secret`."""

from __future__ import annotations

import click

from monoskope.client import Client, Deletion
from monoskope.client.purposes.put import Expect
from monoskope.errors import Error, UsageError
from monoskope.exit_codes import exit_code_of_all
from monoskope.monoctl.options import CommandSession, connection_options, output_option, timeout_option
from monoskope.monoctl.output import terminal, write
from monoskope.monoctl.output.formats import emit
from monoskope.monoctl.output.report import report

_COLUMNS = {"URI": "uri", "OUTCOME": "outcome", "DELETED": "deleted_version", "DESTROYED": "destroyed"}


@click.command(short_help="Delete secrets from stores.")
@click.argument("uris", nargs=-1, required=True, metavar="URI [URI...]")
@click.option("--destroy", is_flag=True, help="Erase for good. Without it the engine's owner can bring it back.")
@click.option("--expect", metavar="VERSION", help="Delete only if this version is upstream.")
@click.option("--overwrite", is_flag=True, help="Delete whatever is upstream, even what was not put through m8.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@timeout_option
@output_option
@connection_options
def secret(
    uris: tuple[str, ...],
    expect: str | None,
    timeout: float,
    output: str,
    session: CommandSession,
    *,
    destroy: bool,
    overwrite: bool,
    yes: bool,
) -> None:
    """Delete secrets from stores.

    It asks on a terminal; without one it needs --yes. It succeeds only with a receipt signed by the store's pinned
    identity. By default it deletes only what was put through m8.
    """
    expected = expectation(expect, overwrite=overwrite)
    if not yes:
        _agree(uris, destroy=destroy)

    async def work(client: Client) -> list[Deletion | Error]:
        return await client.delete_secrets(uris, expect=expected, destroy=destroy, timeout=timeout)

    results = session.run(work)
    documents = [
        {
            "uri": result.uri,
            "outcome": "DELETED",
            "deleted_version": result.deleted_version,
            "destroyed": result.destroyed,
            "request_id": result.request_id,
        }
        for result in results
        if isinstance(result, Deletion)
    ]
    errors = [result for result in results if isinstance(result, Error)]
    if documents:
        emit(output, documents[0] if len(uris) == 1 else documents, _COLUMNS)
    for error in errors:
        report(error, as_json=output == "json")
    click.get_current_context().exit(exit_code_of_all(errors))


def expectation(expect: str | None, *, overwrite: bool) -> Expect | str:
    """Return what must be upstream for a change of what is there. Raises `UsageError` for both options at once."""
    if overwrite and expect is not None:
        raise UsageError("--overwrite and --expect exclude each other.", fix="Give one of them.")
    if expect == "absent":
        raise UsageError("--expect absent makes no sense here: something must be there.", fix="Name a version.")
    if overwrite:
        return Expect.OVERWRITE
    return Expect.ANY if expect is None else expect


def _agree(uris: tuple[str, ...], *, destroy: bool) -> None:
    if not terminal.interactive():
        raise UsageError("there is no terminal to ask on.", fix="Say --yes if you mean it.")
    how = "Erase for good" if destroy else "Delete"
    if not write.confirm(f"{how}: {', '.join(uris)}?"):
        raise UsageError("you did not agree; nothing was sent.", fix="Nothing to do.")
