"""Changes that are proposed: a row each, by which they are found, and their states. Pure.

A row repeats no signature and no reason: the change's stream has them. What a change's own stream cannot tell, the row
has: which request named it last, and that a receipt says it was done. Two states follow from the moment alone, so no
event tells of them: ENDED, by the clock, and OVERTAKEN, by what receipts say is at the place that the change writes.
A change that is overtaken can be executed again when its version is there again.

A row is found by subject and by state. One that is open by its events may be over by the clock: each subject's next
proposal moves those of its own. So no more rows stand among the open ones than quotas allow.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import cast

import msgspec
from google.protobuf.message import Message
from msgspec.structs import replace

from monoskope.api.gateway.v1 import changes_pb2
from monoskope.api.secrets.v1 import events_pb2, upload_pb2
from monoskope.m8.domain.change import change_stream
from monoskope.m8.domain.events import read
from monoskope.m8.domain.upload import Upload
from monoskope.m8.log.documents import Columns, Where, Which
from monoskope.m8.log.event_log import Change as Written
from monoskope.m8.log.event_log import Lookup, Put, RecordedEvent
from monoskope.m8.readmodels.secrets import REPLACEMENTS, SECRETS, VERSIONS, Kept
from monoskope.protocol.change import Change, parse_change
from monoskope.protocol.purposes import PURPOSES
from monoskope.protocol.wire import MalformedError

CHANGES = "changes"
"""Collection: 20 digits that fall as positions rise -> `Row`, so the newest is the first."""

KEYS = "change-keys"
"""Collection: 32 hex digits of a change's id, and the 64 of its SHA-256 -> its key in `CHANGES`."""

OPEN_OF = "open-changes"
"""Collection: subject -> `not_after` and key of each change of its own that was open when it proposed last.

It is written anew with each proposal, 26 bytes a change: so `open_changes_per_user` is 1,000 at most.
"""

OPEN = changes_pb2.CHANGE_STATE_OPEN
OVERTAKEN = changes_pb2.CHANGE_STATE_OVERTAKEN

_LAST = 10**20 - 1


class Row(msgspec.Struct, frozen=True, array_like=True):
    """What m8 finds a change by."""

    change_id: bytes
    sha256: bytes
    subject: str
    uri: str
    destination: str
    """Of a copy, else ""."""
    purpose: int
    expect_version: str
    """"" where nothing may be there."""
    not_after: int
    proposed_ms: int
    state: int = OPEN
    """By events alone."""
    changed_ms: int = 0
    """When a receipt changed it last, 0 if none did: its stream tells of everything else."""
    approvers: tuple[str, ...] = ()
    """The subjects that handed in approvals."""
    request_id: bytes = b""
    """The last request that named it."""

    @property
    def place(self) -> str:
        """The URI of the secret that it writes."""
        return self.destination or self.uri

    @property
    def depends_on(self) -> tuple[Which, ...]:
        """The documents by which it is overtaken or not."""
        known = ((kind, f"{self.place}\n{self.expect_version}") for kind in (VERSIONS, REPLACEMENTS))
        return ((SECRETS, self.place), *(known if self.expect_version else ()))


_ROWS = msgspec.msgpack.Decoder(Row)
_OPEN = msgspec.msgpack.Decoder(dict[str, int])


def row_in(body: bytes) -> Row:
    """Return the row of a document in `CHANGES`."""
    return _ROWS.decode(body)


def row_of(change: Change, subject: str, proposed_ms: int) -> Row:
    """Return the row of a change that was just proposed."""
    request = change.request
    return Row(
        change_id=change.change_id,
        sha256=change.sha256,
        subject=subject,
        uri=str(request.uri),
        destination=str(request.destination or ""),
        purpose=request.purpose,
        expect_version=request.expect_version,
        not_after=change.not_after,
        proposed_ms=proposed_ms,
    )


def of_state(state: int, subject: str = "") -> Where:
    """Return what finds the rows that events brought into a state, 0 for any, of a subject, "" for any."""
    return Where(subject=subject, labels=(_label(state),) if state else ())


def open_count(body: bytes | None, now_ms: int) -> int:
    """Return how many changes are open by their events and the clock, by a document in `OPEN_OF`."""
    return 0 if body is None else sum(until * 1000 >= now_ms for until in _OPEN.decode(body).values())


def state_of(row: Row, documents: Mapping[Which, bytes | None], now_ms: int) -> changes_pb2.ChangeState:
    """Return the state of a change, by the documents that it depends on, at a time since 1970."""
    if row.state != OPEN:
        return cast("changes_pb2.ChangeState", row.state)
    if row.not_after * 1000 < now_ms:
        return changes_pb2.CHANGE_STATE_ENDED
    return OVERTAKEN if _is_overtaken(row, documents) else OPEN


def _is_overtaken(row: Row, documents: Mapping[Which, bytes | None]) -> bool:
    """Whether receipts say that another version is there. What no receipt tells of may be there all the same."""
    body = documents[SECRETS, row.place]
    if body is None:
        return False
    secret = Kept.parse(row.place, body).secret
    is_there = not secret.deleted and secret.verified != upload_pb2.OUTCOME_GONE
    if not row.expect_version:
        return is_there
    if secret.upstream_version == row.expect_version:
        return is_there == PURPOSES[cast("upload_pb2.Purpose", row.purpose)].undeletes
    was_there = any(documents[which] is not None for which in row.depends_on[1:])
    return was_there or secret.uploaded_at_ms >= row.proposed_ms


def project(event: RecordedEvent, lookup: Lookup) -> Iterator[Written]:
    """Yield what an event of a change's stream changes."""
    message = read(event)
    if isinstance(message, events_pb2.SecretChangeProposed):
        yield from _proposed(message, event, lookup)
        return
    ends = _ENDS.get(type(message))
    if ends is None and not isinstance(message, events_pb2.SecretChangeApproved):
        return
    found = _find(event.stream.partition("/")[2], lookup)
    if found is None:
        return
    key, row = found
    if ends is not None:
        yield from _ended(key, row, ends, lookup)
    elif event.actor not in row.approvers:
        yield _put(key, replace(row, approvers=(*row.approvers, event.actor)))


_ENDS: Mapping[type[Message | None], int] = {
    events_pb2.SecretChangeDeclined: changes_pb2.CHANGE_STATE_DECLINED,
    events_pb2.SecretChangeWithdrawn: changes_pb2.CHANGE_STATE_WITHDRAWN,
}


def project_request(upload: Upload, event: RecordedEvent, lookup: Lookup) -> Iterator[Written]:
    """Yield what a request that names a change makes of it, `upload` being the request after `event`."""
    request, receipt = upload.request, upload.receipt
    if request is None or not request.change_sha256 or (event.version > 1 and receipt is None):
        return
    found = _find(request.change_sha256.hex(), lookup)
    if found is None:
        return
    key, row = found
    if (str(request.uri), str(request.destination or ""), request.purpose) != (row.uri, row.destination, row.purpose):
        return
    if event.version == 1:
        yield _put(key, replace(row, request_id=request.request_id))
    elif receipt is not None and receipt.change_sha256 == row.sha256:
        # Whatever became of it before: what was signed stays signed, and the receipt says what was done.
        row = replace(row, request_id=request.request_id, changed_ms=event.recorded_at_ms)
        yield from _ended(key, row, changes_pb2.CHANGE_STATE_DONE, lookup)


def _proposed(message: events_pb2.SecretChangeProposed, event: RecordedEvent, lookup: Lookup) -> Iterator[Written]:
    try:
        change = parse_change(message.change)
    except MalformedError:  # a newer m8 recorded it, and shows it
        return
    if event.version != 1 or event.stream != change_stream(change.change_id):
        return
    key, row = f"{_LAST - event.position:020}", row_of(change, event.actor, event.recorded_at_ms)
    known = _open_of(event.actor, lookup)
    over = [other for other, until in known.items() if until * 1000 < event.recorded_at_ms]
    for other in over:
        body = lookup(CHANGES, other)
        assert body is not None, "a change that is open has a row"
        yield _put(other, replace(row_in(body), state=changes_pb2.CHANGE_STATE_ENDED))
    left = {other: until for other, until in known.items() if other not in over}
    yield _put_open(event.actor, {**left, key: change.not_after})
    yield _put(key, row)
    for name in (change.change_id, change.sha256):
        yield Put(KEYS, name.hex(), key.encode())


def _ended(key: str, row: Row, state: int, lookup: Lookup) -> Iterator[Written]:
    yield _put(key, replace(row, state=state))
    known = _open_of(row.subject, lookup)
    if known.pop(key, None) is not None:
        yield _put_open(row.subject, known)


def _find(name: str, lookup: Lookup) -> tuple[str, Row] | None:
    key = lookup(KEYS, name)
    body = None if key is None else lookup(CHANGES, key.decode())
    return None if key is None or body is None else (key.decode(), row_in(body))


def _put(key: str, row: Row) -> Put:
    columns = Columns(subject=row.subject, labels=(_label(row.state),))
    return Put(CHANGES, key, msgspec.msgpack.encode(row), columns)


def _label(state: int) -> str:
    return f"state={state}"


def _open_of(subject: str, lookup: Lookup) -> dict[str, int]:
    body = lookup(OPEN_OF, subject)
    return {} if body is None else _OPEN.decode(body)


def _put_open(subject: str, known: Mapping[str, int]) -> Put:
    return Put(OPEN_OF, subject, msgspec.msgpack.encode(known))
