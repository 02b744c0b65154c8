"""`m8 token` and `m8 role-binding`: who may do what. They work on the log itself, beside a server or without one.

So a company gives its first administrator a name, and gets back in after the last one is gone.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import click

from monoskope.api.secrets.v1 import events_pb2
from monoskope.command_line import Group
from monoskope.errors import UsageError
from monoskope.m8.cli.common import folder_option, on_log, output_option, seconds, show
from monoskope.m8.credentials.tokens import Issued
from monoskope.m8.domain import binding_changes, role_bindings
from monoskope.m8.domain.aggregates import ROLE_BINDINGS, Aggregates
from monoskope.m8.domain.principal import RIGHT_NAMES, ROLE_NAMES, Principal
from monoskope.m8.domain.role_bindings import RoleBinding, RoleBindings
from monoskope.m8.log.event_log import EventLog
from monoskope.m8.opened import open_tokens, os_actor
from monoskope.m8.settings import ServerSettings
from monoskope.protocol.login import Member
from monoskope.settings import write_private
from monoskope.times import rfc3339, wall_clock

_OF_TOKENS = (events_pb2.ROLE_ADMINISTRATOR, events_pb2.ROLE_USER, events_pb2.ROLE_METRICS)
_TOKEN_ROLES = {ROLE_NAMES[role]: role for role in _OF_TOKENS}
"""The roles that a token has by itself."""
_RIGHTS = {name: right for right, name in RIGHT_NAMES.items()}
_NOBODY_HAS_IT = "Look with m8 token list. If it shows a new one, nobody has that: revoke it, and make another."
_TOKEN_COLUMNS = ("id", "subject", "role", "prefixes", "rights", "expires", "state")

_right_option = click.option(
    "--right",
    "rights",
    multiple=True,
    type=click.Choice(list(_RIGHTS)),
    help="With user: what it allows; can be repeated.",
)


@click.group(cls=Group)
def token() -> None:
    """Create, list and revoke credentials."""


@token.command("create")
@folder_option
@click.option("--role", type=click.Choice(list(_TOKEN_ROLES)), help="The role of the credential.")
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
@_right_option
@click.option("--ttl", type=seconds, metavar="30d", default="30d", show_default=True, help="How long it is valid.")
@click.option(
    "--out", default="-", metavar="FILE", help="A new file of mode 0600; '-', the default, is standard output."
)
def create_token(
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

    async def issue(settings: ServerSettings, log: EventLog) -> Issued:
        tokens = open_tokens(settings, log, actor=os_actor())
        if isinstance(wanted, Member):
            return await tokens.issue_for_member(wanted, ttl_s=ttl)
        given = [_RIGHTS[right] for right in rights]
        return await tokens.issue(subject=subject, role=wanted, prefixes=prefixes, rights=given, ttl_s=ttl)

    issued = on_log(folder, issue, unknown=_NOBODY_HAS_IT)
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
    return _TOKEN_ROLES[role]


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
def list_tokens(folder: Path, output: str, *, only_valid: bool) -> None:
    """List every credential that was ever made, without the secret tokens. Each login of a member makes one."""

    async def collect(settings: ServerSettings, log: EventLog) -> list[tuple[events_pb2.TokenIssued, bool]]:
        return [issued async for issued in open_tokens(settings, log).list()]

    now = wall_clock()
    rows = [_token_row(issued, now, revoked=revoked) for issued, revoked in on_log(folder, collect)]
    show([row for row in rows if row["state"] == "valid" or not only_valid], _TOKEN_COLUMNS, output)


def _token_row(issued: events_pb2.TokenIssued, now: int, *, revoked: bool) -> dict[str, object]:
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


@token.command("revoke")
@folder_option
@click.argument("token_id", metavar="ID")
def revoke_token(folder: Path, token_id: str) -> None:
    """Make the credential ID invalid, at once and in every process."""
    on_log(
        folder,
        lambda settings, log: open_tokens(settings, log, actor=os_actor()).revoke(token_id),
        unknown="Revoke it again: that does no harm.",
    )
    click.echo(f"Revoked {token_id}.")


_ROLES = {name: role for role, name in ROLE_NAMES.items()}
_BINDING_COLUMNS = ("name", "version", "role", "members", "prefix", "rights")


@click.group(cls=Group)
def role_binding() -> None:
    """Create, delete and list role bindings."""


@role_binding.command("create")
@folder_option
@click.argument("name")
@click.option("--role", type=click.Choice(list(_ROLES)), required=True, help="The role that it gives.")
@click.option(
    "--member", "members", multiple=True, required=True, metavar="MEMBER", help="kind:issuer:name; can be repeated."
)
@click.option("--prefix", default="", metavar="URI", help="With user: below which URI the rights are valid.")
@_right_option
def create_role_binding(
    *, folder: Path, name: str, role: str, members: tuple[str, ...], prefix: str, rights: tuple[str, ...]
) -> None:
    """Create the role binding NAME.

    \b
    m8 role-binding create administrators --role administrator --member user:corp:anna
    """  # noqa: D301 - click wants the character itself
    binding = role_bindings.parse(
        name=name, role=_ROLES[role], members=members, prefix=prefix, rights=[_RIGHTS[right] for right in rights]
    )
    bind(folder, binding)
    click.echo(f"Role binding {name} gives the role {role} to {', '.join(map(str, binding.members))}.")


def bind(folder: Path, binding: RoleBinding) -> None:
    """Record a role binding, in the name of the account that runs this. Raises `Error`."""
    actor = os_actor()
    by = Principal("", actor, frozenset(), (), 0)
    _change(folder, lambda known: binding_changes.create(known, binding, by=by), actor)


def bindings(folder: Path) -> Mapping[str, RoleBinding]:
    """Return the role bindings by their names. Raises `Error`."""
    return on_log(folder, lambda _, log: Aggregates(log).get(ROLE_BINDINGS)).bindings


@role_binding.command("delete")
@folder_option
@click.argument("name")
def delete_role_binding(folder: Path, name: str) -> None:
    """Delete the role binding NAME: it gives nothing any more, at once and in every process."""
    _change(folder, lambda known: binding_changes.delete(known, name), os_actor())
    click.echo(f"Deleted {name}.")


@role_binding.command(name="list")
@folder_option
@output_option
def list_role_bindings(folder: Path, output: str) -> None:
    """List the role bindings."""
    known = bindings(folder)
    show([_binding_row(known[name]) for name in sorted(known)], _BINDING_COLUMNS, output)


def _binding_row(binding: RoleBinding) -> dict[str, object]:
    return {
        "name": binding.name,
        "version": binding.version,
        "role": ROLE_NAMES.get(binding.role, f"role {binding.role}"),
        "members": [str(member) for member in binding.members],
        "prefix": "" if binding.prefix is None else str(binding.prefix),
        "rights": [RIGHT_NAMES.get(right, f"right {right}") for right in binding.rights],
    }


def _change(folder: Path, decide: Callable[[RoleBindings], Sequence[binding_changes.Change]], actor: str) -> None:
    async def change(_: ServerSettings, log: EventLog) -> None:
        await Aggregates(log).change(ROLE_BINDINGS, decide, actor=actor)

    on_log(folder, change, unknown="Do it again: a second time changes nothing.")
