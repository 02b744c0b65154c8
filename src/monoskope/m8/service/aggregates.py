"""Loads the aggregates on which the domain decides, and records its decisions."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol, Self, TypeVar

from google.protobuf.message import Message

from monoskope.api.gateway.v1 import reactor_pb2
from monoskope.errors import ConflictError, UnavailableError, UsageError
from monoskope.m8.domain import role_bindings, upload
from monoskope.m8.domain.append import Appender, append_by_reactor
from monoskope.m8.domain.events import CATALOGUE_STREAM, FINGERPRINT_KEY_STREAM, reactor_stream, read, write
from monoskope.m8.domain.principal import Principal
from monoskope.m8.domain.reactors import Attachments, FingerprintKeyIds, Login
from monoskope.m8.domain.role_bindings import ROLE_BINDINGS_STREAM, RoleBindings
from monoskope.m8.domain.stores import Catalogue
from monoskope.m8.domain.upload import NEW, Upload, unknown_request
from monoskope.m8.log.event_log import EventLog, ExpectedVersionError, RecordedEvent, UnknownAppendError
from monoskope.protocol.events import ReactorEvent, upload_stream
from monoskope.protocol.outcomes import State

TRIES = 8
"""How often a decision is repeated because another writer was faster."""

KEPT_UPLOADS = 1_000
"""How many folded requests are kept: the latest used, and none that has ended."""


class Folded(Protocol):
    """A value folded from the events of a stream."""

    @property
    def version(self) -> int:
        """Events it was folded from."""


class Following(Folded, Protocol):
    """A value that is folded event by event."""

    def after(self, message: Message | None) -> Self:
        """Return it after a recorded event, None for one of an unknown type."""


V = TypeVar("V", bound=Folded)
F = TypeVar("F", bound=Following)


class Aggregates:
    """The aggregates of one log. Each stream is folded once, and later only its new events.

    Each load asks the log for newer events, because another process may have recorded some. So a kept value is never an
    answer by itself.
    """

    def __init__(self, log: EventLog) -> None:
        self._log = log
        self._followed: dict[str, Any] = {}
        self._uploads: OrderedDict[str, Upload] = OrderedDict()

    async def upload(self, request_id: bytes) -> Upload:
        """Return the request as it stands now; NEW if there is none."""
        stream = upload_stream(request_id)
        known = self._uploads.get(stream, NEW)
        return self._folded(stream, known, await self._log.read_stream(stream, after_version=known.version))

    async def _of_append(self, request_id: bytes) -> tuple[Upload, Catalogue, FingerprintKeyIds]:
        """Return all that an append of a reactor is decided on, as it is now, by one read of the log."""
        stream = upload_stream(request_id)
        known: Upload = self._uploads.get(stream, NEW)
        catalogue: Catalogue = self._followed.get(CATALOGUE_STREAM, Catalogue())
        keys: FingerprintKeyIds = self._followed.get(FINGERPRINT_KEY_STREAM, FingerprintKeyIds())
        versions = {stream: known.version, CATALOGUE_STREAM: catalogue.version, FINGERPRINT_KEY_STREAM: keys.version}
        events = await self._log.read_streams(versions)
        return (
            self._folded(stream, known, events[stream]),
            self._evolved(CATALOGUE_STREAM, catalogue, events[CATALOGUE_STREAM]),
            self._evolved(FINGERPRINT_KEY_STREAM, keys, events[FINGERPRINT_KEY_STREAM]),
        )

    def _folded(self, stream: str, known: Upload, events: Sequence[RecordedEvent]) -> Upload:
        """Return a request after `events`, and keep it as long as it is open."""
        value = upload.fold(events, known)
        self._uploads.pop(stream, None)
        if value.state not in (State.NEW, State.ENDED):
            self._uploads[stream] = value
            if len(self._uploads) > KEPT_UPLOADS:
                self._uploads.popitem(last=False)
        return value

    async def catalogue(self) -> Catalogue:
        """Return the stores as they are now."""
        return await self._follow(CATALOGUE_STREAM, Catalogue())

    async def fingerprint_key(self) -> FingerprintKeyIds:
        """Return which fingerprint key ids count now."""
        return await self._follow(FINGERPRINT_KEY_STREAM, FingerprintKeyIds())

    async def role_bindings(self) -> RoleBindings:
        """Return the role bindings as they are now."""
        value: RoleBindings = self._followed.get(ROLE_BINDINGS_STREAM, RoleBindings())
        events = await self._log.read_stream(ROLE_BINDINGS_STREAM, after_version=value.version)
        if not events:  # as before almost every call: to fold nothing takes as long as there are role bindings
            return value
        value = role_bindings.fold(value, ((read(event), event.actor) for event in events))
        return self._kept(ROLE_BINDINGS_STREAM, value)

    async def bound(self, principal: Principal) -> Principal:
        """Return `principal` with what role bindings give now; as it is if its token has rights of its own."""
        return principal if principal.member is None else (await self.role_bindings()).bound(principal)

    async def attachments(self, store: str) -> Attachments:
        """Return which processes are attached for `store` now."""
        return await self._follow(reactor_stream(store), Attachments())

    async def _follow(self, stream: str, initial: F) -> F:
        value: F = self._followed.get(stream, initial)
        return self._evolved(stream, value, await self._log.read_stream(stream, after_version=value.version))

    def _evolved(self, stream: str, value: F, events: Sequence[RecordedEvent]) -> F:
        """Return a value after `events`, and keep it."""
        for event in events:
            value = value.after(read(event))
        return self._kept(stream, value)

    def _kept(self, stream: str, value: V) -> V:
        """Keep what a stream folds to, unless a newer one was kept meanwhile, and return it."""
        if stream not in self._followed or value.version >= self._followed[stream].version:
            self._followed[stream] = value
        return value

    async def change(
        self,
        stream: str,
        load: Callable[[], Awaitable[V]],
        decide: Callable[[V], Sequence[Message]],
        *,
        actor: str,
        sealed: bytes | None = None,
        loaded: V | None = None,
        is_sent_again: bool = False,
    ) -> list[RecordedEvent]:
        """Load, decide, record; begin again whenever another writer recorded first.

        Args:
            stream: Where the events go.
            load: Returns the value that stream folds to.
            decide: Returns the events to record; [] to record nothing.
            actor: Who causes them.
            sealed: Bytes to keep with them, in the same transaction.
            loaded: What the caller loaded just before: the first decision is made on it.
            is_sent_again: Whether the client sends the same until it has an answer, and it is recorded once.

        Returns:
            The events as recorded, [] if there was nothing to record.

        Raises:
            Error: what `decide` raised; nothing was recorded.
            UnavailableError: other writers were faster every time.
            UnknownAppendError: it may be recorded; never with `is_sent_again`, for which that is `UnavailableError`.
        """
        for _ in range(TRIES):
            value = await load() if loaded is None else loaded
            loaded = None
            uri = value.uri if isinstance(value, Upload) else None
            events = [write(message, uri=uri) for message in decide(value)]
            if not events:
                return []
            try:
                return await self._log.append(stream, value.version, events, actor=actor, sealed=sealed)
            except ExpectedVersionError:
                continue
            except UnknownAppendError as error:
                raise (error.sent_again() if is_sent_again else error) from None
        raise UnavailableError("too many changes to the same thing at once.", fix="Try again.")

    async def append(self, login: Login, append: reactor_pb2.AppendEvent) -> int:
        """Record the event that a reactor appends, if the domain allows it, and return its stream's version.

        An event that is recorded there already is not recorded twice: a reactor sends it until it has an answer.

        Raises:
            Error: as `domain.append.append_by_reactor`; `ConflictError` if the stream is at another version.
        """
        event = _event(append)
        stream = upload_stream(append.request_id)
        upload, catalogue, keys = await self._of_append(append.request_id)
        if upload.store != login.store:
            raise unknown_request()
        if append.expected_version != upload.version:
            if _is_there(event, append.expected_version, await self._log.read_stream(stream)):
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
            done = await self._log.append(stream, upload.version, events, actor=login.actor)
        except ExpectedVersionError:
            # An earlier, broken session of this reactor may have recorded this very event just now without an answer.
            # If it is another event, only the reactor knows what that means.
            recorded = await self._log.read_stream(stream)
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
