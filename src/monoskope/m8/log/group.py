"""What a group of waiting appends would record, worked out in memory from what is known at one head of the log. Pure.

Each append of the group keeps its own verdict. A document that is looked up and is not known is taken to be absent, as
most of those are; `plan` returns all that was missed, so that one query brings it, and is called again. Then only that
is projected again which was shown something else.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

from monoskope.m8.log.documents import Change, Put, Which
from monoskope.m8.log.event_log import ExpectedVersionError, Projector, RecordedEvent
from monoskope.m8.log.record import Append


@dataclass(frozen=True, slots=True)
class _Projected:
    """What the projector made of some events, and all that it was shown for that."""

    events: Sequence[RecordedEvent]
    reads: Mapping[Which, bytes | None]
    changes: Mapping[Which, Change]


class Projection:
    """What a projector changes, worked out in passes over the same pieces, until all that it looks up is known.

    What a projector changes depends on the event and on what it looks up alone. So a piece that would be shown the same
    as in the pass before it is not projected again.

    Args:
        projector: What events change.
        documents: Bodies by collection and key, None where there is no document. It may grow between two passes.
    """

    def __init__(self, projector: Projector, documents: Mapping[Which, bytes | None]) -> None:
        self.changes: dict[Which, Change] = {}
        """What is written in the end."""
        self.missed: set[Which] = set()
        """What was looked up in this pass and is not known: it was taken to be absent."""
        self._projector = projector
        self._documents = documents
        self._projected: dict[int, _Projected] = {}

    def begin(self) -> None:
        """Begin a pass, in which all pieces come in their order."""
        self.changes, self.missed = {}, set()

    def project(self, index: int, events: Sequence[RecordedEvent]) -> None:
        """Add what the piece at place `index` changes.

        Raises:
            Exception: what the projector raises, which may be without cause if anything is missed. Nothing is added.
        """
        projected = self._projected.get(index)
        if projected is None or projected.events is not events or not self._holds(projected):
            projected = self._projected[index] = self._project(events)
        self.changes.update(projected.changes)

    def _holds(self, projected: _Projected) -> bool:
        """Whether the projector would be shown the same."""
        return all(self._read(which) == body for which, body in projected.reads.items())

    def _project(self, events: Sequence[RecordedEvent]) -> _Projected:
        own: dict[Which, Change] = {}
        reads: dict[Which, bytes | None] = {}

        def lookup(collection: str, key: str) -> bytes | None:
            which = (collection, key)
            change = own.get(which)
            if change is not None:
                return change.body if isinstance(change, Put) else None
            if which not in reads:
                reads[which] = self._read(which)
            return reads[which]

        for event in events:
            for change in self._projector(event, lookup):
                own[change.collection, change.key] = change
        return _Projected(events, reads, own)

    def _read(self, which: Which) -> bytes | None:
        """Return a document as the pieces before this one leave it."""
        change = self.changes.get(which)
        if change is not None:
            return change.body if isinstance(change, Put) else None
        try:
            return self._documents[which]
        except KeyError:
            self.missed.add(which)
            return None


@dataclass(frozen=True, slots=True)
class Head:
    """The last record of the log, and the fence, which grows when whatever is known of the documents ends to hold."""

    position: int
    hash: bytes
    fence: int


KEPT = 2_000
"""How many documents, and how many streams, are remembered; then memory is cleared."""

KEPT_BYTES = 4_194_304
"""How many bytes of documents are remembered, each counted as often as it was read or written; then, too."""


@dataclass(slots=True)
class Known:
    """What is known of the database at `head`. It holds only while the database's own head is that one.

    Attributes:
        head: The head that the rest belongs to.
        versions: The version of streams, by name.
        documents: Bodies by collection and key, None where there is no document; added by `learn`.
    """

    head: Head
    versions: dict[str, int] = field(default_factory=dict)
    documents: dict[Which, bytes | None] = field(default_factory=dict)
    size: int = 0
    """Bytes taken in."""

    def make_room(self) -> None:
        """Forget documents and streams if they are too many. Only between two groups."""
        if max(len(self.documents), len(self.versions)) > KEPT or self.size > KEPT_BYTES:
            self.documents.clear()
            self.versions.clear()
            self.size = 0

    def learn(self, documents: Mapping[Which, bytes | None]) -> None:
        """Take in what documents hold at `head`."""
        self.documents.update(documents)
        self.size += sum(len(body) for body in documents.values() if body)

    def remember(self, group: Group) -> None:
        """Take in what a group recorded that was worked out on this."""
        last = group.recorded[-1]
        self.head = Head(last.position, last.hash, self.head.fence)
        self.versions.update(group.assumed)
        self.versions.update((event.stream, event.version) for event in group.recorded)
        self.learn({(one.collection, one.key): one.body if isinstance(one, Put) else None for one in group.changes})


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
        self.recorded: list[RecordedEvent] = []
        """Every event of the group, in order."""
        self._projection = Projection(projector, known.documents)
        self._clock = clock
        self._missed: set[Which] = set()

    @property
    def changes(self) -> Collection[Change]:
        """What is written to documents, each of them once."""
        return self._projection.changes.values()

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
        if self._missed and all(self.known.documents[which] is None for which in self._missed):
            return set()  # all of it was taken for what it is
        self._missed = set()
        self._projection.begin()
        self.assumed = {}
        versions: dict[str, int] = {}
        position, previous = self.known.head.position, self.known.head.hash
        now, may_stand = self._clock(), True
        for index, piece in enumerate(self.pieces):
            append, piece.error = piece.append, None
            for stream in (append.stream, *append.given):
                if stream not in versions:
                    versions[stream] = self._base(stream, append.expected)
            try:
                append.require(versions)
            except ExpectedVersionError as error:
                piece.error = error
                continue
            self._make(piece, position, versions[append.stream], previous, now)
            try:
                self._projection.project(index, piece.recorded)
            except Exception as error:  # noqa: BLE001  its caller is told
                # With something missed it may be without cause: it is tried again.
                if not self._projection.missed:
                    piece.error = error
                    continue
                may_stand = False
            versions[append.stream] = piece.recorded[-1].version
            position, previous = piece.recorded[-1].position, piece.recorded[-1].hash
        self.recorded = [event for piece in self.pieces if piece.error is None for event in piece.recorded]
        self._missed = self._projection.missed if may_stand else set()
        return self._projection.missed

    def _base(self, stream: str, expected: Mapping[str, int]) -> int:
        known = self.known.versions.get(stream)
        if known is None:  # it is expected: `unknown_streams` were read
            known = self.assumed[stream] = expected[stream]
        return known

    @staticmethod
    def _make(piece: Piece, position: int, version: int, previous: bytes, now: int) -> None:
        """Make the records, unless they were made for this place already."""
        append = piece.append
        made = piece.recorded
        if made and (made[0].position, made[0].version, made[0].previous_hash) == (position + 1, version + 1, previous):
            return
        piece.recorded = append.made(position, version, previous, now_ms=now)
