"""What takes approvals: `monoctl get changes`, `describe change`, `run change`, `approve`, `decline` and `withdraw`.

`carried_out` is what the commands that write do with `--propose` and `--break-glass`.
"""

from __future__ import annotations

from collections.abc import Mapping

import click

from monoskope.client import Client, ProposedChange
from monoskope.client.changes import VALID_FOR_S
from monoskope.client.changes.approved import check_open, check_same
from monoskope.client.changes.proposal import Proposal
from monoskope.client.people import People
from monoskope.client.results.changes import CHANGE_STATES, ChangeState
from monoskope.client.walk.results import Copy, Deletion, Generated, Proven, Rollback, Undeletion
from monoskope.errors import UsageError
from monoskope.monoctl.groups import command
from monoskope.monoctl.input.approval_options import How
from monoskope.monoctl.input.request_options import full_prefix, one_prefix
from monoskope.monoctl.input.values import Sources, Values, read_values, source_options
from monoskope.monoctl.options import CommandSession, list_options, output_options, request_options
from monoskope.monoctl.output import terminal
from monoskope.monoctl.output.changes import COLUMNS, ONLY_THE_REACTOR, describe, document, tell_done, waits, what
from monoskope.monoctl.output.ending import COPIED, DELETED, RESTORED, WRITTEN
from monoskope.monoctl.output.formats import TABLES, done, emit, show
from monoskope.times import parse_length

__all__ = ["Proposal", "approve", "carried_out", "changes", "decline", "describe_change", "run_change", "withdraw"]

_PROPOSED = {"CHANGE": "change_id", "URI": "place", "EXPECTS": "expected_version", "STATE": "state"}
_OF_RESULTS: dict[type[Proven], dict[str, str]] = {
    Copy: COPIED,
    Deletion: DELETED,
    Undeletion: RESTORED,
    Rollback: RESTORED,
}
_sha256 = click.option(
    "--sha256",
    default="",
    metavar="HEX",
    help="The change's SHA-256, as `describe change` shows it: then nobody is asked.",
)


def carried_out(
    session: CommandSession, how: How, proposal: Proposal, values: Mapping[str, bytes] | None = None
) -> Proven:
    """Propose, or break the glass. What is only proposed ends the command here; else return what was done.

    Args:
        session: Of the command.
        how: With `propose` or `break_glass`.
        proposal: What is to be done.
        values: Where a secret is sealed.
    """

    async def work(client: Client) -> ProposedChange | Proven:
        if how.break_glass:
            return await client.changes.break_glass(proposal, how.break_glass, timeout=session.timeout)
        proposed = await client.changes.propose(
            proposal,
            requester=how.requester,
            reason=how.reason,
            valid_for=max(VALID_FOR_S, how.wait_s or 0.0) if how.valid_for_s is None else how.valid_for_s,
            timeout=session.timeout,
        )
        if how.wait_s is None:
            return proposed
        return await _waited(client, session, proposed, values, how.wait_s)

    found = session.run(work, settings=session.settings(requester=how.requester))
    if isinstance(found, Proven):
        tell_done(found)
        return found
    emit(session.output, document(found), _PROPOSED)
    terminal.note(
        f"nothing is written yet. Others approve it with `monoctl approve {found.change_id}`; then"
        f" `monoctl run change {found.change_id}` executes it{', with the value again' if found.keys else ''}."
        f" Its SHA-256 is {found.sha256}."
    )
    raise click.exceptions.Exit(0)


async def _waited(
    client: Client, session: CommandSession, change: ProposedChange, values: Mapping[str, bytes] | None, wait_s: float
) -> Proven:
    """Execute a change once it is approved. A Ctrl-C says that it stays proposed."""
    session.watch.proposed = change.change_id
    terminal.note(
        f"proposed as change {change.change_id}, SHA-256 {change.sha256}. Others approve it with `monoctl approve"
        f" {change.change_id}`."
    )
    return await client.changes.run(change, values, wait=wait_s, timeout=session.timeout, told=waits)


@command(short_help="List changes that wait for approval, or were done.")
@click.argument("prefix", default="")
@click.option("--prefix", "below", default="", metavar="URI", help="The same as PREFIX.")
@click.option("--mine", is_flag=True, help="Only those that you proposed.")
@click.option("--waiting", is_flag=True, help="Only those that wait for your approval.")
@click.option("--state", type=click.Choice(list(CHANGE_STATES)), help="Only those in this state.")
@click.option("--limit", type=click.IntRange(1), default=100, show_default=True, help="At most this many.")
@list_options
def changes(
    prefix: str,
    below: str,
    state: ChangeState | None,
    session: CommandSession,
    *,
    mine: bool,
    waiting: bool,
    limit: int,
) -> None:
    """List changes, the newest first: your own, and those that you may approve, below PREFIX or anywhere.

    PROVEN says whether a receipt of the store's pinned identity proves that what the change expects is there, or that
    it was done. APPROVALS are those that your own look finds good. The state is m8's word.
    """
    given = one_prefix(prefix, below)

    async def work(client: Client) -> list[ProposedChange]:
        found: list[ProposedChange] = []
        full = await full_prefix(client, given)
        async for one in client.changes.list(full, mine=mine, waiting=waiting, state=state, page_size=min(limit, 100)):
            found.append(one)
            if len(found) == limit:
                break
        return found

    documents = session.named([document(one) for one in session.run(work)], whole=True)
    show(session.output, documents, COLUMNS, name="change_id", nothing="No changes found.")


@command("change", short_help="Show one change, all that is asked, and what of it is proven.")
@click.argument("change", metavar="ID")
@output_options
def describe_change(change: str, session: CommandSession) -> None:
    """Show the change ID: all that is asked, on which version, what of it is proven, and each approval.

    Each approval is verified here. Until when a certificate holds stands beside it: a store counts it only until then.
    """
    found = session.run(lambda client: client.changes.get(change))
    if session.output in TABLES:
        describe(found, session.people)
        terminal.note(ONLY_THE_REACTOR)
    else:
        emit(session.output, session.named([document(found)])[0], {})


@command(short_help="Approve a change that somebody else proposed.")
@click.argument("change", metavar="ID")
@_sha256
@output_options
def approve(change: str, sha256: str, session: CommandSession) -> None:
    """Approve the change ID: look at it, and sign exactly what is shown with your key.

    It asks on the terminal; a program gives --sha256 of the change that was looked at. The store's identity must be
    pinned here. The signature cannot be taken back: it can be used until the change's end, or until its version is
    replaced.

    \b
    monoctl get changes --waiting
    monoctl approve 8c6f1d2e…
    """  # noqa: D301 - click wants the character itself

    async def work(client: Client) -> ProposedChange:
        found = await client.changes.get(change)
        _agree(
            found, client.people, sha256, "Approve exactly this, with your signature", otherwise="nothing was signed"
        )
        return await client.changes.approve(found)

    emit(session.output, document(session.run(work)), COLUMNS)


@command(short_help="Decline a change that somebody else proposed.")
@click.argument("change", metavar="ID")
@click.option("--reason", default="", metavar="TEXT", help="Why, for its requester.")
@output_options
def decline(change: str, reason: str, session: CommandSession) -> None:
    """Decline the change ID: m8 carries it no more. Approvals that were signed stay signed until its end."""
    found = session.run(lambda client: client.changes.decline(change, reason))
    emit(session.output, document(found), COLUMNS)


@command(short_help="Withdraw a change of yours.")
@click.argument("change", metavar="ID")
@output_options
def withdraw(change: str, session: CommandSession) -> None:
    """Withdraw the change ID, which you proposed: m8 carries it no more. What was signed stays signed until its end."""
    found = session.run(lambda client: client.changes.withdraw(change))
    emit(session.output, document(found), COLUMNS)


@command("change", short_help="Execute a change of yours that was approved.")
@click.argument("change", metavar="ID")
@source_options
@_sha256
@click.option("--wait", metavar="2h", help="Stay until enough have approved, and go on.")
@request_options
def run_change(change: str, sources: Sources, sha256: str, wait: str | None, session: CommandSession) -> None:
    """Execute the change ID, which you proposed, with the approvals that it has.

    Where a secret is sealed, its values are given again, as for `put secret`; they are asked for if no --from-… names
    them. The command shows the change and asks on the terminal; a program gives --sha256. It succeeds only with a
    receipt signed by the store's pinned identity that names this change and those who approved it.

    \b
    monoctl run change 8c6f1d2e…
    monoctl run change 8c6f1d2e… --sha256 5f0c… --from-file password=new.txt
    """  # noqa: D301 - click wants the character itself
    wait_s = 0.0 if wait is None else float(parse_length(wait))

    async def work(client: Client) -> Proven:
        found = await client.changes.get(change)
        _agree(found, client.people, sha256, "Execute exactly this", otherwise="nothing was sent")
        values = read_values(sources, list(found.keys) if not sources.named else []) if found.keys else Values()
        if wait_s:
            return await _waited(client, session, found, values, wait_s)
        return await client.changes.run(found, values, timeout=session.timeout)

    result = session.run(work)
    tell_done(result)
    emit(session.output, done(result), _OF_RESULTS.get(type(result), WRITTEN))
    if session.output in TABLES and isinstance(result, Generated):
        for name, value in result.public_values.items():
            terminal.out("", f"{name}:", *value.split("\n"), end="")


def _agree(change: ProposedChange, people: People, sha256: str, question: str, *, otherwise: str) -> None:
    """Show a change, and go on only with it: by its SHA-256 if that is given, else by a person's answer."""
    check_open(change)
    describe(change, people, err=True)
    if sha256:
        check_same(change, sha256, otherwise=otherwise)
        return
    if not terminal.interactive():
        raise UsageError(
            "there is no terminal to ask on.",
            fix=f"Look at it with `monoctl describe change {change.change_id}`, and give its --sha256.",
        )
    if not terminal.confirm(f"{question}: {what(change)}?"):
        raise UsageError(f"you did not agree; {otherwise}.", fix="Nothing to do.")
