"""`monoctl offboard`."""

from __future__ import annotations

import click

from monoskope.client import Client
from monoskope.client.results.access import Offboarding
from monoskope.counted import counted
from monoskope.errors import UsageError
from monoskope.monoctl.options import CommandSession, connection_options, output_option
from monoskope.monoctl.output import access_views, terminal
from monoskope.monoctl.output.formats import emit


@click.command(short_help="List what came from a member who leaves, and end it (administrators).")
@click.argument("member")
@click.option("--keep", multiple=True, metavar="NAME", help="A role binding, or the id of a token, that stays.")
@click.option("--end", "wanted", is_flag=True, help="End it, after a question on the terminal.")
@click.option("--yes", is_flag=True, help="With --end: do not ask.")
@output_option
@connection_options
def offboard(
    member: str, keep: tuple[str, ...], output: str, session: CommandSession, *, wanted: bool, yes: bool
) -> None:
    """List the tokens and role bindings that MEMBER made, and those that name MEMBER: they outlive the account.

    With --end, after a question, the tokens are revoked and the role bindings deleted. A role binding that MEMBER made
    for others gives them nothing any more then: keep it, or create another one before. One that names MEMBER beside
    others stays; create it anew without MEMBER. Groups, and what MEMBER knows, are not m8's: see docs/access.md.

    \b
    monoctl offboard user:corp:anna
    monoctl offboard user:corp:anna --keep team-a --end
    """  # noqa: D301 - click wants the character itself
    if yes and not wanted:
        raise UsageError("--yes goes with --end.", fix="Say both, or neither.")

    async def work(client: Client) -> Offboarding:
        return await client.access.came_from(member)

    found = session.run(work)
    known = {one.token_id for one in found.tokens} | {one.name for one in found.role_bindings}
    if unknown := [name for name in keep if name not in known]:
        raise UsageError(f"--keep {unknown[0]}: nothing of that name is to end.", fix="Copy it from the list.")
    rows = access_views.offboarding(found, keep)
    emit(output, rows, access_views.ENDING_COLUMNS, nothing=f"Nothing came from {member} that counts now.")
    count = counted(len(known - set(keep)), "thing")
    if not wanted or known <= set(keep):
        if output == "table" and not wanted and known:
            terminal.note(f"Nothing was ended. To end {count} of these, say --end.")
        return
    if not yes:
        _agree(member, count)
    session.run(lambda client: client.access.offboard(found, keep=keep))
    terminal.err(f"m8 says: {count} of {member} ended.")


def _agree(member: str, count: str) -> None:
    if not terminal.interactive():
        raise UsageError("there is no terminal to ask on.", fix="Say --yes if you mean it.")
    if not terminal.confirm(f"End {count} of {member}?"):
        raise UsageError("you did not agree; nothing was ended.", fix="Nothing to do.")
