"""`m8 token create|list|revoke`: works on the log itself, beside a server that runs or without one."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import click

from monoskope.api.secrets.v1 import events_pb2
from monoskope.errors import OutcomeUnknownError, UsageError
from monoskope.m8.cli.common import folder_option, opened, output_option, seconds, show
from monoskope.m8.credentials import operating_system
from monoskope.m8.credentials.tokens import Issued
from monoskope.m8.domain.principal import RIGHT_NAMES, ROLE_NAMES
from monoskope.m8.log.event_log import UnknownAppendError
from monoskope.m8.opened import open_tokens, wall_clock
from monoskope.protocol.login import Member
from monoskope.settings import write_private
from monoskope.times import rfc3339

_ROLES = {ROLE_NAMES[role]: role for role in (events_pb2.ROLE_ADMINISTRATOR, events_pb2.ROLE_USER)}
"""The roles that a token has by itself."""
_RIGHTS = {name: right for right, name in RIGHT_NAMES.items()}
_NOBODY_HAS_IT = "Look with m8 token list. If it shows a new one, nobody has that: revoke it, and make another."
_COLUMNS = ("id", "subject", "role", "prefixes", "rights", "expires", "state")


@click.group()
def token() -> None:
    """Create, list and revoke credentials."""


@token.command()
@folder_option
@click.option("--role", type=click.Choice(list(_ROLES)), help="The role of the credential.")
@click.option("--subject", default="", metavar="WHO", help="The holder of the credential.")
@click.option(
    "--member",
    default="",
    metavar="MEMBER",
    help="Instead of all these: a member, whose role bindings say what it may do.",
)
@click.option(
    "--prefix", "prefixes", multiple=True, metavar="URI", help="With user: where it is valid; can be repeated."
)
@click.option(
    "--right",
    "rights",
    multiple=True,
    type=click.Choice(list(_RIGHTS)),
    help="With user: what it allows; can be repeated.",
)
@click.option("--ttl", type=seconds, metavar="30d", default="30d", show_default=True, help="How long it is valid.")
@click.option(
    "--out", default="-", metavar="FILE", help="A new file of mode 0600; '-', the default, is standard output."
)
def create(
    *,
    folder: Path,
    role: str | None,
    subject: str,
    member: str,
    prefixes: tuple[str, ...],
    rights: tuple[str, ...],
    ttl: int,
    out: str,
) -> None:
    """Create a credential, with --role and --subject or with --member. It is shown only once: m8 does not keep it.

    \b
    m8 token create --role administrator --subject root
    m8 token create --member machine:local:backup --ttl 90d
    """  # noqa: D301 - click wants the character itself
    wanted = _wanted(member, role, subject, has_more=bool(prefixes or rights))
    if out != "-":
        _check_new(Path(out))

    async def issue() -> Issued:
        async with opened(folder) as (settings, log):
            tokens = open_tokens(settings, log, actor=operating_system.actor())
            if isinstance(wanted, Member):
                return await tokens.issue_for_member(wanted, ttl_s=ttl)
            return await tokens.issue(
                subject=subject,
                role=wanted,
                prefixes=prefixes,
                rights=[_RIGHTS[right] for right in rights],
                ttl_s=ttl,
            )

    try:
        issued = asyncio.run(issue())
    except UnknownAppendError as error:
        raise OutcomeUnknownError(error.message, fix=_NOBODY_HAS_IT) from None
    if out == "-":
        click.echo(issued.jwt)
    else:
        write_private(Path(out), issued.jwt.encode() + b"\n")
    click.echo(
        f"Token {issued.id} for {member or subject}, until {rfc3339(wall_clock() + ttl * 1000)[:16]}Z.", err=True
    )


def _wanted(member: str, role: str | None, subject: str, *, has_more: bool) -> Member | events_pb2.Role:
    """Return the member, or the role of a credential with rights of its own. Raises an error for a mixture."""
    if member:
        if role or subject or has_more:
            raise UsageError(
                "--member takes no --role, --subject, --prefix and --right: role bindings say what a member may do.",
                fix="Leave them out, and create a role binding (m8 role-binding create).",
            )
        return Member.parse(member)
    if not role or not subject:
        raise click.UsageError("Missing --role and --subject, or --member.", click.get_current_context())
    return _ROLES[role]


def _check_new(file: Path) -> None:
    """Check before the token is recorded that it can be written; otherwise it would be lost."""
    if file.exists() or file.is_symlink():
        raise UsageError(f"{file} exists already; no token was made.", fix="Name another file.")
    if not os.access(file.parent, os.W_OK):
        raise UsageError(f"no file can be made in {file.parent}.", fix="Make that folder, or name another one.")


@token.command(name="list", short_help="List every credential that was ever made.")
@click.option("--valid", "only_valid", is_flag=True, help="Only those that neither expired nor were revoked.")
@folder_option
@output_option
def list_(folder: Path, output: str, *, only_valid: bool) -> None:
    """List every credential that was ever made, without the secret tokens. Each login of a member makes one."""

    async def collect() -> list[tuple[events_pb2.TokenIssued, bool]]:
        async with opened(folder) as (settings, log):
            return [issued async for issued in open_tokens(settings, log).list()]

    now = wall_clock()
    rows = [_row(issued, now, revoked=revoked) for issued, revoked in asyncio.run(collect())]
    show([row for row in rows if row["state"] == "valid" or not only_valid], _COLUMNS, output)


def _row(issued: events_pb2.TokenIssued, now: int, *, revoked: bool) -> dict[str, object]:
    expired = "expired" if issued.expires_at_ms <= now else "valid"
    return {
        "id": issued.id,
        "subject": issued.subject,
        # Of a member role bindings say it.
        "role": "" if issued.member else ROLE_NAMES.get(issued.role, f"role {issued.role}"),
        "prefixes": list(issued.prefixes),
        "rights": [RIGHT_NAMES.get(right, f"right {right}") for right in issued.rights],
        "expires": rfc3339(issued.expires_at_ms),
        "state": "revoked" if revoked else expired,
    }


@token.command()
@folder_option
@click.argument("token_id", metavar="ID")
def revoke(folder: Path, token_id: str) -> None:
    """Make the credential ID invalid, at once and in every process."""

    async def work() -> None:
        async with opened(folder) as (settings, log):
            await open_tokens(settings, log, actor=operating_system.actor()).revoke(token_id)

    try:
        asyncio.run(work())
    except UnknownAppendError as error:
        raise OutcomeUnknownError(error.message, fix="Revoke it again: that does no harm.") from None
    click.echo(f"Revoked {token_id}.")
