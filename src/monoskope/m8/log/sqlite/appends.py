"""Recording the appends of a group: what they come to is worked out in memory, and written by a few statements.

What is known of the log at one head is not read again. Each group reads the head, within its transaction: if another
process has recorded something, or exchanged the documents, nothing is known any more.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence

from monoskope.m8.log.event_log import GENESIS_HASH, Projector
from monoskope.m8.log.group import Group, Head, Known
from monoskope.m8.log.record import Append
from monoskope.m8.log.sqlite import documents, records


class Recorder:
    """Records groups of appends for one process.

    Args:
        projector: What events change in the documents.
        clock: Milliseconds since 1970.
    """

    def __init__(self, projector: Projector, clock: Callable[[], int]) -> None:
        self._projector = projector
        self._clock = clock
        self.forget()

    def forget(self) -> None:
        """Forget what is known: a group was not committed."""
        self._known = Known(Head(-1, GENESIS_HASH, 0))

    def record(self, connection: sqlite3.Connection, appends: Sequence[Append]) -> Group:
        """Record `appends`, each with a verdict of its own, in the transaction that is open, and return their group."""
        self._known.make_room()
        self._read_versions(connection, {stream for one in appends for stream in (one.stream, *one.given)})
        known = self._known
        group = Group(appends, known, self._projector, self._clock)
        while missed := group.plan():
            known.learn(documents.read_many(connection, missed))
        if group.recorded:
            records.add_events(connection, group.recorded)
            for piece in group.pieces:
                if piece.error is None and piece.append.sealed is not None:
                    records.add_sealed(connection, piece.append.sealed)
            documents.write(connection, group.changes)
            known.remember(group)
            head = known.head
            connection.execute("UPDATE head SET position = ?, hash = ?", (head.position, head.hash))
        return group

    def _read_versions(self, connection: sqlite3.Connection, streams: set[str]) -> None:
        unknown = streams - self._known.versions.keys()
        head, versions = records.read_head(connection, unknown)
        if head != self._known.head:
            self._known = Known(head)
            if unknown != streams:
                _, versions = records.read_head(connection, streams)
        self._known.versions.update(versions)
