"""Any sequence of calls leaves the SQLite log as a few lists and dictionaries would be."""

from __future__ import annotations

import asyncio
import hashlib
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from monoskope.m8.log.event_log import ExpectedVersionError, NewEvent
from monoskope.m8.log.sqlite import SqliteLog
from monoskope.testing.logs import BrokenProjectorError, ledger, some_time

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


LogMachine.TestCase.settings = settings(max_examples=25, stateful_step_count=25)
TestLogModel = LogMachine.TestCase
