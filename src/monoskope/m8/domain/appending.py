"""What a reactor appends: decided on what was remembered first, and on what is recorded now if that was old.

What it may append at all is in `append`.
"""

from __future__ import annotations

from collections.abc import Sequence

from google.protobuf.message import Message

from monoskope.api.gateway.v1 import reactor_pb2
from monoskope.errors import ConflictError, Error, UsageError
from monoskope.m8.domain.aggregates import CATALOGUE, FINGERPRINT_KEY, TRIES, Aggregate, Aggregates, Seen, upload_of
from monoskope.m8.domain.append import Appender, append_by_reactor
from monoskope.m8.domain.events import write
from monoskope.m8.domain.reactors import Login
from monoskope.m8.domain.upload import Upload, unknown_request
from monoskope.m8.log.event_log import EventLog, RecordedEvent, UnknownAppendError
from monoskope.protocol.events import ReactorEvent


async def record_appended(aggregates: Aggregates, log: EventLog, login: Login, append: reactor_pb2.AppendEvent) -> int:
    """Record the event that a reactor appends, if the domain allows it, and return its stream's version.

    An event that is recorded there already is not recorded twice: a reactor sends it until it has an answer.

    Raises:
        Error: as `domain.append.append_by_reactor`; `ConflictError` if the stream is at another version.
    """
    event, request = _event(append), upload_of(append.request_id)
    seen = aggregates.remembered(request, CATALOGUE, FINGERPRINT_KEY)
    refusal: Error | None = None
    for _ in range(TRIES):
        refusal = None
        try:
            events = _decided(seen, append, login)
        except Error as error:
            events, refusal = [], error
        if done := await _record_on(aggregates, seen, request, events, login.actor):
            return done[-1].version
        # What was remembered may be old: what it refused may be allowed by now.
        before, seen = seen, await aggregates.look(request, CATALOGUE, FINGERPRINT_KEY)
        if seen.versions == before.versions:
            break
    if refusal is not None:
        raise refusal
    # An earlier, broken session of this reactor may have recorded this very event without an answer. If it is
    # another event, only the reactor knows what that means.
    if not _is_there(event, append.expected_version, await log.read_stream(request.stream)):
        raise _another_version(append.expected_version, seen.of(request))
    return seen.of(request).version


async def _record_on(
    aggregates: Aggregates, seen: Seen, request: Aggregate[Upload], events: Sequence[Message], actor: str
) -> list[RecordedEvent] | None:
    given = {stream: version for stream, version in seen.versions.items() if stream != request.stream}
    try:
        return await aggregates.record(request, seen.of(request), events, actor=actor, given=given)
    except UnknownAppendError as error:
        raise error.sent_again() from None


def _decided(seen: Seen, append: reactor_pb2.AppendEvent, login: Login) -> Sequence[Message]:
    """Decide on what a reactor appends: [] if its stream is at another version. Raises as `record_appended`."""
    upload, keys = seen.of(upload_of(append.request_id)), seen.of(FINGERPRINT_KEY)
    if upload.store != login.store:
        raise unknown_request()
    if append.expected_version != upload.version:
        return []
    by = Appender(
        store=login.store,
        identity=seen.of(CATALOGUE).store(login.store).identity,
        replica=login.replica,
        key_ids=keys.allowed,
    )
    return append_by_reactor(upload, _event(append), by)


def _event(append: reactor_pb2.AppendEvent) -> ReactorEvent:
    field = append.WhichOneof("event")
    if field is None:
        raise UsageError("AppendEvent: event: is missing.", fix="Append one of the events of a reactor.")
    appended: ReactorEvent = getattr(append, field)
    return appended


def _is_there(event: Message, after: int, recorded: list[RecordedEvent]) -> bool:
    new = write(event)
    return after < len(recorded) and recorded[after].type == new.type and recorded[after].data == new.data


def _another_version(expected: int, upload: Upload) -> ConflictError:
    return ConflictError(
        f"the request is at version {upload.version} and in {upload.state.name}, not at version {expected}.",
        fix="Take in what was delivered, and decide again.",
    )
