"""What a group of waiting appends would record, worked out in memory from what is known at one head of the log. Pure.

Each append of the group keeps its own verdict. A projector that looks up a document that is not known here is stopped;
`plan` returns what was missed, for all appends at once, so that one query brings it, and is called again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from monoskope.m8.log import record
from monoskope.m8.log.documents import Change, Put
from monoskope.m8.log.event_log import ExpectedVersionError, NewEvent, Projector, RecordedEvent

Which: TypeAlias = tuple[str, str]
"""The collection and the key of a document."""


class MissingError(BaseException):
    """Stops a projector that looks up a document that is not known. No `except Exception` of a projector takes it."""

    def __init__(self, which: Which) -> None:
        self.which = which


class OutOfOrderError(BaseException):
    """Stops a projector that looks up what an append after it has written."""


class Projection:
    """What a projector changes, over pieces that may be projected out of their order.

    Args:
        projector: What events change.
        documents: Bodies by collection and key, None where there is no document. It may grow meanwhile.
    """

    def __init__(self, projector: Projector, documents: Mapping[Which, bytes | None]) -> None:
        self.changes: dict[Which, tuple[int, Change]] = {}
        """What is written in the end, with the place of the piece that wrote it last."""
        self._projector = projector
        self._documents = documents
        self._readers: dict[Which, int] = {}

    def project(self, index: int, events: Iterable[RecordedEvent]) -> None:
        """Add what the piece at place `index` changes.

        Raises:
            MissingError: it looks up a document that is not known.
            OutOfOrderError: a later piece was projected before it, and one of the two must see the other's changes.
            Exception: what the projector raises. Nothing is added then.
        """
        own: dict[Which, Change] = {}

        def lookup(collection: str, key: str) -> bytes | None:
            which = (collection, key)
            change = own.get(which)
            if change is None:
                return self._read(index, which)
            return change.body if isinstance(change, Put) else None

        for event in events:
            for change in self._projector(event, lookup):
                own[change.collection, change.key] = change
        for which in own:
            if self._readers.get(which, -1) > index or (which in self.changes and self.changes[which][0] > index):
                raise OutOfOrderError
        for which, change in own.items():
            self.changes[which] = (index, change)

    def _read(self, index: int, which: Which) -> bytes | None:
        """Return a document as the pieces before `index` leave it."""
        self._readers[which] = max(index, self._readers.get(which, 0))
        writer, change = self.changes.get(which, (-1, None))
        if writer > index:
            raise OutOfOrderError
        if change is not None:
            return change.body if isinstance(change, Put) else None
        try:
            return self._documents[which]
        except KeyError:
            raise MissingError(which) from None


def discover(events: Iterable[RecordedEvent], projector: Projector, known: Mapping[Which, bytes | None]) -> set[Which]:
    """Return documents that `projector` probably looks up for `events` and that are not known.

    It projects as if no unknown document existed, and throws what comes of it away: so one query brings nearly all that
    is missed, and the events need not be projected again for each.
    """
    own: dict[Which, bytes | None] = {}
    missed: set[Which] = set()

    def lookup(collection: str, key: str) -> bytes | None:
        which = (collection, key)
        if which in own:
            return own[which]
        if which not in known:
            missed.add(which)
        return known.get(which)

    for event in events:
        try:
            for change in projector(event, lookup):
                own[change.collection, change.key] = change.body if isinstance(change, Put) else None
        except Exception:  # noqa: BLE001, S112 - it was not shown what is there; it is asked again with all of it
            continue
    return missed


@dataclass(frozen=True, slots=True)
class Head:
    """The last record of the log, and the fence, which grows when whatever is known of the documents ends to hold."""

    position: int
    hash: bytes
    fence: int


@dataclass(frozen=True, slots=True)
class Append:
    """One append that waits."""

    stream: str
    expected_version: int | None
    events: Sequence[NewEvent]
    actor: str
    sealed: bytes | None = field(repr=False)

    @property
    def size(self) -> int:
        """About how many bytes it records."""
        return len(self.sealed or b"") + sum(len(event.data) for event in self.events)


@dataclass(slots=True)
class Known:
    """What is known of the database at `head`.

    Attributes:
        head: The head that the rest belongs to.
        versions: The version of streams, by name.
        documents: Bodies by collection and key, None where there is no document.
    """

    head: Head
    versions: dict[str, int] = field(default_factory=dict)
    documents: dict[Which, bytes | None] = field(default_factory=dict)


@dataclass(slots=True)
class Piece:
    """What becomes of one append: `error`, or `recorded`."""

    append: Append
    recorded: list[RecordedEvent] = field(default_factory=list)
    error: Exception | None = None


class Group:
    """Works out one group.

    Args:
        appends: In their order.
        known: What is known; `plan` changes nothing in it.
        projector: What events change.
        clock: Milliseconds since 1970.
    """

    def __init__(self, appends: Sequence[Append], known: Known, projector: Projector, clock: Callable[[], int]) -> None:
        self.known = known
        self.pieces = [Piece(append) for append in appends]
        self.assumed: dict[str, int] = {}
        """The versions that streams were taken to be at because an append expects it."""
        self._projector = projector
        self._projection = Projection(projector, known.documents)
        self._clock = clock
        self._open: list[int] = []

    @property
    def recorded(self) -> list[RecordedEvent]:
        """Every event of the group, in order."""
        return [event for piece in self.pieces if piece.error is None for event in piece.recorded]

    @property
    def changes(self) -> list[Change]:
        """What is written to documents, each of them once."""
        return [change for _, change in self._projection.changes.values()]

    def unknown_streams(self) -> set[str]:
        """Return the streams whose version must be read, because their first append expects none."""
        unknown, seen = set(), set(self.known.versions)
        for piece in self.pieces:
            append = piece.append
            if append.stream not in seen and append.expected_version is None:
                unknown.add(append.stream)
            seen.add(append.stream)
        return unknown

    def plan(self) -> set[Which]:
        """Work the group out and return the documents that must be read first; nothing if it is done."""
        if not self._open:
            return self._all()
        missed: set[Which] = set()
        left = []
        for index in self._open:
            try:
                self._projection.project(index, self.pieces[index].recorded)
            except MissingError as missing:
                missed.add(missing.which)
                left.append(index)
            except OutOfOrderError:
                return self._all()
            except Exception:  # noqa: BLE001  it is raised again in order, and kept there
                return self._all()
        self._open = left
        return missed

    def _all(self) -> set[Which]:
        """Work out every append in order."""
        self._projection = Projection(self._projector, self.known.documents)
        self._open, self.assumed = [], {}
        missed: set[Which] = set()
        versions: dict[str, int] = {}
        position, previous = self.known.head.position, self.known.head.hash
        now = self._clock()
        for index, piece in enumerate(self.pieces):
            append, piece.error = piece.append, None
            version = versions.get(append.stream, -1)
            if version < 0:
                version = self._base(append)
            versions[append.stream] = version
            if append.expected_version not in (None, version):
                assert append.expected_version is not None, "None is taken above"
                piece.error = ExpectedVersionError(append.stream, expected=append.expected_version, actual=version)
                continue
            self._make(piece, position, version, previous, now)
            try:
                self._projection.project(index, self.pieces[index].recorded)
            except MissingError as missing:
                missed.add(missing.which)
                self._open.append(index)
            except Exception as error:  # noqa: BLE001  its caller is told
                # Behind an append whose changes are not known yet, it may be without cause: it is tried again.
                if not self._open:
                    piece.error = error
                    continue
                self._open.append(index)
            versions[append.stream] = piece.recorded[-1].version
            position, previous = piece.recorded[-1].position, piece.recorded[-1].hash
        return missed

    def _base(self, append: Append) -> int:
        """The version of a stream before this group."""
        known = self.known.versions.get(append.stream)
        if known is None:
            assert append.expected_version is not None, "unknown_streams were read"
            known = self.assumed[append.stream] = append.expected_version
        return known

    @staticmethod
    def _make(piece: Piece, position: int, version: int, previous: bytes, now: int) -> None:
        """Make the records, unless they were made for this place already."""
        append = piece.append
        made = piece.recorded
        if made and (made[0].position, made[0].version, made[0].previous_hash) == (position + 1, version + 1, previous):
            return
        piece.recorded = []
        for step, new in enumerate(append.events, start=1):
            event = record.make(
                new,
                position=position + step,
                stream=append.stream,
                version=version + step,
                recorded_at_ms=now,
                actor=append.actor,
                previous_hash=previous,
            )
            piece.recorded.append(event)
            previous = event.hash
