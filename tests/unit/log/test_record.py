"""The log format is final, and any sequence of calls leaves the SQLite log as lists and dictionaries would be."""

from __future__ import annotations

import asyncio
import hashlib
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from monoskope.m8.log import record
from monoskope.m8.log.event_log import GENESIS_HASH, ExpectedVersionError, LogTamperedError, NewEvent, RecordedEvent
from monoskope.m8.log.sqlite import SqliteLog
from monoskope.testing.logs import BrokenProjectorError, ledger, some_time

NAMES = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=40)


def made(event: NewEvent, position: int = 1, previous: bytes = GENESIS_HASH) -> RecordedEvent:
    return record.make(
        event,
        position=position,
        stream="upload/00",
        version=position,
        recorded_at_ms=1_700_000_000_000,
        actor="ann",
        previous_hash=previous,
    )


def test_the_first_record_of_a_log_byte_by_byte() -> None:
    event = made(NewEvent("SecretUploadRequested", b"\x01\x02"))
    assert event.record == b"".join(
        [
            b"\x08\x01",  # position 1
            b"\x12\x09upload/00",  # stream
            b"\x18\x01",  # version 1
            b"\x22\x15SecretUploadRequested",  # type
            b"\x28\x80\xd0\x95\xff\xbc\x31",  # recorded_at_ms
            b"\x32\x03ann",  # actor
            b"\x3a\x02\x01\x02",  # data
            b"\x42\x20" + bytes(32),  # previous_hash
        ]
    )
    assert event.outline == b"".join(
        [
            event.record[: -2 - 4 - 32],
            b"\x42\x20" + bytes(32),  # previous_hash
            b"\x4a\x20" + hashlib.sha256(b"\x01\x02").digest(),  # data_sha256
        ]
    )
    assert event.hash == hashlib.sha256(event.outline).digest()


def test_an_outline_is_no_record() -> None:
    """It would stand in the place of a record whose data nobody has."""
    event = made(NewEvent("SecretUploadRequested", b"\x01\x02"))
    with pytest.raises(LogTamperedError):
        record.parse_strictly(1, event.outline)


def test_empty_data_is_not_written() -> None:
    assert b"\x3a" not in made(NewEvent("A", b"")).record


@given(
    kind=NAMES,
    data=st.binary(max_size=200),
    position=st.integers(1, 2**63 - 1),
    previous=st.binary(min_size=32, max_size=32),
)
def test_a_record_parses_to_what_it_was_made_of(kind: str, data: bytes, position: int, previous: bytes) -> None:
    event = made(NewEvent(kind, data), position, previous)
    assert record.parse(position, event.record) == event


@given(st.binary(max_size=100))
def test_bytes_that_are_no_record_are_named_not_served(noise: bytes) -> None:
    with pytest.raises(LogTamperedError) as caught:
        record.parse(2**40, noise)
    assert caught.value.position == 2**40


def test_a_chain_whose_versions_have_a_gap_does_not_hold() -> None:
    first = made(NewEvent("A", b""))
    second = record.make(
        NewEvent("A", b""),
        position=2,
        stream=first.stream,
        version=3,
        recorded_at_ms=0,
        actor="ann",
        previous_hash=first.hash,
    )
    chain = record.Chain()
    chain.follow((1, first.stream, 1, first.hash), first.record)
    with pytest.raises(LogTamperedError, match="misses a version"):
        chain.follow((2, second.stream, 3, second.hash), second.record)


@pytest.mark.parametrize("columns", [(1, "other", 1), (1, "upload/00", 2)])
def test_columns_that_contradict_the_record_do_not_hold(columns: tuple[int, str, int]) -> None:
    event = made(NewEvent("A", b""))
    with pytest.raises(LogTamperedError, match="not the one that belongs here"):
        record.Chain().follow((*columns, event.hash), event.record)


def test_a_head_that_lags_behind_the_records_does_not_hold() -> None:
    event = made(NewEvent("A", b""))
    chain = record.Chain()
    chain.follow((1, event.stream, 1, event.hash), event.record)
    chain.finish(1, event.hash)
    with pytest.raises(LogTamperedError):
        chain.finish(0, GENESIS_HASH)


def test_a_chain_that_begins_late_does_not_hold() -> None:
    event = made(NewEvent("A", b""), position=2)
    with pytest.raises(LogTamperedError, match="is missing") as caught:
        record.Chain().follow((2, event.stream, 2, event.hash), event.record)
    assert caught.value.position == 1


@pytest.mark.parametrize(
    "appended",
    [b"\x98\x06\x01", b"\x32\x03ann", b"\x3a\x00"],
    ids=["unknown field", "field given twice", "field at its default"],
)
def test_a_record_in_another_form_does_not_hold(appended: bytes) -> None:
    event = made(NewEvent("A", b""))
    forged = event.record + appended
    with pytest.raises(LogTamperedError, match="the one accepted form"):
        record.Chain().follow((1, event.stream, 1, hashlib.sha256(forged).digest()), forged)


STREAMS = st.sampled_from(["a", "b", "ä"])
KEYS = st.sampled_from(["k", "k/1", "k/2", "l", "ü"])
KINDS = st.sampled_from(["Happened", "Kept", "Kept", "Dropped", "Broken"])
EVENTS = st.lists(st.builds(lambda kind, key: NewEvent(kind, key.encode()), KINDS, KEYS), min_size=1, max_size=4)


class LogMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.folder = tempfile.TemporaryDirectory()
        self.events: list[tuple[str, int, str, bytes]] = []
        self.kept: dict[str, bytes] = {}
        self.sealed: dict[bytes, bytes] = {}
        self.beats: dict[str, int] = {}
        self.log = self.open()

    def open(self) -> SqliteLog:
        path = Path(self.folder.name) / "log.db"
        return self.runner.run(SqliteLog.open(path, clock=some_time, projector=ledger))

    def teardown(self) -> None:
        self.runner.run(self.log.close())
        self.runner.close()
        self.folder.cleanup()

    def version(self, stream: str) -> int:
        return sum(1 for event in self.events if event[0] == stream)

    @rule(
        stream=STREAMS, off=st.sampled_from([None, 0, 0, 0, 1]), events=EVENTS, sealed=st.none() | st.binary(max_size=2)
    )
    def append(self, stream: str, off: int | None, events: list[NewEvent], sealed: bytes | None) -> None:
        actual = self.version(stream)
        expected = None if off is None else actual + off
        call = self.log.append(stream, expected, events, actor="ann", sealed=sealed)
        if off == 1:
            with pytest.raises(ExpectedVersionError) as caught:
                self.runner.run(call)
            assert caught.value.actual == actual
            return
        if any(event.type == "Broken" for event in events):
            with pytest.raises(BrokenProjectorError):
                self.runner.run(call)
            return
        recorded = self.runner.run(call)
        for step, (event, new) in enumerate(zip(recorded, events, strict=True), start=1):
            self.events.append((stream, actual + step, new.type, new.data))
            assert event.position == len(self.events)
            if new.type == "Kept":
                self.kept[new.data.decode()] = b"kept at %d" % event.position
            elif new.type == "Dropped":
                self.kept.pop(new.data.decode(), None)
        if sealed is not None:
            self.sealed[hashlib.sha256(sealed).digest()] = sealed

    @rule(pick=st.integers(0, 3))
    def erase(self, pick: int) -> None:
        digests = sorted(self.sealed)[:pick]
        assert self.runner.run(self.log.erase_sealed([*digests, bytes(32)])) == len(digests)
        for digest in digests:
            del self.sealed[digest]
            assert self.runner.run(self.log.sealed(digest)) is None

    @rule(key=KEYS, at_ms=st.integers(0, 9))
    def beat(self, key: str, at_ms: int) -> None:
        self.runner.run(self.log.beat(key, at_ms))
        self.beats[key] = at_ms

    @rule(key=KEYS)
    def forget(self, key: str) -> None:
        self.runner.run(self.log.forget_beat(key))
        self.beats.pop(key, None)

    @rule()
    def rebuild(self) -> None:
        assert self.runner.run(self.log.rebuild()) == len(self.events)

    @rule()
    def reopen(self) -> None:
        self.runner.run(self.log.close())
        self.log = self.open()

    @rule(prefix=st.sampled_from(["", "k", "k/", "l", "z"]), after=st.just("") | KEYS, limit=st.integers(1, 6))
    def scan(self, prefix: str, after: str, limit: int) -> None:
        found = self.runner.run(self.log.scan("kept", prefix=prefix, after=after, limit=limit))
        matching = [pair for pair in sorted(self.kept.items()) if pair[0].startswith(prefix) and pair[0] > after]
        assert found == matching[:limit]

    @rule(after=st.integers(0, 40), limit=st.integers(1, 10))
    def read(self, after: int, limit: int) -> None:
        events = self.runner.run(self.log.read(after=after, limit=limit))
        found = [(event.stream, event.version, event.type, event.data) for event in events]
        assert found == self.events[after : after + limit]

    @rule(stream=STREAMS, after=st.integers(0, 8))
    def read_stream(self, stream: str, after: int) -> None:
        events = self.runner.run(self.log.read_stream(stream, after_version=after))
        found = [(event.stream, event.version, event.type, event.data) for event in events]
        assert found == [event for event in self.events if event[0] == stream and event[1] > after]

    @invariant()
    def holds(self) -> None:
        assert self.runner.run(self.log.check_chain()) == self.runner.run(self.log.head()) == len(self.events)
        counts = {stream: b"%d" % self.version(stream) for stream in "abä" if self.version(stream)}
        assert dict(self.runner.run(self.log.scan("counts", limit=10))) == counts
        assert dict(self.runner.run(self.log.scan("kept", limit=10))) == self.kept
        assert self.runner.run(self.log.beats()) == self.beats


LogMachine.TestCase.settings = settings(stateful_step_count=25)
TestLogModel = LogMachine.TestCase
