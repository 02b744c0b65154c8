"""The suite's part on appending: order, expected versions, the record, sealed bytes, closing."""

from __future__ import annotations

import asyncio
import hashlib
from itertools import pairwise

import pytest

from monoskope.api.eventsourcing.v1 import event_pb2
from monoskope.errors import ConflictError, UnavailableError
from monoskope.m8.log.event_log import GENESIS_HASH, MAX_DATA, EventLog, ExpectedVersionError, NewEvent
from monoskope.protocol.tlog.merkle import outline
from monoskope.testing.log_writer import LogOpener, some_time
from monoskope.testing.logs.harness import PATIENCE_S, LogHarness, ledger, positions, some


class Appends(LogHarness):
    """What holds of appended events."""

    async def test_the_first_event_begins_order_stream_and_chain(self, log: EventLog) -> None:
        """It is what was given, at position 1, version 1, after 32 zero bytes."""
        [event] = await log.append("a", 0, [NewEvent("Happened", b"\0data")], actor="ann")
        assert (event.position, event.stream, event.version) == (1, "a", 1)
        assert (event.type, event.actor, event.data) == ("Happened", "ann", b"\0data")
        assert event.recorded_at_ms == some_time()
        assert event.previous_hash == GENESIS_HASH
        assert await log.read(after=0, limit=10) == [event]

    async def test_an_empty_log(self, log: EventLog) -> None:
        """It has head 0, no events, and holds."""
        assert await log.head() == 0
        assert await log.read(after=0, limit=10) == []
        assert await log.read_stream("a") == []
        assert await log.check_chain() == 0

    async def test_positions_run_over_streams_and_versions_within_them(self, log: EventLog) -> None:
        """No gap in either."""
        recorded = [event for stream in "abacab" for event in await log.append(stream, None, some(2), actor="ann")]
        assert positions(recorded) == list(range(1, 13))
        versions: dict[str, list[int]] = {}
        for event in recorded:
            versions.setdefault(event.stream, []).append(event.version)
        assert versions == {"a": [1, 2, 3, 4, 5, 6], "b": [1, 2, 3, 4], "c": [1, 2]}
        assert await log.head() == 12
        assert await log.check_chain() == 12

    async def test_a_record_is_the_event_in_its_one_form(self, log: EventLog) -> None:
        """`record` is the serialised message, says what the columns say, and hashes to `hash`."""
        happened = [NewEvent("Happened", b"", "a://b", "in short"), NewEvent("Other", bytes(9), "a://b", "in short")]
        await log.append("ä/b", None, happened, actor="ann@ex")
        events = await log.read(after=0, limit=10)
        for event in events:
            message = event_pb2.Event.FromString(event.record)
            assert message.SerializeToString(deterministic=True) == event.record
            assert (message.position, message.stream, message.version) == (event.position, event.stream, event.version)
            assert (message.type, message.data, message.actor) == (event.type, event.data, event.actor)
            assert (message.recorded_at_ms, message.previous_hash) == (event.recorded_at_ms, event.previous_hash)
            assert (message.uri, message.detail) == (event.uri, event.detail) == ("a://b", "in short")
            assert event.outline == outline(message)
            assert hashlib.sha256(event.outline).digest() == event.hash
        for earlier, later in pairwise(events):
            assert later.previous_hash == earlier.hash

    @pytest.mark.parametrize("expected", [0, 1, 3, 99])
    async def test_another_version_than_expected_is_refused(self, log: EventLog, expected: int) -> None:
        """The error carries the version it is at, and nothing was recorded."""
        await log.append("a", 0, some(2), actor="ann")
        with pytest.raises(ExpectedVersionError) as caught:
            await log.append("a", expected, some(), actor="bob", sealed=b"sealed")
        assert caught.value.actual == 2
        assert isinstance(caught.value, ConflictError)
        assert await log.head() == 2
        assert await log.sealed(hashlib.sha256(b"sealed").digest()) is None

    async def test_what_was_decided_on_other_streams_is_refused_if_one_of_them_has_moved(self, log: EventLog) -> None:
        """Each must be at its version, at 0 without an event, also where no version of its own is expected."""
        await log.append("a", 0, some(2), actor="ann")
        await log.append("b", 0, some(), actor="ann", given={"a": 2, "none": 0})
        for expected, given, stream in ((1, {"a": 1}, "a"), (None, {"a": 3}, "a"), (1, {"a": 2, "none": 1}, "none")):
            with pytest.raises(ExpectedVersionError) as caught:
                await log.append("b", expected, some(), actor="ann", given=given)
            assert caught.value.stream == stream
        with pytest.raises(ExpectedVersionError):
            await log.append("b", 0, some(), actor="ann", given={"a": 2})
        assert await log.head() == 3

    async def test_of_what_waits_together_that_decided_on_a_stream_that_moved_nothing_is_recorded(
        self, log: EventLog, opener: LogOpener
    ) -> None:
        """Also where another opening of the log has moved it."""
        other = await opener(clock=some_time, projector=ledger)
        await log.append("a", 0, some(), actor="ann", given={"moved": 0})
        await other.append("moved", 0, some(), actor="ann")
        together = [log.append(stream, 0, some(), actor="ann", given={"moved": 0}) for stream in "bcd"]
        outcomes = await asyncio.gather(*together, log.append("e", 0, some(), actor="ann"), return_exceptions=True)
        await other.close()
        assert [type(outcome) for outcome in outcomes] == [ExpectedVersionError] * 3 + [list]
        assert await log.head() == 3

    async def test_of_many_that_expect_the_same_version_one_wins(self, log: EventLog) -> None:
        """The others learn the winner's version."""
        attempts = (log.append("a", 0, some(), actor=f"replica {number}") for number in range(32))
        outcomes = await asyncio.gather(*attempts, return_exceptions=True)
        won = [outcome for outcome in outcomes if isinstance(outcome, list)]
        lost = [outcome for outcome in outcomes if isinstance(outcome, ExpectedVersionError)]
        assert (len(won), len(lost)) == (1, 31)
        assert {error.actual for error in lost} == {1}
        assert await log.read_stream("a") == won[0]

    async def test_a_refused_append_does_not_hurt_those_that_wait_with_it(self, log: EventLog) -> None:
        """Every other append is recorded, without a gap."""
        kinds = ["Broken" if number % 3 == 0 else "Happened" for number in range(60)]
        attempts = (log.append(f"s{n}", 0, some(2, kind=kind), actor="ann") for n, kind in enumerate(kinds))
        outcomes = await asyncio.gather(*attempts, return_exceptions=True)
        recorded = [event for outcome in outcomes if isinstance(outcome, list) for event in outcome]
        assert len(recorded) == 80
        assert sorted(positions(recorded)) == list(range(1, 81))
        assert await log.check_chain() == 80
        assert [key for key, _ in await log.scan("counts", limit=100)] == sorted({event.stream for event in recorded})

    @pytest.mark.parametrize(
        ("stream", "kind", "actor", "size"),
        [
            ("", "T", "ann", 0),
            ("s" * 513, "T", "ann", 0),
            ("a\0b", "T", "ann", 0),
            ("\ud800", "T", "ann", 0),
            ("a", "", "ann", 0),
            ("a", "T" * 129, "ann", 0),
            ("a", "T", "", 0),
            ("a", "T", "ann", MAX_DATA + 1),
        ],
    )
    async def test_what_the_format_cannot_hold_is_refused(
        self, log: EventLog, stream: str, kind: str, actor: str, size: int
    ) -> None:
        """`ValueError`, and nothing was recorded."""
        with pytest.raises(ValueError, match=r"bytes|surrogate"):
            await log.append(stream, None, [NewEvent(kind, bytes(size))], actor=actor)
        assert await log.head() == 0

    async def test_an_append_of_nothing_is_refused(self, log: EventLog) -> None:
        """So is a version below 0."""
        with pytest.raises(ValueError, match="at least one"):
            await log.append("a", None, [], actor="ann")
        with pytest.raises(ValueError, match="0 or greater"):
            await log.append("a", -1, some(), actor="ann")

    async def test_the_largest_event_is_taken(self, log: EventLog) -> None:
        """4 MiB of data and the longest names come back as they were."""
        data = bytes(MAX_DATA)
        await log.append("s" * 512, 0, [NewEvent("T" * 128, data)], actor="a" * 512)
        [event] = await log.read(after=0, limit=1)
        assert (event.stream, event.type, event.actor, event.data) == ("s" * 512, "T" * 128, "a" * 512, data)

    async def test_sealed_bytes_lie_apart_under_their_hash(self, log: EventLog) -> None:
        """They are there when the append returns, and in no record."""
        sealed = b"sealed bytes " * 100
        [event] = await log.append("a", 0, some(), actor="ann", sealed=sealed)
        assert await log.sealed(hashlib.sha256(sealed).digest()) == sealed
        assert b"sealed bytes" not in event.record
        assert await log.sealed(bytes(32)) is None

    async def test_erasing_sealed_bytes_leaves_the_chain_whole(self, log: EventLog) -> None:
        """Exactly the named ones go; the log verifies and replays as before."""
        for number in range(4):
            await log.append("a", None, some(), actor="ann", sealed=b"sealed %d" % number)
        digests = [hashlib.sha256(b"sealed %d" % number).digest() for number in range(4)]
        before = await log.read(after=0, limit=10)
        assert await log.erase_sealed([digests[0], digests[2], bytes(32)]) == 2
        assert [await log.sealed(digest) for digest in digests] == [None, b"sealed 1", None, b"sealed 3"]
        assert await log.erase_sealed([digests[0]]) == 0
        assert await log.erase_sealed([]) == 0
        assert await log.read(after=0, limit=10) == before
        assert await log.check_chain() == await log.rebuild() == 4

    async def test_the_same_sealed_bytes_twice_are_one_row(self, log: EventLog) -> None:
        """Their name is their hash."""
        for _ in range(2):
            await log.append("a", None, some(), actor="ann", sealed=b"same")
        assert await log.erase_sealed([hashlib.sha256(b"same").digest()]) == 1

    async def test_everything_outlives_the_process(self, log: EventLog, opener: LogOpener) -> None:
        """A log that is opened anew is the same log."""
        await log.append("a", 0, some(3), actor="ann", sealed=b"sealed")
        await log.beat("reactor", 7)
        before = await log.read(after=0, limit=10)
        await log.close()
        again = await opener(clock=some_time, projector=ledger)
        assert await again.read(after=0, limit=10) == before
        assert await again.get("counts", "a") == b"3"
        assert await again.sealed(hashlib.sha256(b"sealed").digest()) == b"sealed"
        assert await again.beats() == {"reactor": 7}
        [event] = await again.append("a", 3, some(), actor="ann")
        assert (event.position, event.previous_hash) == (4, before[-1].hash)
        await again.close()

    async def test_a_closed_log_refuses(self, log: EventLog) -> None:
        """Closing twice is fine; any other call says that the log is closed."""
        await log.close()
        await log.close()
        with pytest.raises(UnavailableError, match="closed"):
            await log.append("a", None, some(), actor="ann")
        with pytest.raises(UnavailableError, match="closed"):
            await log.head()

    async def test_closing_finishes_what_was_accepted(self, log: EventLog, opener: LogOpener) -> None:
        """Appends that were under way are answered, and what was acknowledged is there."""
        tasks = [asyncio.create_task(log.append(f"s{number}", 0, some(), actor="ann")) for number in range(50)]
        await asyncio.sleep(0)  # lets each task begin
        async with asyncio.timeout(PATIENCE_S):
            await log.close()
            recorded = [event for events in await asyncio.gather(*tasks) for event in events]
        again = await opener(clock=some_time, projector=ledger)
        assert sorted(positions(recorded)) == positions(await again.read(after=0, limit=100)) == list(range(1, 51))
        await again.close()

    async def test_a_cancelled_append_leaves_the_log_usable(self, log: EventLog) -> None:
        """It is recorded or not, whole, and the next one goes on."""
        task = asyncio.create_task(log.append("a", None, some(2), actor="ann"))
        await asyncio.sleep(0)  # lets the task begin
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await log.append("b", 0, some(), actor="ann")
        assert await log.check_chain() in {1, 3}
