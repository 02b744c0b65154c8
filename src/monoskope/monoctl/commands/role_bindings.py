"""`monoctl create|delete|get role-binding` and `monoctl apply`."""

from __future__ import annotations

import click

from monoskope.client import Client
from monoskope.client.people import People
from monoskope.client.results.access import Applied, RoleBinding
from monoskope.monoctl.commands.access import RIGHTS
from monoskope.monoctl.groups import command
from monoskope.monoctl.input.values import read_file
from monoskope.monoctl.options import CommandSession, connection_options, list_options, output_options
from monoskope.monoctl.output import terminal, views
from monoskope.monoctl.output.formats import TABLES, Document, emit, show

_ROLES = ("administrator", "auditor", "user", "metrics")
_BINDINGS = {
    "NAME": "name",
    "VERSION": "version",
    "ROLE": "role",
    "PREFIX": "prefix",
    "RIGHTS": "rights",
    "MEMBERS": "members",
}
_FIELDS = ("role", "prefix", "rights", "members")
_CHANGES = {"CHANGE": "change", "NAME": "name", "FIELD": "field", "REMOVED": "removed", "ADDED": "added"}


@command(short_help="Create a role binding.")
@click.argument("binding", metavar="NAME")
@click.option("--role", type=click.Choice(_ROLES), required=True, help="The role that it gives.")
@click.option(
    "--member", "members", multiple=True, required=True, metavar="MEMBER", help="kind:issuer:name; can be repeated."
)
@click.option("--prefix", default="", metavar="URI", help="With user: below which URI the rights are valid.")
@click.option(
    "--right", "rights", multiple=True, type=click.Choice(RIGHTS), help="With user: what it allows; can be repeated."
)
@output_options
def create(  # noqa: PLR0917 - click passes them by name
    binding: str, role: str, members: tuple[str, ...], prefix: str, rights: tuple[str, ...], session: CommandSession
) -> None:
    """Create the role binding NAME, which gives its role to its members.

    To change one that is there, apply a file: monoctl apply.

    \b
    monoctl create role-binding team-a --role user --member group:corp:team-a \\
      --prefix vault://team-a --right put --right see-hash
    """  # noqa: D301 - click wants the character itself
    wanted = RoleBinding(name=binding, role=role, members=members, prefix=prefix, rights=rights)
    made = session.run(lambda client: client.access.create_role_binding(wanted))
    emit(session.output, views.role_binding(made), _BINDINGS)


@command(short_help="Delete a role binding.")
@click.argument("binding", metavar="NAME")
@connection_options
def delete(binding: str, session: CommandSession) -> None:
    """Delete the role binding NAME: from the next call on it gives nothing."""
    session.run(lambda client: client.access.delete_role_binding(binding))
    terminal.out(f"m8 says: {binding} is deleted.")


@command("role-bindings", short_help="List the role bindings (administrators, auditors).")
@list_options
def list_(session: CommandSession) -> None:
    """List the role bindings, and who created or changed each last. `-o yaml` prints what `monoctl apply` takes.

    The version is the position in the log of the event that made it what it is: name and version together are never
    those of another one.
    """
    found = session.run(lambda client: client.access.role_bindings())
    documents = [views.role_binding(one) for one in found]
    columns = _BINDINGS | {"MADE BY": "made_by"}
    # JSON and YAML are what `monoctl apply` takes, and names are none of it.
    shown = session.named(documents, whole=True) if session.output in TABLES else documents
    show(session.output, shown, columns, name="name", nothing="No role bindings.")


@command(short_help="Make the role bindings those of a file (administrators).")
@click.option("-f", "--file", "file", required=True, metavar="FILE", help="YAML or JSON; '-' is stdin.")
@click.option("--prune", is_flag=True, help="Delete the role bindings that the file does not name.")
@click.option("--dry-run", is_flag=True, help="Only show what would change.")
@output_options
def apply(*, file: str, prune: bool, dry_run: bool, session: CommandSession) -> None:
    """Make the role bindings those of a file, all or nothing, and show what changed. A second time changes nothing.

    A role binding that has a `version` in the file, as in the list, is changed only if it is still of that version.
    You cannot change one that names you or a group of yours, before or after; and what you wrote last gives you
    nothing. Ask another administrator.

    \b
    monoctl get role-bindings -o yaml > bindings.yaml
    monoctl apply -f bindings.yaml --prune --dry-run
    """  # noqa: D301 - click wants the character itself
    from monoskope.monoctl.input.role_binding_file import parse  # noqa: PLC0415 - it loads YAML

    wanted = parse(read_file(file), "stdin" if file == "-" else file)

    async def work(client: Client) -> tuple[Applied, bool]:
        found = await client.access.apply_role_bindings(wanted, prune=prune, dry_run=dry_run)
        return found, await _lost(client, found, dry_run=dry_run)

    found, lost = session.run(work)
    if lost:
        terminal.err(
            f"this {'would take' if dry_run else 'took'} the role administrator from you. Another administrator can"
            " give it back by a new role binding, and so can `m8 role-binding create` on the server.",
            mark="warning: ",
            fg="red",
        )
    if session.output != "table":
        emit(session.output, _applied(found, dry_run=dry_run), {})
        return
    emit(session.output, _changes(found, session.people), _CHANGES, nothing="Nothing to change.")
    if dry_run:
        terminal.err("Nothing was changed: --dry-run.")


async def _lost(client: Client, found: Applied, *, dry_run: bool) -> bool:
    """Whether the deleted role bindings were the ones by which the caller is an administrator."""
    deleted = {one.name for one in found.deleted if one.role == "administrator"}
    if not deleted:
        return False
    caller = await client.access.who_am_i()
    if not dry_run or not caller.member:
        return "administrator" not in caller.roles
    mine = {caller.member, *caller.groups}
    there = [one for one in await client.access.role_bindings() if one.role == "administrator"]
    return not any(one.name not in deleted and mine & set(one.members) for one in there)


def _applied(result: Applied, *, dry_run: bool) -> Document:
    """What changed, or would change."""
    return {
        "created": [views.role_binding(one) for one in result.created],
        "changed": [
            {"before": views.role_binding(one.before), "after": views.role_binding(one.after)} for one in result.changed
        ],
        "deleted": [views.role_binding(one) for one in result.deleted],
        "unchanged": result.unchanged,
        "dry_run": dry_run,
    }


def _changes(found: Applied, people: People) -> list[Document]:
    """What is different, one field a row, with the names of people behind their whole ids."""
    rows = [
        *(row for one in found.deleted for row in _different("delete", one.name, one, None)),
        *(row for one in found.changed for row in _different("change", one.before.name, one.before, one.after)),
        *(row for one in found.created for row in _different("create", one.name, None, one)),
    ]
    for row in (one for one in rows if one["field"] == "members"):
        row |= {side: [people.with_id(member) for member in row[side]] for side in ("removed", "added")}
    return rows


def _different(change: str, name: str, before: RoleBinding | None, after: RoleBinding | None) -> list[Document]:
    rows = []
    for field in _FIELDS:
        was, is_ = _values(before, field), _values(after, field)
        removed, added = [one for one in was if one not in is_], [one for one in is_ if one not in was]
        if removed or added:
            rows.append({"change": change, "name": name, "field": field, "removed": removed, "added": added})
    return rows


def _values(binding: RoleBinding | None, field: str) -> tuple[str, ...]:
    value = () if binding is None else getattr(binding, field)
    return (value,) * bool(value) if isinstance(value, str) else value
