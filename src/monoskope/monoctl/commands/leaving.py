"""Somebody leaves: `monoctl offboard`."""

from __future__ import annotations

from collections.abc import Collection

import click

from monoskope.client.results.leaving import Offboarding, StandingApproval, UsedKey
from monoskope.errors import UsageError
from monoskope.monoctl.groups import command
from monoskope.monoctl.options import CommandSession, output_options
from monoskope.monoctl.output import terminal
from monoskope.monoctl.output.formats import Document, emit
from monoskope.text import counted
from monoskope.uri import SecretUri

_ENDING = {"KIND": "kind", "NAME": "name", "FOR": "members", "WHY": "why", "THEN": "then"}

_SHARED = "take them out: monoctl apply"
"""What a person does: it may name whoever offboards them, too, who then may not change it."""
_NOT_M8S = (
    "What m8 does not know: their account at your issuer, which gets new tokens until you close it; lines and entries"
    " for them in the lists of stores' reactors (allowed_signers, the list of approvers, [signers], also of rotations);"
    " their address in [[notices]] of m8.toml; values that they know."
)


@command(short_help="List what came from a member who leaves, and end it (administrators).")
@click.argument("member")
@click.option("--keep", multiple=True, metavar="NAME", help="A role binding, or the id of a token, that stays.")
@click.option("--end", "wanted", is_flag=True, help="End it, after a question on the terminal.")
@click.option("--yes", is_flag=True, help="With --end: do not ask.")
@output_options
def offboard(member: str, keep: tuple[str, ...], session: CommandSession, *, wanted: bool, yes: bool) -> None:
    """List what outlives the account of MEMBER: tokens, role bindings, open changes, approvals, and keys that signed.

    With --end, after a question, the tokens are revoked and the role bindings deleted. A role binding that MEMBER made
    for others gives them nothing any more then: keep it, or create another one before. One that names MEMBER beside
    others stays: take MEMBER out of it (monoctl apply). MEMBER's display name and address are deleted, too.

    Approvals and keys count until the store's own list revokes them: the last column has the line. Open changes,
    groups, and what MEMBER knows, are not ended here either (docs/access.md).

    \b
    monoctl offboard user:corp:anna
    monoctl offboard user:corp:anna --keep team-a --end
    """  # noqa: D301 - click wants the character itself
    if yes and not wanted:
        raise UsageError("--yes goes with --end.", fix="Say both, or neither.")
    found = session.run(lambda client: client.leaving.came_from(member))
    known = {one.token_id for one in found.tokens} | {one.name for one in found.role_bindings}
    if unknown := [name for name in keep if name not in known]:
        raise UsageError(f"--keep {unknown[0]}: nothing of that name is to end.", fix="Copy it from the list.")
    rows = [*_ending(found, keep), *_staying(found)]
    emit(
        session.output, session.named(rows, whole=True), _ENDING, nothing=f"Nothing came from {member} that counts now."
    )
    count = counted(len(known - set(keep)), "thing")
    terminal.note(_NOT_M8S)
    if not wanted:
        if session.output == "table" and known:
            terminal.note(f"Nothing was ended. To end {count} of these, say --end.")
        return
    if known - set(keep):
        terminal.agree(f"End {count} of {session.people.with_id(member)}?", yes=yes, otherwise="nothing was ended")
    session.run(lambda client: client.leaving.offboard(found, keep=keep))
    terminal.err(f"m8 says: {count} of {member} ended, and it keeps no name and no address of theirs.")


def _ending(found: Offboarding, keep: Collection[str]) -> list[Document]:
    """The tokens and role bindings of a member who leaves, and what becomes of each."""
    rows: list[Document] = [
        {"kind": "token", "name": one.token_id, "members": [one.subject], "why": why, "then": "revoke"}
        for tokens, why in ((found.named_tokens, "names them"), (found.made_tokens, "made by them"))
        for one in tokens
    ]
    rows += [
        {"kind": "role-binding", "name": one.name, "members": list(one.members), "why": why, "then": then}
        for bindings, why, then in (
            (found.made_role_bindings, "made by them", "delete"),
            (found.named_role_bindings, "names them alone", "delete"),
            (found.shared_role_bindings, "names them beside others", _SHARED),
        )
        for one in bindings
    ]
    return [row | {"then": "keep"} if row["name"] in keep else row for row in rows]


def _staying(found: Offboarding) -> list[Document]:
    """What people end elsewhere: changes, approvals and keys of a member who leaves."""
    rows: list[Document] = [
        {
            "kind": "change",
            "name": one.change_id,
            "members": [one.place],
            "why": f"proposed by them, open until {one.not_after:%Y-%m-%dT%H:%MZ}",
            "then": f"decline it: monoctl decline {one.change_id}",
        }
        for one in found.open_changes
    ]
    return [*rows, *map(_approval, found.approvals), *map(_key, found.keys)]


def _approval(one: StandingApproval) -> Document:
    change = one.change
    return {
        "kind": "approval",
        "name": change.change_id,
        "members": [change.place],
        "why": f"approved by them, counts until {change.not_after:%Y-%m-%dT%H:%MZ}",
        "then": _revoke(one.key, [SecretUri.parse(change.place).store])
        if one.key
        else f"ask {change.subject} which key signed it",
    }


def _key(one: UsedKey) -> Document:
    last = "" if one.last_at is None else f", last on {one.last_at:%Y-%m-%d}"
    return {
        "kind": "key",
        "name": one.key,
        "members": [one.principal],
        "why": f"signed for them at {', '.join(one.stores)}{last}",
        "then": _revoke(one.key, one.stores),
    }


def _revoke(key: str, stores: Collection[str]) -> str:
    """The line, and where it goes."""
    return f"{key} into revoked_keys of {', '.join(stores)}"
