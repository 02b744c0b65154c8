"""What `m8 backup restore` says at its end: which tokens count, and what the restored log does not know."""

from __future__ import annotations

from dataclasses import dataclass, field

import click

from monoskope.api.secrets.v1 import events_pb2
from monoskope.errors import ConflictError, Error, docs_page
from monoskope.m8.backup.form import Header
from monoskope.m8.cli.common import show
from monoskope.m8.domain.binding_changes import Change
from monoskope.m8.domain.events import read
from monoskope.m8.domain.principal import ROLE_NAMES
from monoskope.m8.log.event_log import EventLog, RecordedEvent
from monoskope.m8.readmodels.documents import REVOCATIONS, TOKENS
from monoskope.protocol.events import request_id_of
from monoskope.text import counted, escape
from monoskope.times import rfc3339

READ = 256


@dataclass(slots=True)
class Lost:
    """What another log has after the end of a backup.

    Attributes:
        events: How many events.
        revoked: The ids of tokens that were revoked.
        issued: The tokens that were made.
        requests: The ids of requests of which something happened.
        stores: Names of stores that were added, switched or given another identity.
        notes: How many edits of notes.
        bindings: Of each role binding that something happened to, by name: whether it was there, and whether it is.
        members: The members whose names were bound to their first `sub`.
        issuers: The short names of issuers that were used for the first time.
    """

    events: int = 0
    revoked: list[str] = field(default_factory=list)
    issued: list[events_pb2.TokenIssued] = field(default_factory=list)
    requests: set[bytes] = field(default_factory=set)
    stores: dict[str, None] = field(default_factory=dict)
    notes: int = 0
    bindings: dict[str, tuple[bool, bool]] = field(default_factory=dict)
    members: list[str] = field(default_factory=list)
    issuers: list[str] = field(default_factory=list)


async def lost(old: EventLog, header: Header) -> Lost:
    """Return what `old` has after the backup with that header.

    Raises:
        ConflictError: `old` is not the log that the backup was made of.
        Error: it cannot be read.
    """
    if header.position:
        same = await old.read(after=header.position - 1, limit=1)
        if not same or same[0].hash.hex() != header.head:
            raise ConflictError(
                "the log to compare with does not hold what the backup holds: it is another one, or older.",
                fix="Name the log that m8 used last before this was restored.",
            )
    found = Lost()
    after = header.position
    while events := await old.read(after=after, limit=READ):
        for event in events:
            _add(found, event)
        after = events[-1].position
    return found


def _add(found: Lost, event: RecordedEvent) -> None:
    found.events += 1
    if (request_id := request_id_of(event.stream)) is not None:
        found.requests.add(request_id)
        return
    match read(event):
        case events_pb2.TokenRevoked() as message:
            found.revoked.append(message.id)
        case events_pb2.TokenIssued() as message:
            found.issued.append(message)
        case (
            events_pb2.RoleBindingCreated() | events_pb2.RoleBindingChanged() | events_pb2.RoleBindingDeleted()
        ) as message:
            _add_binding(found, message)
        case events_pb2.MemberRegistered() as message:
            found.members.append(message.member)
        case events_pb2.IssuerRegistered() as message:
            found.issuers.append(message.name)
        case events_pb2.SecretNotesUpdated():
            found.notes += 1
        case (
            events_pb2.SecretStoreCreated()
            | events_pb2.SecretStoreActivated()
            | events_pb2.SecretStoreDeactivated()
            | events_pb2.DefaultSecretStoreSet()
            | events_pb2.SecretStoreIdentityRotated()
            | events_pb2.SecretStoreIdentityReplaced()
        ) as message:
            found.stores[message.name] = None
        case _:
            pass


def _add_binding(found: Lost, message: Change) -> None:
    """Add what an event says: whether the role binding was there before it, and whether it is after it."""
    name = message.after.name if isinstance(message, events_pb2.RoleBindingChanged) else message.name
    was = not isinstance(message, events_pb2.RoleBindingCreated)
    remains = not isinstance(message, events_pb2.RoleBindingDeleted)
    found.bindings[name] = (found.bindings.get(name, (was, False))[0], remains)


async def valid_tokens(log: EventLog, now_ms: int) -> list[events_pb2.TokenIssued]:
    """Return the tokens that count in `log`: not revoked there, and not expired."""
    found = []
    async for token_id, body in log.scan_all(TOKENS):
        token = events_pb2.TokenIssued.FromString(body)
        if token.expires_at_ms > now_ms and await log.get(REVOCATIONS, token_id) is None:
            found.append(token)
    return found


_COLUMNS = ("id", "subject", "role", "expires", "since the backup")
_PAGE = f"{docs_page('operate/back-up-and-restore.md')}"


@dataclass(slots=True)
class Aftermath:
    """What is known of the time after the backup.

    Attributes:
        valid: The tokens that count in the restored log.
        lost: What the log of before had, None if there was none to compare with.
        failure: Why it could not be compared with.
    """

    valid: list[events_pb2.TokenIssued]
    lost: Lost | None = None
    failure: Error | None = None


def tell(header: Header, found: Aftermath) -> None:
    """Print it. Nothing was revoked: that is for people to decide."""
    moment = rfc3339(header.created_at_ms)
    click.echo(f"The restored log knows nothing of what happened after {moment}.")
    if found.failure is not None:
        click.echo(f"warning: it was not compared with the log of before: {escape(str(found.failure))}", err=True)
    revoked = frozenset[str]() if found.lost is None else frozenset(found.lost.revoked)
    if found.valid:
        click.echo(f"\nValid now: {counted(len(found.valid), 'token')}.\n")
        show([_row(token, revoked, is_compared=found.lost is not None) for token in found.valid], _COLUMNS, "table")
        click.echo("")
    if found.lost is None:
        click.echo(f"Tokens that were revoked after {moment} are valid again. Revoke them: m8 token revoke ID")
        click.echo(f"Tokens that were made after {moment} are refused. Make them again: m8 token create")
        click.echo(
            f"Role bindings that were changed or deleted after {moment} are what they were: m8 role-binding list"
        )
    else:
        _tell_lost(found.lost, again=[token for token in found.valid if token.id in revoked])
    click.echo(f"Secrets that were put since then, and clients that pinned a newer identity: see {_PAGE}")


def _row(token: events_pb2.TokenIssued, revoked: frozenset[str], *, is_compared: bool) -> dict[str, object]:
    since = "REVOKED" if token.id in revoked else "nothing" if is_compared else "not known"
    return {
        "id": token.id,
        "subject": token.subject,
        "role": "by role bindings" if token.member else ROLE_NAMES.get(token.role, "unknown"),
        "expires": rfc3339(token.expires_at_ms),
        "since the backup": since,
    }


def _tell_lost(lost: Lost, *, again: list[events_pb2.TokenIssued]) -> None:
    click.echo(
        f"The log of before had {counted(lost.events, 'more event')}, about {counted(len(lost.requests), 'request')}."
    )
    if again:
        tokens = counted(len(again), "token")
        click.echo(f"Revoked after the backup, and valid again: {tokens}. Nothing was revoked now. Do it:")
        for token in again:
            click.echo(f"  m8 token revoke {escape(token.id)}")
    # One that came of a login or a job's token is replaced by its holder, without anybody's help.
    exchanged = [made for made in lost.issued if made.issuer]
    if exchanged:
        click.echo(
            f"Exchanged after the backup, and refused: {counted(len(exchanged), 'token')}. Their holders get others."
        )
    for made in (one for one in lost.issued if not one.issuer):
        who = escape(made.subject)
        click.echo(f"Token {escape(made.id)} for {who} was made after the backup and is refused: make another one.")
    _tell_names(lost)
    for name in lost.stores:
        click.echo(
            f"Store {escape(name)} was added or changed after the backup: add it again, or compare its identity."
        )
    if lost.notes:
        click.echo(f"Labels and days of expiry were edited after the backup: {counted(lost.notes, 'edit')}.")


def _tell_names(lost: Lost) -> None:
    """Print which role bindings changed, and whom names stood for."""
    for name, happened in lost.bindings.items():
        match happened:
            case (True, False):
                click.echo(
                    f"Role binding {escape(name)} was deleted after the backup, and gives its role again. Do it:"
                )
                click.echo(f"  m8 role-binding delete {escape(name)}")
            case (True, True):
                click.echo(f"Role binding {escape(name)} was changed after the backup: change it again.")
            case (False, True):
                click.echo(f"Role binding {escape(name)} was created after the backup: create it again.")
            case _:  # neither then nor now
                pass
    for member in lost.members:
        click.echo(
            f"The name of {escape(member)} was bound to its first `sub` after the backup, and is bound to nobody now."
            " Let its holder log in before somebody else has that name at the issuer."
        )
    for name in lost.issuers:
        click.echo(
            f"Issuer {escape(name)} was used for the first time after the backup: look whether m8.toml names it."
        )
