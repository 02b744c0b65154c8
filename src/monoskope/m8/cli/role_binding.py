"""`m8 role-binding create|delete|list`: works on the log itself, beside a server that runs or without one.

So a company gives its first administrator a name, and gets back in after the last one is gone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path

import click

from monoskope.errors import OutcomeUnknownError
from monoskope.m8.cli.common import folder_option, opened, output_option, show
from monoskope.m8.credentials import operating_system
from monoskope.m8.domain import role_bindings as rules
from monoskope.m8.domain.principal import RIGHT_NAMES, ROLE_NAMES, Principal
from monoskope.m8.domain.role_bindings import ROLE_BINDINGS_STREAM, RoleBinding, RoleBindings
from monoskope.m8.log.event_log import UnknownAppendError
from monoskope.m8.service.aggregates import Aggregates

_ROLES = {name: role for role, name in ROLE_NAMES.items()}
_RIGHTS = {name: right for right, name in RIGHT_NAMES.items()}
_COLUMNS = ("name", "role", "members", "prefix", "rights")


@click.group()
def role_binding() -> None:
    """Create, delete and list role bindings."""


@role_binding.command()
@folder_option
@click.argument("name")
@click.option("--role", type=click.Choice(list(_ROLES)), required=True, help="The role that it gives.")
@click.option(
    "--member", "members", multiple=True, required=True, metavar="MEMBER", help="kind:issuer:name; can be repeated."
)
@click.option("--prefix", default="", metavar="URI", help="With user: below which URI the rights are valid.")
@click.option(
    "--right",
    "rights",
    multiple=True,
    type=click.Choice(list(_RIGHTS)),
    help="With user: what it allows; can be repeated.",
)
def create(
    *, folder: Path, name: str, role: str, members: tuple[str, ...], prefix: str, rights: tuple[str, ...]
) -> None:
    """Create the role binding NAME.

    \b
    m8 role-binding create administrators --role administrator --member user:corp:anna
    """  # noqa: D301 - click wants the character itself
    binding = rules.parse(
        name=name, role=_ROLES[role], members=members, prefix=prefix, rights=[_RIGHTS[right] for right in rights]
    )
    actor = operating_system.actor()
    by = Principal("", actor, frozenset(), (), 0)
    asyncio.run(_change(folder, lambda known: rules.apply(known, [binding], by=by, prune=False), actor))
    click.echo(f"Role binding {name} gives the role {role} to {', '.join(map(str, binding.members))}.")


@role_binding.command()
@folder_option
@click.argument("name")
def delete(folder: Path, name: str) -> None:
    """Delete the role binding NAME: it gives nothing any more, at once and in every process."""
    asyncio.run(_change(folder, lambda known: rules.delete(known, name), operating_system.actor()))
    click.echo(f"Deleted {name}.")


@role_binding.command(name="list")
@folder_option
@output_option
def list_(folder: Path, output: str) -> None:
    """List the role bindings."""

    async def collect() -> RoleBindings:
        async with opened(folder) as (_, log):
            return await Aggregates(log).role_bindings()

    known = asyncio.run(collect()).bindings
    show([_row(known[name]) for name in sorted(known)], _COLUMNS, output)


def _row(binding: RoleBinding) -> dict[str, object]:
    return {
        "name": binding.name,
        "role": ROLE_NAMES.get(binding.role, f"role {binding.role}"),
        "members": [str(member) for member in binding.members],
        "prefix": "" if binding.prefix is None else str(binding.prefix),
        "rights": [RIGHT_NAMES.get(right, f"right {right}") for right in binding.rights],
    }


async def _change(folder: Path, decide: Callable[[RoleBindings], Sequence[rules.Change]], actor: str) -> None:
    async with opened(folder) as (_, log):
        aggregates = Aggregates(log)
        try:
            await aggregates.change(ROLE_BINDINGS_STREAM, aggregates.role_bindings, decide, actor=actor)
        except UnknownAppendError as error:
            raise OutcomeUnknownError(error.message, fix="Do it again: a second time changes nothing.") from None
