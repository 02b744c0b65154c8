"""`monoctl rollback secret`."""

from __future__ import annotations

import click

from monoskope.client import Client, Rollback
from monoskope.monoctl.input.request_options import expectation
from monoskope.monoctl.options import CommandSession, connection_options, output_option, timeout_option
from monoskope.monoctl.output import done
from monoskope.monoctl.output.formats import emit

_COLUMNS = {
    "URI": "uri",
    "OUTCOME": "outcome",
    "VERSION": "upstream_version",
    "RESTORED": "restored_version",
    "HASH": "hash",
}


@click.command(short_help="Bring back an earlier version of a secret.")
@click.argument("uri")
@click.option(
    "--to",
    required=True,
    metavar="VERSION",
    help="The version whose content is to be there again, as `monoctl get secret --versions` shows it. The part before"
    " its @ is enough, for example --to 3.",
)
@click.option("--expect", metavar="VERSION|absent", help="Roll back only if this is upstream now.")
@click.option("--overwrite", is_flag=True, help="Replace whatever is upstream, even what was not put through m8.")
@timeout_option
@output_option
@connection_options
def secret(  # noqa: PLR0917 - click passes them by name
    uri: str, to: str, expect: str | None, timeout: float, output: str, session: CommandSession, *, overwrite: bool
) -> None:
    """Bring back an earlier version of a secret.

    The store's reactor reads that version in the engine and writes its content as a new version. Nobody else sees a
    value. Engines keep only some versions, and what was deleted or erased is not among them. Labels and the day of
    expiry stay as they are. The command succeeds only with a receipt signed by the store's pinned identity. Not every
    store can roll back: see `monoctl describe secret-store`.
    """
    expected = expectation(expect, overwrite=overwrite)

    async def work(client: Client) -> Rollback:
        return await client.rollback_secret(uri, to, expect=expected, timeout=timeout)

    emit(output, done.rolled_back(session.run(work)), _COLUMNS)
