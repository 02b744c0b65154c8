"""The event log as the rest of m8 sees it: values, errors and the one interface that every engine fulfils.

The rules, which `monoskope.testing.logs` checks of an engine:

- One order. Positions are 1, 2, 3, … over the whole log and versions 1, 2, 3, … within each stream, without a gap, so
  that a reader who has seen position n has seen everything up to n.
- One transaction. Events, their sealed bytes and what the projector makes of them become durable together or not at
  all, before `append` returns.
- One wins. Of several appends that expect the same version of a stream, one is recorded.
- One chain. Every record holds the hash of the record before it. Sealed bytes are not part of it and may be erased.

One file, however long: authors of an engine, and of its callers, read it from top to bottom.

Sources: docs/adr/0005-own-event-log.md, docs/adr/0006-log-format.md.
"""

from __future__ import annotations

import secrets
from abc import abstractmethod
from collections.abc import AsyncGenerator, Callable, Collection, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import TypeAlias

from monoskope.errors import Error
from monoskope.m8.log.documents import Change, Cursor, Delete, Lookup, Put, Where, Which
from monoskope.m8.log.failures import ExpectedVersionError, LogTamperedError, UnknownAppendError
from monoskope.m8.log.tree_rows import TreeRows
from monoskope.value import Value

__all__ = [
    "GENESIS_HASH",
    "MAX_DATA",
    "Change",
    "Cursor",
    "Delete",
    "EventLog",
    "ExpectedVersionError",
    "LogTamperedError",
    "Look",
    "Lookup",
    "NewEvent",
    "Projector",
    "Put",
    "RecordedEvent",
    "UnknownAppendError",
    "no_documents",
]

GENESIS_HASH = bytes(32)
"""What the first record holds as the hash of the record before it."""

MAX_DATA = 4_194_304
"""Bytes in one event's data at most (4 MiB)."""

SCAN_PAGE = 256
"""Documents that `scan_all` reads at once."""


class NewEvent(Value, frozen=True):
    """An event to be appended.

    Attributes:
        type: Name of the message, 1 to 128 bytes of UTF-8.
        data: The message serialised, at most `MAX_DATA` bytes.
        uri: The URI of the secret that it is about, "" for none.
        detail: What `data` says in a few words.
    """

    type: str
    data: bytes
    uri: str = ""
    detail: str = ""


class RecordedEvent(Value, frozen=True):
    """An event as it stands in the log.

    Attributes:
        position: Place in the whole log, from 1.
        stream: Name of its stream.
        version: Place in its stream, from 1.
        type: Name of the message in `data`.
        recorded_at_ms: When it was appended, milliseconds since 1970 by the log's clock. It gives no order.
        actor: Whom m8 had authenticated as the cause.
        data: The message serialised.
        previous_hash: Hash of the record before it, `GENESIS_HASH` in the first one.
        record: The serialised `eventsourcing.v1.Event`, exactly as stored.
        outline: The same with the SHA-256 of `data` in its place: it shows no hash of a secret.
        hash: SHA-256 of `outline`.
        uri: The URI of the secret that it is about, "" for none.
        detail: What `data` says in a few words.
    """

    position: int
    stream: str
    version: int
    type: str
    recorded_at_ms: int
    actor: str
    data: bytes
    previous_hash: bytes
    record: bytes
    outline: bytes
    hash: bytes
    uri: str = ""
    detail: str = ""


class Look(Value, frozen=True):
    """What the log showed at one moment.

    Attributes:
        events: The later events of each stream that was asked for, in their order.
        documents: The body of each document that was asked for, None for one that there is not.
    """

    events: Mapping[str, list[RecordedEvent]]
    documents: Mapping[Which, bytes | None]


Projector: TypeAlias = Callable[[RecordedEvent, Lookup], Iterable[Change]]
"""What an event changes in the documents. Pure: the same events in the same order give the same documents. Its changes
are written as it yields them, so a generator's later lookups see its own earlier changes."""


def no_documents(_event: RecordedEvent, _lookup: Lookup) -> Iterable[Change]:
    """The projector of a log that keeps no documents."""
    return ()


class EventLog(TreeRows):
    """Events in one order, with documents and heartbeats beside them. Bound to the event loop it was opened on.

    Every method raises `UnavailableError` when the engine does not answer or the log is closed; what it was to write
    is then not written, unless that is an `UnknownAppendError`. `ValueError` means that the caller broke a rule stated
    here.
    """

    @property
    def write_failure(self) -> Error | None:
        """The latest failure of the engine to store something for this process, None if there was none.

        Each failure is an object of its own, so that a second one can be told from the first. What the engine refuses
        because of what was written is none: users choose that, and m8's readiness follows this.
        """
        return None

    def serve_alone(self, *, is_alone: bool) -> None:
        """Say whether no other m8 serves this log; until this is said, others do.

        While it is so, an engine that polls for what other processes record may do so less often.
        """

    async def size_bytes(self) -> int:
        """Return how many bytes the log takes on disk, 0 if this engine cannot say."""
        return 0

    async def try_write(self, body: bytes) -> None:
        """Write `body`, durably and into new room, and drop it again: after a failed write this shows that writes work.

        An engine that knows how much room its disk has may look at that, and write less.

        Raises:
            UnavailableError: it could not be stored.
        """
        key = f"m8-probe/{secrets.token_hex(16)}"
        await self.beat(key, 0, body)
        await self.forget_beat(key)

    async def schema_state(self) -> str:
        """Return "ok" if the log has the schema that this m8 knows, else what is wrong, in a few fixed words.

        A newer m8 may have changed it while this one runs.
        """
        return "ok"

    @abstractmethod
    async def append(
        self,
        stream: str,
        expected_version: int | None,
        events: Sequence[NewEvent],
        *,
        actor: str,
        sealed: bytes | None = None,
        given: Mapping[str, int] = MappingProxyType({}),
    ) -> list[RecordedEvent]:
        """Record `events` at the end of `stream`, all or none, and return them as recorded.

        When it returns they are durable, every reader sees them, and the projector's changes are in the documents. A
        caller that is cancelled meanwhile cannot know whether they were recorded.

        Args:
            stream: Name of the stream, 1 to 512 bytes of UTF-8.
            expected_version: The version the stream must be at, 0 if it must have no event; None for any.
            events: At least one.
            actor: Whom m8 authenticated as the cause, 1 to 512 bytes of UTF-8.
            sealed: Bytes to keep in the same transaction under their SHA-256, outside the chain.
            given: The version that each of these other streams must be at, too: the events were decided on them.

        Raises:
            ExpectedVersionError: a stream is at another version.
            UnknownAppendError: the engine was lost while it committed; it is not known yet whether it did.
            Exception: whatever the projector raised; nothing was recorded.
        """

    @abstractmethod
    async def read_stream(self, stream: str, *, after_version: int = 0) -> list[RecordedEvent]:
        """Return every event of `stream` whose version is greater than `after_version`, in order; [] without one."""

    @abstractmethod
    async def look(self, after: Mapping[str, int], documents: Collection[Which] = ()) -> Look:
        """Return what `read_stream` and `get` return of several streams and documents, all of the same moment.

        Args:
            after: The version to begin after, by the name of the stream.
            documents: Some few of them.
        """

    @abstractmethod
    async def read_last(self, streams: Sequence[str]) -> list[RecordedEvent | None]:
        """Return the last event of each of `streams`, in their order, None for a stream without an event."""

    @abstractmethod
    async def read(self, *, after: int, limit: int) -> list[RecordedEvent]:
        """Return up to `limit` (at least 1) events whose position is greater than `after`, in order."""

    @abstractmethod
    def subscribe(self, *, after: int) -> AsyncGenerator[RecordedEvent, None]:
        """Yield every event whose position is greater than `after`, in order, then each new one as it is recorded.

        It never skips a position, whichever process wrote it, and ends when the log is closed. To end it earlier, close
        it (`aclose`, or `contextlib.aclosing`) or cancel its task.
        """

    @abstractmethod
    async def head(self) -> int:
        """Return the last position, 0 if the log is empty."""

    @abstractmethod
    async def sealed(self, sha256: bytes) -> bytes | None:
        """Return the sealed bytes with that SHA-256, None if there were none or they were erased."""

    @abstractmethod
    async def erase_sealed(self, sha256s: Iterable[bytes]) -> int:
        """Erase sealed bytes, from the disk too as far as the engine can, and return how many rows there were.

        It works in pieces, each of them durable, and on a full disk as far as the engine can. The caller makes sure
        that no open request names the bytes. The chain holds without them.
        """

    @abstractmethod
    async def get(self, collection: str, key: str) -> bytes | None:
        """Return the document under `key`, None if there is none."""

    @abstractmethod
    async def scan(self, collection: str, *, prefix: str = "", after: str = "", limit: int) -> list[tuple[str, bytes]]:
        """Return up to `limit` (at least 1) documents whose key starts with `prefix` and is greater than `after`.

        They are in the order of the keys' UTF-8 bytes. The last key of one page is the `after` of the next.
        """

    async def scan_all(self, collection: str) -> AsyncGenerator[tuple[str, bytes], None]:
        """Yield every document of `collection`, in the order of `scan`, read a page at a time."""
        after = ""
        while page := await self.scan(collection, after=after, limit=SCAN_PAGE):
            for key, body in page:
                yield key, body
            after = page[-1][0]

    @abstractmethod
    async def find(
        self, collection: str, where: Where, *, prefix: str = "", after: str = "", limit: int
    ) -> list[tuple[str, bytes]]:
        """Return documents as `scan` does, but only those whose columns meet `where`.

        It uses indexes: how long it takes depends on how many documents it returns, and not on how many there are.
        Documents that were written without columns are never returned.
        """

    @abstractmethod
    async def rebuild(self) -> int:
        """Replay the whole log through the projector into new documents, and return the number of events replayed.

        Readers see the old documents until they see the new ones. Appends go on meanwhile, in this process and in
        others; only the change from the old documents to the new ones holds them up, for 50 milliseconds at most.
        """

    @abstractmethod
    async def check_chain(self) -> int:
        """Check every record, the chain, the positions and the versions, and return the last position.

        What it cannot see: a log rewritten from some position on with all its hashes. Against that, keep the hash of
        the last record elsewhere.

        Raises:
            LogTamperedError: names the first position that does not hold.
        """

    @abstractmethod
    async def beat(self, key: str, at_ms: int, note: bytes = b"") -> None:
        """Record a heartbeat of `key` at `at_ms` (milliseconds since 1970), with a note. The latest call counts."""

    @abstractmethod
    async def beats(self) -> dict[str, int]:
        """Return when the last heartbeat of each key was."""

    @abstractmethod
    async def beat_notes(self) -> dict[str, bytes]:
        """Return the note of each key's latest heartbeat, without empty ones."""

    @abstractmethod
    async def forget_beat(self, key: str) -> None:
        """Drop the heartbeat of `key` and its note, if there is one."""

    @abstractmethod
    async def put_person(self, member: str, person: bytes) -> None:
        """Keep what is known of the person who is `member`, in the place of what was kept.

        People can be forgotten, so they are in no event and in no backup; and what was kept is erased from the disk,
        too, as far as the engine can.
        """

    @abstractmethod
    async def people(self, members: Collection[str]) -> dict[str, bytes]:
        """Return what is kept of those `members` of whom anything is."""

    @abstractmethod
    async def forget_person(self, member: str) -> None:
        """Drop what is kept of `member`, if anything is."""

    @abstractmethod
    async def lease(self, name: str, holder: str, *, ttl_ms: int) -> bool:
        """Take the lease `name` for `holder` for `ttl_ms` from now on, or keep it, and return whether it has it.

        At most one holder has a lease at a time, by the engine's clock. A lease that was not kept is free after its
        time. It spares work, and is no fence: what must not happen twice is decided by expected versions.
        """

    @abstractmethod
    async def release(self, name: str, holder: str) -> None:
        """Give the lease `name` up at once, if `holder` has it."""

    @abstractmethod
    async def cursor(self, name: str) -> Cursor | None:
        """Return where the cursor `name` stands, None if it was never moved."""

    @abstractmethod
    async def move_cursor(self, name: str, was: Cursor | None, now: Cursor) -> bool:
        """Move the cursor `name` from `was` to `now`, durably, and return whether it stood at `was`.

        So of two that move the same cursor at once, one does, and the other one knows. A name has 1 to 128 bytes.
        """

    @abstractmethod
    async def import_records(self, records: Sequence[bytes], sealed: Sequence[bytes] = ()) -> None:
        """Add records byte for byte, and sealed bytes, to a log that is empty or whose import is not finished.

        Durable when it returns. It makes no documents. Until `finish_import` the log says that it is unfinished, and
        opening it for anything but an import is refused.

        Raises:
            LogTamperedError: a record does not follow the one before it.
            ConflictError: the log has events that no import brought.
        """

    @abstractmethod
    async def finish_import(self, *, log_id: str = "") -> int:
        """Make the documents of an imported log, mark the log as finished, and return its last position.

        The log gets the id `log_id` in the transaction that marks it; "" keeps the id that it has.
        """

    @abstractmethod
    async def close(self) -> None:
        """Finish what was accepted, end subscriptions, release everything. A second call does nothing."""
