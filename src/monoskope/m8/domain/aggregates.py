"""Loads the aggregates on which the domain decides, and records its decisions.

What streams fold to is remembered here, and nowhere else. No answer comes of that alone. Either the log is asked for
newer events, or the log refuses what was decided on an older version: then it is asked, and the decision made anew.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Generic, Protocol, Self, TypeVar

from google.protobuf.message import Message

from monoskope.errors import UnavailableError
from monoskope.m8.domain import change, role_bindings, upload
from monoskope.m8.domain.change import Proposal, change_stream
from monoskope.m8.domain.events import CATALOGUE_STREAM, FINGERPRINT_KEY_STREAM, reactor_stream, read, write
from monoskope.m8.domain.fingerprint_key import FingerprintKeyIds
from monoskope.m8.domain.principal import Registration
from monoskope.m8.domain.reactors import Attachments
from monoskope.m8.domain.role_bindings import ROLE_BINDINGS_STREAM, RoleBindings
from monoskope.m8.domain.stores import Catalogue
from monoskope.m8.domain.upload import NEW, Upload
from monoskope.m8.log.documents import Which
from monoskope.m8.log.event_log import EventLog, ExpectedVersionError, RecordedEvent, UnknownAppendError
from monoskope.protocol.events import upload_stream
from monoskope.protocol.outcomes import State

TRIES = 8
"""How often a decision is repeated because another writer was faster."""

KEPT = 1_000
"""How many folded values are kept: the latest used, of those that are worth it."""


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


@dataclass(frozen=True, slots=True)
class Aggregate(Generic[V]):
    """A stream, what it folds to before its first event, and after more of them."""

    stream: str
    new: V
    fold: Callable[[V, Sequence[RecordedEvent]], V]


def each(value: F, events: Sequence[RecordedEvent]) -> F:
    """Return a value after `events`, one after the other."""
    for event in events:
        value = value.after(read(event))
    return value


CATALOGUE = Aggregate(CATALOGUE_STREAM, Catalogue(), each)
"""The stores."""

FINGERPRINT_KEY = Aggregate(FINGERPRINT_KEY_STREAM, FingerprintKeyIds(), each)
"""Which fingerprint key ids count."""

ROLE_BINDINGS = Aggregate(
    ROLE_BINDINGS_STREAM,
    RoleBindings(),
    lambda known, events: role_bindings.fold(known, ((read(event), event.actor, event.position) for event in events)),
)
"""The role bindings."""


def attachments_of(store: str) -> Aggregate[Attachments]:
    """Return the processes that are attached for `store`."""
    return Aggregate(reactor_stream(store), Attachments(), each)


def registration_in(stream: str) -> Aggregate[Registration]:
    """Return whom the name of a stream stands for."""
    return Aggregate(stream, Registration(), each)


def upload_of(request_id: bytes) -> Aggregate[Upload]:
    """Return a request; NEW if there is none."""
    return Aggregate(upload_stream(request_id), NEW, lambda known, events: upload.fold(events, known))


def change_of(change_id: bytes) -> Aggregate[Proposal]:
    """Return a change that was proposed; without events if there is none."""
    return Aggregate(change_stream(change_id), change.NEW, lambda known, events: change.fold(events, known))


def _is_kept(value: Folded) -> bool:
    """Whether a value is worth keeping: no request that ended, and no change, which holds many signatures."""
    return not (isinstance(value, Proposal) or (isinstance(value, Upload) and value.state is State.ENDED))


@dataclass(frozen=True, slots=True)
class Seen:
    """What several streams fold to, and what several documents hold."""

    _folded: Mapping[str, Folded]
    documents: Mapping[Which, bytes | None] = field(default_factory=dict)

    def of(self, aggregate: Aggregate[V]) -> V:
        """Return what one of the streams folds to."""
        value: Any = self._folded[aggregate.stream]
        found: V = value
        return found

    @property
    def versions(self) -> Mapping[str, int]:
        """The version of each stream."""
        return {stream: value.version for stream, value in self._folded.items()}


class Aggregates:
    """The aggregates of one log. Each stream is folded once, and later only its new events."""

    def __init__(self, log: EventLog) -> None:
        self._log = log
        self._kept: OrderedDict[str, Any] = OrderedDict()

    async def get(self, aggregate: Aggregate[V]) -> V:
        """Return what a stream folds to now."""
        return (await self.look(aggregate)).of(aggregate)

    async def look(self, *aggregates: Aggregate[Any], documents: Collection[Which] = ()) -> Seen:
        """Return what streams fold to now, and documents of the same moment, by one read of the log."""
        known = self.remembered(*aggregates)
        found = await self._log.look(known.versions, documents)
        values = {one.stream: self._after(one, known.of(one), found.events[one.stream]) for one in aggregates}
        return Seen(values, found.documents)

    def remembered(self, *aggregates: Aggregate[Any]) -> Seen:
        """Return what streams folded to when they were last looked at: what is recorded since is not in it."""
        return Seen({one.stream: self._known(one) for one in aggregates})

    def _known(self, aggregate: Aggregate[V]) -> V:
        known: V = self._kept.get(aggregate.stream, aggregate.new)
        return known

    def _after(self, aggregate: Aggregate[V], known: V, events: Sequence[RecordedEvent]) -> V:
        """Return a value after `events`, and keep it, unless it is not worth that or a newer one was kept."""
        value = aggregate.fold(known, events) if events else known
        newest = max(value, self._known(aggregate), key=lambda one: one.version)
        self._kept.pop(aggregate.stream, None)
        if newest.version and _is_kept(newest):
            self._kept[aggregate.stream] = newest
            if len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        return value

    async def change(
        self,
        aggregate: Aggregate[V],
        decide: Callable[[V], Sequence[Message]],
        *,
        actor: str,
        sealed: bytes | None = None,
        loaded: V | None = None,
        is_sent_again: bool = False,
    ) -> list[RecordedEvent]:
        """Load, decide, record; begin again whenever another writer recorded first.

        Args:
            aggregate: What is decided on, and where the events go.
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
            known = await self.get(aggregate) if loaded is None else loaded
            loaded = None
            try:
                recorded = await self.record(aggregate, known, decide(known), actor=actor, sealed=sealed)
            except UnknownAppendError as error:
                raise (error.sent_again() if is_sent_again else error) from None
            if recorded is not None:
                return recorded
        raise UnavailableError("too many changes to the same thing at once.", fix="Try again.")

    async def record(
        self,
        aggregate: Aggregate[V],
        known: V,
        messages: Sequence[Message],
        *,
        actor: str,
        sealed: bytes | None = None,
        given: Mapping[str, int] = MappingProxyType({}),
    ) -> list[RecordedEvent] | None:
        """Record what was decided on `known`, and return it as recorded; None if another writer was faster.

        `given` are the versions of other streams that it was decided on, too.

        Raises:
            UnknownAppendError: it may be recorded.
        """
        uri = known.uri if isinstance(known, Upload | Proposal) else None
        events = [write(message, uri=uri) for message in messages]
        if not events:
            return []
        try:
            recorded = await self._log.append(
                aggregate.stream, known.version, events, actor=actor, sealed=sealed, given=given
            )
        except ExpectedVersionError:
            return None
        self._after(aggregate, known, recorded)
        return recorded
