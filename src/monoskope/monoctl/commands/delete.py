"""`monoctl delete secret`."""

from __future__ import annotations

import click

from monoskope.client import Client, Deletion
from monoskope.errors import Error, UsageError
from monoskope.monoctl.input.expectation import expectation
from monoskope.monoctl.options import CommandSession, connection_options, output_option, timeout_option
from monoskope.monoctl.output import done, terminal
from monoskope.monoctl.output.report import end

_COLUMNS = {"URI": "uri", "OUTCOME": "outcome", "DELETED": "deleted_version", "DESTROYED": "destroyed"}


@click.command(short_help="Delete secrets from stores.")
@click.argument("uris", nargs=-1, required=True, metavar="URI [URI...]")
@click.option(
    "--destroy",
    is_flag=True,
    help="Erase for good. Without this option the secret can be restored: by `monoctl undelete secret` if the store"
    " can, else by the engine's owner.",
)
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

    The command asks for confirmation on a terminal; without a terminal it needs --yes. It succeeds only with a receipt
    signed by the store's pinned identity. By default it deletes only what was put through m8.
    """
    expected = expectation(expect, overwrite=overwrite, must_exist=True)
    if not yes:
        _agree(uris, destroy=destroy)

    async def work(client: Client) -> list[Deletion | Error]:
        return await client.delete_secrets(uris, expect=expected, destroy=destroy, timeout=timeout)

    end(session.run(work, several=len(uris) > 1), output, _COLUMNS, done.deleted, changes=True)


def _agree(uris: tuple[str, ...], *, destroy: bool) -> None:
    if not terminal.interactive():
        raise UsageError("there is no terminal to ask on.", fix="Say --yes if you mean it.")
    how = "Erase for good" if destroy else "Delete"
    if not terminal.confirm(f"{how}: {', '.join(uris)}?"):
        raise UsageError("you did not agree; nothing was sent.", fix="Nothing to do.")
