"""What changes secrets without a value: `monoctl delete|undelete|rollback|label|expire secret`."""

from __future__ import annotations

import click

from monoskope.api.gateway.v1 import views_pb2
from monoskope.client.purposes import Expect
from monoskope.client.walk.results import Proven
from monoskope.errors import UsageError
from monoskope.monoctl.groups import command
from monoskope.monoctl.input.approval_options import How, approval_options, never_approved, one_uri
from monoskope.monoctl.input.request_options import expect_options, parse_day, parse_edits
from monoskope.monoctl.options import CommandSession, output_options, request_options
from monoskope.monoctl.output import terminal, views
from monoskope.monoctl.output.ending import DELETED, RESTORED, end
from monoskope.monoctl.output.formats import done, emit

_NOTES = {"URI": "uri", "LABELS": "labels", "EXPIRES": "expires_on", "EDITED BY": "notes_edited_by"}
M8S_WORD = "labels and day of expiry that were edited are m8's word: no store signed them."
"""Beside every edit: the notes of a put stand in its signed grant, these do not."""


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
@approval_options
@request_options
def delete_secret(
    uris: tuple[str, ...], expect: Expect | str, how: How, session: CommandSession, *, destroy: bool, yes: bool
) -> None:
    """Delete secrets from stores.

    The command asks for confirmation on a terminal; without a terminal it needs --yes. It succeeds only with a receipt
    signed by the store's pinned identity. By default it deletes only what was put through m8.
    """
    if not how.propose:
        does = "Erase for good" if destroy else "Delete"
        terminal.agree(f"{does}: {', '.join(uris)}?", yes=yes, otherwise="nothing was sent")
    if how.at_once:
        results = session.run(
            lambda client: client.delete_secrets(uris, expect=expect, destroy=destroy, timeout=session.timeout),
            several=len(uris) > 1,
        )
        end(results, session.output, DELETED, changes=True)
    from monoskope.monoctl.commands.approvals import Proposal, carried_out  # noqa: PLC0415 - few changes take approvals

    proposal = Proposal.delete(one_uri(uris), expect=expect, destroy=destroy)
    end([carried_out(session, how, proposal)], session.output, DELETED)


@command(short_help="Bring back deleted secrets.")
@click.argument("uris", nargs=-1, required=True, metavar="URI [URI...]")
@expect_options(
    "VERSION",
    "Bring it back only if this version was deleted last.",
    "Bring back whatever was deleted, even what was not put through m8.",
)
@approval_options
@request_options
def undelete_secret(uris: tuple[str, ...], expect: Expect | str, how: How, session: CommandSession) -> None:
    """Bring back deleted secrets.

    The engine makes the version that was deleted last the current one again. Nothing may be upstream, and what was
    erased with `delete --destroy` does not come back. The command succeeds only with a receipt signed by the store's
    pinned identity. By default it brings back only what was put through m8. Not every store can undelete: see
    `monoctl describe secret-store`.
    """
    if how.at_once:
        results = session.run(
            lambda client: client.undelete_secrets(uris, expect=expect, timeout=session.timeout), several=len(uris) > 1
        )
        end(results, session.output, RESTORED, changes=True)
    from monoskope.monoctl.commands.approvals import Proposal, carried_out  # noqa: PLC0415 - few changes take approvals

    end([carried_out(session, how, Proposal.undelete(one_uri(uris), expect=expect))], session.output, RESTORED)


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
@approval_options
@request_options
def rollback_secret(uri: str, to: str, expect: Expect | str, how: How, session: CommandSession) -> None:
    """Bring back an earlier version of a secret.

    The store's reactor reads that version in the engine and writes its content as a new version. Nobody else sees a
    value. Engines keep only some versions, and what was deleted or erased is not among them. Labels and the day of
    expiry stay as they are. The command succeeds only with a receipt signed by the store's pinned identity. Not every
    store can roll back: see `monoctl describe secret-store`.
    """
    if how.at_once:
        restored: Proven = session.run(
            lambda client: client.rollback_secret(uri, to, expect=expect, timeout=session.timeout)
        )
    else:
        from monoskope.monoctl.commands.approvals import Proposal, carried_out  # noqa: PLC0415 - few changes take approvals

        restored = carried_out(session, how, Proposal.rollback(uri, to, expect=expect))
    emit(session.output, done(restored), RESTORED)


@command(short_help="Set and remove labels of a secret.")
@click.argument("uri")
@click.argument("edits", nargs=-1, required=True, metavar="NAME=VALUE|NAME-...")
@never_approved
@output_options
def label_secret(uri: str, edits: tuple[str, ...], session: CommandSession) -> None:
    """Set labels of a secret, and remove those named with a "-" behind. The others stay. It needs no value.

    No store is asked: m8 records who edited what, and shows it as its own word. It takes the right to put the secret.

    \b
    monoctl label secret app/db owner=team-a
    monoctl label secret vault://app/db owner=team-b project-
    """  # noqa: D301 - click wants the character itself
    labels = parse_edits(edits)
    _show_notes(session.run(lambda client: client.edit_notes(uri, labels)), session.output)


def _show_notes(view: views_pb2.Secret, output: str) -> None:
    """Print the notes of a secret as they are now."""
    emit(output, views.notes(view), _NOTES)
    if output == "table":
        terminal.note(M8S_WORD)


@command(short_help="Note when a secret expires.")
@click.argument("uri")
@click.argument("day", default="")
@click.option("--never", is_flag=True, help="Remove the day of expiry.")
@never_approved
@output_options
def expire_secret(uri: str, day: str, session: CommandSession, *, never: bool) -> None:
    """Note the DAY on which a secret expires: YYYY-MM-DD, or 90d from today. It needs no value.

    It is a note: m8 does nothing on that day, and `get secrets --expiring` lists it. No store is asked: m8 records who
    edited it, and shows it as its own word. It takes the right to put the secret.

    \b
    monoctl expire secret app/db 90d
    monoctl expire secret app/db --never
    """  # noqa: D301 - click wants the character itself
    if bool(day) == never:
        raise UsageError("give a DAY, or --never.", fix="Write for example 90d, or 2027-01-31.")
    expires_on = "" if never else parse_day(day)
    _show_notes(session.run(lambda client: client.edit_notes(uri, expires_on=expires_on)), session.output)
