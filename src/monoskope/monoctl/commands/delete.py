"""`monoctl delete secret`, and what brings secrets back: `undelete secret` and `rollback secret`."""

from __future__ import annotations

import click

from monoskope.client import Client, Deletion, Rollback, Undeletion
from monoskope.errors import Error
from monoskope.monoctl.input.request_options import expectation
from monoskope.monoctl.options import CommandSession, connection_options, output_option, timeout_option
from monoskope.monoctl.output import terminal
from monoskope.monoctl.output.formats import done, emit
from monoskope.monoctl.output.report import end

_DELETED = {"URI": "uri", "OUTCOME": "outcome", "DELETED": "deleted_version", "DESTROYED": "destroyed"}

_RESTORED = {
    "URI": "uri",
    "OUTCOME": "outcome",
    "VERSION": "upstream_version",
    "RESTORED": "restored_version",
    "HASH": "hash",
}


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
def delete_secret(
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
    how = "Erase for good" if destroy else "Delete"
    terminal.agree(f"{how}: {', '.join(uris)}?", yes=yes, otherwise="nothing was sent")

    async def work(client: Client) -> list[Deletion | Error]:
        return await client.delete_secrets(uris, expect=expected, destroy=destroy, timeout=timeout)

    end(session.run(work, several=len(uris) > 1), output, _DELETED, changes=True)


@click.command(short_help="Bring back deleted secrets.")
@click.argument("uris", nargs=-1, required=True, metavar="URI [URI...]")
@click.option("--expect", metavar="VERSION", help="Bring it back only if this version was deleted last.")
@click.option("--overwrite", is_flag=True, help="Bring back whatever was deleted, even what was not put through m8.")
@timeout_option
@output_option
@connection_options
def undelete_secret(
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

    end(session.run(work, several=len(uris) > 1), output, _RESTORED, changes=True)


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
def rollback_secret(  # noqa: PLR0917 - click passes them by name
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

    emit(output, done(session.run(work)), _RESTORED)
