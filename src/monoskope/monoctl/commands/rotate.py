"""`monoctl rotate secret`: new passwords that nobody sees, one rotation or all of a file that are due."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from monoskope.errors import UsageError
from monoskope.monoctl.commands.rotate_due import all_due
from monoskope.monoctl.groups import command
from monoskope.monoctl.input.values import read_file
from monoskope.monoctl.options import CommandSession, request_options
from monoskope.monoctl.output.formats import emit, fields_of

if TYPE_CHECKING:
    from monoskope.client import Client, Planned, Rotated, Rotation

_ROTATED = {"URI": "uri", "OUTCOME": "outcome", "ACCOUNT": "account", "VERSION": "upstream_version", "HASH": "hash"}
_PLANNED = {"URI": "uri", "STEP": "step", "ACCOUNT": "account", "BEGAN": "began_at", "WHY": "why"}


@command(short_help="Rotate the password of an account; nobody sees it.")
@click.argument("uri", required=False)
@click.option("-f", "--file", "file", metavar="FILE", help="Rotations, YAML or JSON; '-' is stdin.")
@click.option("--account", "accounts", multiple=True, metavar="URI", help="An account; two of them take turns.")
@click.option("--make", "made", multiple=True, metavar="KEY=KIND[:SIZE]", help="Another key, as `generate` makes it.")
@click.option("--grace", default="", metavar="TIME", help="How long what was read before is used, e.g. 12h.  [1d]")
@click.option("--plan", is_flag=True, help="Show what would be done first; change nothing.")
@click.option("--adopt", is_flag=True, help="Begin anew from the account that is live, or for the first time.")
@click.option("--force", is_flag=True, help="Begin before the grace of the last round is over.")
@click.option("--due", is_flag=True, help="All rotations of the file that are due.")
@click.option("--check", is_flag=True, help="With --due: change nothing; exit code 12 if one is overdue.")
@request_options
def rotate_secret(  # noqa: PLR0917 - click passes them by name
    uri: str | None,
    file: str | None,
    accounts: tuple[str, ...],
    made: tuple[str, ...],
    grace: str,
    session: CommandSession,
    *,
    plan: bool,
    adopt: bool,
    force: bool,
    due: bool,
    check: bool,
) -> None:
    """Rotate the password of an account that programs find at URI.

    A store makes new values at URI.next; the password is copied to the account; then all is copied to URI. Nobody sees
    it. Of two accounts the one that is not in use gets the new password, so what stands at URI always logs in.

    After any error run it again: it looks first, and goes on where it stands.

    \b
    monoctl rotate secret vault://orders/db --account pg://orders_a --account pg://orders_b --plan
    monoctl rotate secret -f rotations.yaml --due
    """  # noqa: D301 - click wants the character itself
    if check and not due:
        raise UsageError("--check needs --due.", fix="Add --due.")
    rotations = _rotations(uri, file, accounts, made, grace)
    if due:
        if file is None or plan or adopt or force:
            raise UsageError("--due takes a file, and neither --plan, --adopt nor --force.", fix="Name one rotation.")
        all_due(rotations, session, check=check)
    if len(rotations) != 1:
        raise UsageError("the file has several rotations.", fix="Name the URI of one, or say --due.")
    (rotation,) = rotations
    if plan:

        async def look(client: Client) -> Planned:
            return await client.plan_rotation(rotation, adopt=adopt, force=force, timeout=session.timeout)

        planned = session.run(look, several=True)
        emit(session.output, fields_of(planned), _PLANNED)
        return

    async def work(client: Client) -> Rotated:
        return await client.rotate_secret(rotation, adopt=adopt, force=force, timeout=session.timeout)

    emit(session.output, fields_of(session.run(work, several=True)), _ROTATED)


def _rotations(
    uri: str | None, file: str | None, accounts: tuple[str, ...], made: tuple[str, ...], grace: str
) -> list[Rotation]:
    """Return the rotations that are meant. Raises `UsageError`."""
    from monoskope.client import Rotation  # noqa: PLC0415 - a help needs none

    if file is None:
        if uri is None or not accounts:
            raise UsageError("nothing says what is rotated.", fix="Give URI and --account, or -f FILE.")
        pairs = [word.partition("=") for word in made]
        if any(not (key and kind) for key, _, kind in pairs):
            raise UsageError("--make does not say what to make.", fix="Write KEY=KIND or KEY=KIND:SIZE.")
        return [Rotation.of(uri, accounts, {key: kind for key, _, kind in pairs}, grace=grace)]
    if accounts or made or grace:
        raise UsageError("the file says what is rotated.", fix="Leave out --account, --make and --grace, or the file.")
    from monoskope.monoctl.input.rotation_file import parse  # noqa: PLC0415 - it loads YAML

    found = parse(read_file(file), "stdin" if file == "-" else file)
    if uri is None:
        return found
    named = [rotation for rotation in found if rotation.secret == uri]
    if not named:
        raise UsageError(f"the file has no rotation of {uri}.", fix="Name one that it has, with its store.")
    return named
