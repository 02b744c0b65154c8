"""What a restored log does not know: tokens that were revoked since, and all that happened after the backup."""

from __future__ import annotations

from dataclasses import dataclass, field

from monoskope.api.secrets.v1 import events_pb2
from monoskope.errors import ConflictError
from monoskope.m8.backup.form import Header
from monoskope.m8.domain.events import read
from monoskope.m8.log.event_log import EventLog, RecordedEvent
from monoskope.m8.readmodels.documents import REVOCATIONS, TOKENS
from monoskope.protocol.events import request_id_of

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
        bound: The names of role bindings that were created.
        unbound: The names of role bindings that were deleted.
        members: The members whose names were bound to their first `sub`.
        issuers: The short names of issuers that were used for the first time.
    """

    events: int = 0
    revoked: list[str] = field(default_factory=list)
    issued: list[events_pb2.TokenIssued] = field(default_factory=list)
    requests: set[bytes] = field(default_factory=set)
    stores: dict[str, None] = field(default_factory=dict)
    notes: int = 0
    bound: list[str] = field(default_factory=list)
    unbound: list[str] = field(default_factory=list)
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
        case events_pb2.RoleBindingCreated() as message:
            found.bound.append(message.name)
        case events_pb2.RoleBindingDeleted() as message:
            found.unbound.append(message.name)
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


async def valid_tokens(log: EventLog, now_ms: int) -> list[events_pb2.TokenIssued]:
    """Return the tokens that count in `log`: not revoked there, and not expired."""
    found = []
    async for token_id, body in log.scan_all(TOKENS):
        token = events_pb2.TokenIssued.FromString(body)
        if token.expires_at_ms > now_ms and await log.get(REVOCATIONS, token_id) is None:
            found.append(token)
    return found
