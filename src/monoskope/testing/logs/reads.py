"""The suite's part on reading: pages, documents, rebuilding, heartbeats."""

from __future__ import annotations

import hashlib
import os

import pytest

from monoskope.m8.log.event_log import MAX_DATA, EventLog, NewEvent, no_documents
from monoskope.testing.log_writer import LogOpener, some_time
from monoskope.testing.logs.harness import BrokenProjectorError, LogHarness, documents, positions, some


async def keep(log: EventLog, *keys: str, kind: str = "Kept") -> None:
    """Have the projector write (or drop) a document under each key."""
    await log.append("keeper", None, [NewEvent(kind, key.encode()) for key in keys], actor="ann")


class Reads(LogHarness):
    """What readers see."""

    async def test_a_stream_is_read_from_any_version(self, log: EventLog) -> None:
        """Only its own events, in order."""
        for stream in "abab":
            await log.append(stream, None, some(2), actor="ann")
        assert [(event.stream, event.version) for event in await log.read_stream("b")] == [
            ("b", n) for n in (1, 2, 3, 4)
        ]
        assert [event.version for event in await log.read_stream("b", after_version=3)] == [4]
        assert await log.read_stream("b", after_version=4) == []
        assert await log.read_stream("B") == []

    async def test_several_streams_are_read_at_once(self, log: EventLog) -> None:
        """Each from a version of its own, in order; a stream without events, too."""
        for stream in ("a", "upload/" + "0f" * 16, "a"):
            await log.append(stream, None, some(2), actor="ann")
        found = (await log.look({"a": 1, "upload/" + "0f" * 16: 0, "none": 0})).events
        versions = {name: [event.version for event in events] for name, events in found.items()}
        assert versions == {"a": [2, 3, 4], "upload/" + "0f" * 16: [1, 2], "none": []}
        assert all(event.stream == name for name, events in found.items() for event in events)
        assert (await log.look({})).events == {}

    async def test_documents_are_read_together_with_streams(self, log: EventLog) -> None:
        """Whichever there are, in any number of both."""
        await log.append("a", 0, [NewEvent("Kept", b"x"), NewEvent("Kept", b"y")], actor="ann")
        wanted = [("kept", "y"), ("kept", "none"), ("counts", "a"), ("kept", "nul\0")]
        found = await log.look({"a": 1, "none": 0}, wanted)
        assert [event.version for event in found.events["a"]] == [2]
        assert dict(found.documents) == dict(zip(wanted, (b"kept at 2", None, b"2", None), strict=True))
        assert (await log.look({}, [("kept", "x")])).documents == {("kept", "x"): b"kept at 1"}

    async def test_the_last_events_of_many_streams_are_read_at_once(self, log: EventLog) -> None:
        """In the order that was asked for, a stream twice if it was named twice."""
        for stream in "abcab":
            await log.append(stream, None, some(2), actor="ann")
        found = await log.read_last(["c", "a", "none", "a"])
        assert [event and (event.stream, event.version) for event in found] == [("c", 2), ("a", 4), None, ("a", 4)]
        assert await log.read_last([]) == []

    async def test_pages_join_without_gap_or_repetition(self, log: EventLog) -> None:
        """Whatever their size."""
        await log.append("a", 0, some(23), actor="ann")
        for limit in (1, 7, 23, 100):
            seen: list[int] = []
            while page := await log.read(after=len(seen), limit=limit):
                assert len(page) <= limit
                seen += positions(page)
            assert seen == list(range(1, 24))

    @pytest.mark.parametrize("limit", [0, -1])
    async def test_a_page_has_room(self, log: EventLog, limit: int) -> None:
        """A limit below 1 is a mistake, not "everything"."""
        with pytest.raises(ValueError, match="limit"):
            await log.read(after=0, limit=limit)
        with pytest.raises(ValueError, match="limit"):
            await log.scan("kept", limit=limit)

    async def test_documents_are_there_when_the_append_returns(self, log: EventLog) -> None:
        """And each event of one append saw what the one before it had changed."""
        await log.append("a", 0, some(3), actor="ann")
        assert await log.get("counts", "a") == b"3"
        assert await log.get("counts", "b") is None
        assert await log.get("other", "a") is None

    async def test_a_document_can_be_deleted(self, log: EventLog) -> None:
        """Deleting what is not there is fine."""
        await keep(log, "x", "y")
        await keep(log, "x", "z", kind="Dropped")
        assert await log.scan("kept", limit=10) == [("y", b"kept at 2")]

    async def test_a_projector_that_fails_leaves_nothing(self, log: EventLog) -> None:
        """No event, no sealed bytes, no document of the same append; the caller gets the error."""
        await keep(log, "x")
        before = await documents(log)
        events = [NewEvent("Kept", b"y"), NewEvent("Dropped", b"x"), NewEvent("Broken", b"")]
        with pytest.raises(BrokenProjectorError):
            await log.append("keeper", 1, events, actor="ann", sealed=b"sealed")
        assert await log.head() == 1
        assert await documents(log) == before
        assert await log.sealed(hashlib.sha256(b"sealed").digest()) is None
        await log.append("keeper", 1, some(), actor="ann")
        assert await log.check_chain() == 2

    async def test_a_rebuilt_log_has_the_documents_of_the_live_one(self, log: EventLog) -> None:
        """Every document, no other."""
        await keep(log, "a", "b", "c")
        await keep(log, "b", "c", kind="Dropped")
        await keep(log, "c")
        live = await documents(log)
        assert await log.rebuild() == 6
        assert await documents(log) == live
        assert live["kept"] == [("a", b"kept at 1"), ("c", b"kept at 6")]

    async def test_rebuilding_drops_what_no_event_makes(self, log: EventLog, opener: LogOpener) -> None:
        """Another projector's documents are gone; events and sealed bytes stay."""
        await log.append("a", 0, [NewEvent("Kept", b"x")], actor="ann", sealed=b"sealed")
        other = await opener(clock=some_time, projector=no_documents)
        assert await other.rebuild() == 1
        assert await documents(log) == {"counts": [], "kept": []}
        assert await log.sealed(hashlib.sha256(b"sealed").digest()) == b"sealed"
        await other.close()
        assert await log.rebuild() == 1
        assert await log.get("kept", "x") == b"kept at 1"

    async def test_a_scan_is_in_the_order_of_bytes(self, log: EventLog) -> None:
        """Not of any language, and case counts."""
        keys = ["b", "B", "a/b", "a-b", "a", "ä", "~", "\U0001f511", "\uffee", "a%", "a_"]
        await keep(log, *keys)
        ordered = sorted(keys, key=lambda key: key.encode())
        assert [key for key, _ in await log.scan("kept", limit=100)] == ordered
        seen: list[str] = []
        while page := await log.scan("kept", after=seen[-1] if seen else "", limit=2):
            seen += [key for key, _ in page]
        assert seen == ordered

    async def test_a_scan_with_a_prefix(self, log: EventLog) -> None:
        """Takes it literally, pages within it, and stops at its end."""
        await keep(log, "app", "app/a", "app/b", "app/c", "app0", "ap%", "a", "b", "ä", "äx")

        async def found(prefix: str, after: str = "", limit: int = 100) -> list[str]:
            return [key for key, _ in await log.scan("kept", prefix=prefix, after=after, limit=limit)]

        assert await found("app/") == ["app/a", "app/b", "app/c"]
        assert await found("app/", limit=2) == ["app/a", "app/b"]
        assert await found("app/", after="app/b") == ["app/c"]
        assert await found("app/", after="app/c") == []
        assert await found("app/", after="a") == ["app/a", "app/b", "app/c"]
        assert await found("ap%") == ["ap%"]
        assert await found("ä") == ["ä", "äx"]
        assert await found("c") == []

    async def test_a_write_that_is_tried_leaves_nothing(self, log: EventLog) -> None:
        """Also one as large as the largest event."""
        await log.beat("one", 5)
        await log.try_write(os.urandom(MAX_DATA))
        await log.try_write(b"")
        assert (await log.beats(), await log.beat_notes(), await log.head()) == ({"one": 5}, {}, 0)

    async def test_heartbeats(self, log: EventLog) -> None:
        """The latest call counts, a forgotten one is gone, and none of it is an event."""
        assert await log.beats() == {}
        await log.beat("one", 5)
        await log.beat("two", 6, b"\x00said")
        await log.beat("one", 7)
        assert await log.beats() == {"one": 7, "two": 6}
        assert await log.beat_notes() == {"two": b"\x00said"}
        await log.beat("one", 7, b"this")
        await log.beat("one", 7, b"that")
        assert await log.beat_notes() == {"one": b"that", "two": b"\x00said"}
        await log.beat("one", 7)
        await log.forget_beat("two")
        assert await log.beat_notes() == {}
        await log.forget_beat("three")
        assert await log.beats() == {"one": 7}
        assert await log.head() == 0

    async def test_people(self, log: EventLog) -> None:
        """The latest call counts, those who are forgotten are gone, and none of it is an event."""
        await log.put_person("user:corp:anna", b"Anna")
        await log.put_person("user:corp:ben", b"\x00Ben")
        await log.put_person("user:corp:anna", b"Anna Meyer")
        asked = ["user:corp:anna", "user:corp:ben", *(f"user:corp:{number}" for number in range(600))]
        assert await log.people(asked) == {"user:corp:anna": b"Anna Meyer", "user:corp:ben": b"\x00Ben"}
        assert await log.people([]) == {}
        await log.forget_person("user:corp:anna")
        await log.forget_person("user:corp:nobody")
        assert await log.people(asked) == {"user:corp:ben": b"\x00Ben"}
        assert await log.head() == 0
