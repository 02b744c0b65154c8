"""`monoctl auth`: what you, or others, may do."""

from __future__ import annotations

import click

from monoskope.client import Client
from monoskope.client.results.access import AllowedMember, Permission
from monoskope.exit_codes import ExitCode
from monoskope.monoctl.input.forms import form_option, full_prefix
from monoskope.monoctl.options import CommandSession, connection_options, output_option
from monoskope.monoctl.output import terminal
from monoskope.monoctl.output.formats import Document, emit, show

RIGHTS = ("put", "compare", "see-hash", "delete", "copy", "undelete", "rollback", "list")
_COLUMNS = {"MEMBER": "member", "ROLE BINDING": "role_binding", "TOKEN": "token_id"}


@click.command(short_help="Say whether you may do something.")
@click.argument("right", type=click.Choice(RIGHTS), metavar="RIGHT")
@click.argument("uri")
@click.option(
    "--as",
    "member",
    default="",
    metavar="MEMBER",
    help="Ask about this member, without its groups (administrators, auditors).",
)
@output_option
@connection_options
@click.pass_context
def can_i(  # noqa: PLR0917 - click passes them by name
    context: click.Context, right: str, uri: str, member: str, output: str, session: CommandSession
) -> None:
    """Say whether you have RIGHT on URI: a secret, or a prefix for everything below it.

    The rights are put, compare, see-hash, delete, copy, undelete, rollback and list.

    Prints yes and ends with 0, or prints no and ends with 12. It is m8's word.

    \b
    monoctl auth can-i put vault://team-a/db
    monoctl auth can-i see-hash vault://team-a --as user:corp:anna
    """  # noqa: D301 - click wants the character itself

    async def work(client: Client) -> Permission:
        return await client.access.can_i(right, await full_prefix(client, uri), member=member)

    found = session.run(work)
    if output == "table":
        terminal.out("yes" if found.allowed else "no")
        if found.role_bindings:
            terminal.err(f"By the role binding {', '.join(found.role_bindings)}.")
    else:
        emit(output, {"allowed": found.allowed, "role_bindings": list(found.role_bindings)}, {})
    context.exit(ExitCode.OK if found.allowed else ExitCode.DIFFERENT)


@click.command(short_help="Say who may do something (administrators, auditors).")
@click.argument("right", type=click.Choice(RIGHTS), metavar="RIGHT")
@click.argument("uri")
@form_option
@connection_options
def who_can(right: str, uri: str, form: str, session: CommandSession) -> None:
    """Say who has RIGHT on URI: members by role bindings, and tokens that have it by themselves.

    The rights are put, compare, see-hash, delete, copy, undelete, rollback and list.

    Of a group the group is named, not those who are in it: m8 does not know them.
    """

    async def work(client: Client) -> list[AllowedMember]:
        return await client.access.who_can(right, await full_prefix(client, uri))

    documents: list[Document] = [
        {"member": one.member, "role_binding": one.role_binding, "token_id": one.token_id} for one in session.run(work)
    ]
    show(form, documents, _COLUMNS, name="member", nothing="Nobody.")
