"""Records the events that an attached reactor appends, if the domain allows them."""

from __future__ import annotations

from google.protobuf.message import Message

from monoskope.api.gateway.v1 import reactor_pb2
from monoskope.errors import ConflictError, UsageError
from monoskope.m8.domain.append import Appender, append_by_reactor
from monoskope.m8.domain.events import write
from monoskope.m8.domain.upload import Upload, unknown_request
from monoskope.m8.log.event_log import ExpectedVersionError, RecordedEvent, UnknownAppendError
from monoskope.m8.service.app import App
from monoskope.m8.service.login import Login
from monoskope.protocol.events import ReactorEvent, upload_stream


async def append_event(app: App, login: Login, append: reactor_pb2.AppendEvent) -> int:
    """Record the event in `append` and return its stream's version.

    An event that is recorded already at that place is not recorded twice: a reactor sends it until it has an answer.

    Raises:
        Error: as `domain.append.append_by_reactor`; `ConflictError` if the stream is at another version.
    """
    event = _event(append)
    stream = upload_stream(append.request_id)
    upload, catalogue, keys = await app.aggregates.of_append(append.request_id)
    if upload.store != login.store:
        raise unknown_request()
    if append.expected_version != upload.version:
        if _is_there(event, append.expected_version, await app.log.read_stream(stream)):
            return upload.version
        raise _another_version(append.expected_version, upload)
    by = Appender(
        store=login.store,
        identity=catalogue.store(login.store).identity,
        replica=login.replica,
        key_ids=keys.allowed,
    )
    events = [write(decided, uri=upload.uri) for decided in append_by_reactor(upload, event, by)]
    try:
        done = await app.log.append(stream, upload.version, events, actor=login.actor)
    except ExpectedVersionError:
        # An earlier, broken session of this reactor may have recorded this very event just now without an answer. If it
        # is another event, only the reactor knows what that means.
        recorded = await app.log.read_stream(stream)
        if not _is_there(event, append.expected_version, recorded):
            raise
        return recorded[-1].version
    except UnknownAppendError as error:
        raise error.sent_again() from None
    return done[-1].version


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
