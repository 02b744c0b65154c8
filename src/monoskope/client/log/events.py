"""Events as m8 lists them, held against the log as it is pinned: each is made of its record's outline.

What stands in the tree is as it was when the checkpoint was signed: who caused it, what it is about, and when it was
recorded. A list of all events has no gap either. Where m8 leaves some out, because a filter or the caller's rights say
so, nothing shows whether it left out too many.
"""

from __future__ import annotations

import hashlib

from monoskope.api.eventsourcing.v1 import event_pb2
from monoskope.api.gateway.v1 import queries_pb2, views_pb2
from monoskope.client.known.logs import mismatch
from monoskope.protocol.tlog.checkpoint import Checkpoint
from monoskope.protocol.tlog.forms import LogProofError
from monoskope.protocol.tlog.merkle import HASH_BYTES, leaf_hash, verify_batch
from monoskope.protocol.wire import MalformedError, parse
from monoskope.text import counted

NO_LOG = "m8 shows no log that could be checked: these events are its word."


class ShownEvents:
    """One list of events.

    Args:
        tree: The newest checkpoint that is pinned; None if there is none, and then everything is m8's word.
        newest_first: Whether the newest are listed first.
        filtered: Whether only some of the events were asked for.
    """

    def __init__(self, tree: Checkpoint | None, *, newest_first: bool = False, filtered: bool = False) -> None:
        self._tree = tree
        self._newest_first = newest_first
        self._filtered = filtered
        self._last = 0
        """The position of the event shown last, 0 before the first."""
        self._shown = self._newer = self._left_out = 0
        self._sees_all = False

    @property
    def size(self) -> int:
        """Of the tree in which the events must be, 0 for none."""
        return 0 if self._tree is None else self._tree.size

    def proves(self, row: views_pb2.EventSummary) -> bool:
        """Whether a row that was returned stands in the tree."""
        return row.position <= self.size

    def page(self, answer: queries_pb2.ListEventsResponse) -> list[views_pb2.EventSummary]:
        """Return the rows of the next page.

        Raises:
            LogMismatchError: one is not what the log has there, or m8 leaves one out that it may not leave out.
        """
        rows = [row(view) for view in answer.events] if self._tree is not None else list(answer.events)
        proven = {one.position - 1: leaf_hash(one.hash) for one in rows if self.proves(one)}
        if self._tree is not None and proven:
            try:
                verify_batch(proven, self._tree.size, answer.inclusion, self._tree.root)
            except LogProofError as error:
                why = error.message.partition(". ")[0].removesuffix(".")
                raise mismatch(f"m8 shows events that are not those of its log: {why}.") from None
        for one in rows:
            self._count(one)
        self._check_gaps()
        return rows

    def end(self) -> None:
        """Take note that the list has no further page. Raises as `page`."""
        if self._newest_first:
            self._leave_out(0, self._last or self.size + 1)
        else:
            self._leave_out(self._last, self.size + 1)
        self._check_gaps()

    def said(self) -> str:
        """Return what is proven of the list and what is not, in words for people."""
        if self._tree is None:
            return NO_LOG
        log = f"the log as it is pinned, with {counted(self.size, 'entry', 'entries')}"
        if not self._newer:
            told = f"Each event is in {log}."
        elif self._newer < self._shown:
            told = f"Each event is in {log}, but the last {self._newer}: they are m8's word until the next checkpoint."
        else:
            told = f"Each event is newer than {log}, and m8's word until the next checkpoint."
        if self._filtered:
            return f"{told} Whether m8 left some out of a part cannot be shown."
        if self._left_out:
            return f"{told} m8 left out {self._left_out}: that you may not see them is its word."
        return f"{told} None that is in it is missing between them."

    def _count(self, one: views_pb2.EventSummary) -> None:
        at, last = one.position, self._last
        if self._tree is not None and last and (at >= last if self._newest_first else at <= last):
            raise mismatch("m8 shows events twice, or in another order than that of its log.")
        if self._newest_first:
            self._leave_out(at, last or self.size + 1)
        else:
            self._leave_out(last, at)
        self._last = at
        self._shown += 1
        self._newer += not self.proves(one)
        # Only those who may see all events are shown one that is about no secret.
        self._sees_all |= not one.uri

    def _leave_out(self, after: int, before: int) -> None:
        """Count the entries of the tree between two positions that were not shown."""
        self._left_out += max(min(before - 1, self.size) - after, 0)

    def _check_gaps(self) -> None:
        if self._left_out and self._sees_all and not self._filtered:
            raise mismatch("m8 leaves out events of its log, and shows ones that only those who may see all are shown.")


def row(view: views_pb2.EventSummary) -> views_pb2.EventSummary:
    """Return an event as the outline of its record says it, whatever m8 says beside that. Raises `LogMismatchError`."""
    try:
        found = parse(event_pb2.Event, view.outline)
    except MalformedError:
        raise mismatch(f"m8 shows no outline of event {view.position}.") from None
    if found.data or len(found.data_sha256) != HASH_BYTES or not 0 < found.position < 1 << 63:
        raise mismatch(f"m8 shows no outline of event {view.position}.")
    return views_pb2.EventSummary(
        position=found.position,
        stream=found.stream,
        version=found.version,
        type=found.type,
        recorded_at_ms=found.recorded_at_ms,
        actor=found.actor,
        hash=hashlib.sha256(view.outline).digest(),
        uri=found.uri,
        detail=found.detail,
        outline=view.outline,
    )
