"""`monoctl undelete secret`."""

from __future__ import annotations

import click

from monoskope.client import Client, Undeletion
from monoskope.errors import Error
from monoskope.monoctl.input.expectation import expectation
from monoskope.monoctl.options import CommandSession, connection_options, output_option, timeout_option
from monoskope.monoctl.output import done
from monoskope.monoctl.output.report import end

_COLUMNS = {
    "URI": "uri",
    "OUTCOME": "outcome",
    "VERSION": "upstream_version",
    "RESTORED": "restored_version",
    "HASH": "hash",
}


@click.command(short_help="Bring back deleted secrets.")
@click.argument("uris", nargs=-1, required=True, metavar="URI [URI...]")
@click.option("--expect", metavar="VERSION", help="Bring it back only if this version was deleted last.")
@click.option("--overwrite", is_flag=True, help="Bring back whatever was deleted, even what was not put through m8.")
@timeout_option
@output_option
@connection_options
def secret(
    uris: tuple[str, ...], expect: str | None, timeout: float, output: str, session: CommandSession, *, overwrite: bool
) -> None:
    """Bring back deleted secrets.

    The engine makes the version that was deleted last the current one again. Nothing may be upstream, and what was
    erased with `delete --destroy` does not come back. The command succeeds only with a receipt signed by the store's
    pinned identity. By default it brings back only what was put through m8. Not every store can undelete: see
    `monoctl describe secret-store`.
    """
    expected = expectation(expect, overwrite=overwrite, must_exist=True)

    async def work(client: Client) -> list[Undeletion | Error]:
        return await client.undelete_secrets(uris, expect=expected, timeout=timeout)

    end(session.run(work, several=len(uris) > 1), output, _COLUMNS, done.undeleted, changes=True)
