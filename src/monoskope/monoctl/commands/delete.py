"""`monoctl delete secret`, and what brings secrets back: `undelete secret` and `rollback secret`."""

from __future__ import annotations

import click

from monoskope.client import Client, Deletion, Rollback, Undeletion
from monoskope.errors import Error
from monoskope.monoctl.input.request_options import expect_options
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


@command(short_help="Delete secrets from stores.")
@click.argument("uris", nargs=-1, required=True, metavar="URI [URI...]")
@click.option(
    "--destroy",
    is_flag=True,
    help="Erase for good. Without this option the secret can be restored: by `monoctl undelete secret` if the store"
    " can, else by the engine's owner.",
)
@expect_options(
    "VERSION",
    "Delete only if this version is upstream.",
    "Delete whatever is upstream, even what was not put through m8.",
)
@click.option("--yes", is_flag=True, help="Do not ask.")
@request_options
def delete_secret(
    uris: tuple[str, ...], expect: Expect | str, session: CommandSession, *, destroy: bool, yes: bool
) -> None:
    """Delete secrets from stores.

    The command asks for confirmation on a terminal; without a terminal it needs --yes. It succeeds only with a receipt
    signed by the store's pinned identity. By default it deletes only what was put through m8.
    """
    how = "Erase for good" if destroy else "Delete"
    terminal.agree(f"{how}: {', '.join(uris)}?", yes=yes, otherwise="nothing was sent")

    end(
        session.run(
            lambda client: client.delete_secrets(uris, expect=expect, destroy=destroy, timeout=session.timeout),
            several=len(uris) > 1,
        ),
        session.output,
        _DELETED,
        changes=True,
    )


@command(short_help="Bring back deleted secrets.")
@click.argument("uris", nargs=-1, required=True, metavar="URI [URI...]")
@expect_options(
    "VERSION",
    "Bring it back only if this version was deleted last.",
    "Bring back whatever was deleted, even what was not put through m8.",
)
@request_options
def undelete_secret(uris: tuple[str, ...], expect: Expect | str, session: CommandSession) -> None:
    """Bring back deleted secrets.

    The engine makes the version that was deleted last the current one again. Nothing may be upstream, and what was
    erased with `delete --destroy` does not come back. The command succeeds only with a receipt signed by the store's
    pinned identity. By default it brings back only what was put through m8. Not every store can undelete: see
    `monoctl describe secret-store`.
    """

    end(
        session.run(
            lambda client: client.undelete_secrets(uris, expect=expect, timeout=session.timeout), several=len(uris) > 1
        ),
        session.output,
        _RESTORED,
        changes=True,
    )


@command(short_help="Bring back an earlier version of a secret.")
@click.argument("uri")
@click.option(
    "--to",
    required=True,
    metavar="VERSION",
    help="The version whose content is to be there again, as `monoctl get secret --versions` shows it. The part before"
    " its @ is enough, for example --to 3.",
)
@expect_options(
    "VERSION|absent",
    "Roll back only if this is upstream now.",
    "Replace whatever is upstream, even what was not put through m8.",
)
@request_options
def rollback_secret(uri: str, to: str, expect: Expect | str, session: CommandSession) -> None:
    """Bring back an earlier version of a secret.

    The store's reactor reads that version in the engine and writes its content as a new version. Nobody else sees a
    value. Engines keep only some versions, and what was deleted or erased is not among them. Labels and the day of
    expiry stay as they are. The command succeeds only with a receipt signed by the store's pinned identity. Not every
    store can roll back: see `monoctl describe secret-store`.
    """

    emit(
        session.output,
        done(session.run(lambda client: client.rollback_secret(uri, to, expect=expect, timeout=session.timeout))),
        _RESTORED,
    )
