"""The suite's part on tampering: a change of the stored log that does not rewrite it all is noticed."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from monoskope.api.eventsourcing.v1 import event_pb2
from monoskope.m8.log.event_log import EventLog, LogTamperedError, RecordedEvent
from monoskope.protocol.tlog.merkle import outline
from monoskope.testing.logs.harness import LogHarness, some

LAST = 6


async def fill(log: EventLog) -> list[RecordedEvent]:
    """Six events in two streams."""
    for stream in "abab":
        await log.append(stream, None, some(2 if stream == "a" else 1), actor="ann")
    assert await log.check_chain() == LAST
    return await log.read(after=0, limit=10)


async def first_bad(log: EventLog) -> int:
    """The position that `check_chain` names."""
    with pytest.raises(LogTamperedError) as caught:
        await log.check_chain()
    assert str(caught.value.position) in caught.value.message
    return caught.value.position


def hash_of(record: bytes) -> bytes:
    """Return the hash that the log has of a record."""
    return hashlib.sha256(outline(event_pb2.Event.FromString(record))).digest()


class Tampering(LogHarness):
    """What `check_chain` notices."""

    async def test_any_flipped_bit_of_a_record(self, log: EventLog, tmp_path: Path) -> None:
        """Every byte of the record counts: in one each is flipped, in the first and the last three are."""
        events = await fill(log)
        for position in (1, 3, LAST):
            event = events[position - 1]
            size = len(event.record)
            for index in range(size) if position == 3 else (0, size // 2, size - 1):
                flipped = bytearray(event.record)
                flipped[index] ^= 1 << index % 8
                self.replace_record(tmp_path, position, bytes(flipped), event.hash)
                assert await first_bad(log) == position
            self.replace_record(tmp_path, position, event.record, event.hash)
            assert await log.check_chain() == LAST

    @pytest.mark.parametrize("position", [1, 3, LAST])
    async def test_a_deleted_record(self, log: EventLog, tmp_path: Path, position: int) -> None:
        """The first, one within, and the last."""
        await fill(log)
        self.delete_record(tmp_path, position)
        assert await first_bad(log) == position

    async def test_a_log_cut_off_at_its_end(self, log: EventLog, tmp_path: Path) -> None:
        """The first missing position is named."""
        await fill(log)
        for position in (5, 6):
            self.delete_record(tmp_path, position)
        assert await first_bad(log) == 5

    async def test_exchanged_records(self, log: EventLog, tmp_path: Path) -> None:
        """Each with its right hash."""
        events = await fill(log)
        for one, other in ((1, 2), (2, 4), (3, 6)):
            for place, content in ((one, other), (other, one)):
                self.replace_record(tmp_path, place, events[content - 1].record, events[content - 1].hash)
            assert await first_bad(log) == one
            for place in (one, other):
                self.replace_record(tmp_path, place, events[place - 1].record, events[place - 1].hash)
        assert await log.check_chain() == LAST

    async def test_a_forged_record_with_its_right_hash(self, log: EventLog, tmp_path: Path) -> None:
        """The record after it, or the head for the last one, still names the true hash."""
        events = await fill(log)
        for position in (1, 4, LAST):
            event = events[position - 1]
            message = event_pb2.Event.FromString(event.record)
            message.actor = "eve"
            forged = message.SerializeToString(deterministic=True)
            self.replace_record(tmp_path, position, forged, hash_of(forged))
            assert await first_bad(log) == min(position + 1, LAST)
            self.replace_record(tmp_path, position, event.record, event.hash)
        assert await log.check_chain() == LAST

    async def test_a_record_in_another_form(self, log: EventLog, tmp_path: Path) -> None:
        """An unknown field, one twice, one out of order. Though it says the same and its hash is right."""
        event = (await fill(log))[-1]
        for appended in (b"\x98\x06\x01", b"\x32\x03ann", b"\x08\x06"):
            forged = event.record + appended
            self.replace_record(tmp_path, LAST, forged, hash_of(forged))
            assert await first_bad(log) == LAST, appended
        self.replace_record(tmp_path, LAST, event.record, event.hash)
        assert await log.check_chain() == LAST

    async def test_a_subscriber_does_not_step_over_a_deleted_record(self, log: EventLog, tmp_path: Path) -> None:
        """It stops there instead of going on."""
        await fill(log)
        self.delete_record(tmp_path, 3)
        events = log.subscribe(after=0)
        seen = [(await anext(events)).position, (await anext(events)).position]
        with pytest.raises(LogTamperedError) as caught:
            await anext(events)
        assert seen == [1, 2]
        assert caught.value.position == 3

    async def test_a_record_that_belongs_elsewhere_is_not_served(self, log: EventLog, tmp_path: Path) -> None:
        """Reading does not pass off one record as another."""
        events = await fill(log)
        self.replace_record(tmp_path, 3, events[0].record, events[0].hash)
        with pytest.raises(LogTamperedError):
            await log.read(after=2, limit=1)
        assert await log.read(after=0, limit=1) == events[:1]

    async def test_a_record_of_another_stream_is_not_served_as_one_of_this(self, log: EventLog, tmp_path: Path) -> None:
        """Nor is it taken for a defect of m8."""
        event = (await fill(log))[-1]
        message = event_pb2.Event.FromString(event.record)
        message.stream = "c"
        forged = message.SerializeToString(deterministic=True)
        self.replace_record(tmp_path, LAST, forged, hash_of(forged))
        for reading in (log.read_stream("b"), log.look({"a": 0, "b": 0}), log.read_last(["a", "b"])):
            with pytest.raises(LogTamperedError) as caught:
                await reading
            assert caught.value.position == LAST
