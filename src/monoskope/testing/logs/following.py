"""The suite's part on subscriptions: catching up, following, leaving, and many writing processes."""

from __future__ import annotations

import asyncio
from asyncio.subprocess import Process
from contextlib import aclosing
from typing import ClassVar

import pytest

from monoskope.m8.log.event_log import EventLog, RecordedEvent
from monoskope.testing.log_writer import LogOpener, Task, some_time, start
from monoskope.testing.logs.harness import PATIENCE_S, LogHarness, ledger, positions, some

APPENDS = 60


async def follow(log: EventLog, *, after: int, upto: int) -> list[RecordedEvent]:
    """What a subscriber from `after` gets until it has position `upto`."""
    seen = []
    async with asyncio.timeout(PATIENCE_S), aclosing(log.subscribe(after=after)) as events:
        async for event in events:
            seen.append(event)
            if event.position >= upto:
                break
    return seen


async def finish(writer: Process) -> list[int]:
    """Let a writer begin, and return the positions that it was given."""
    output, _ = await writer.communicate(b"go\n")
    assert writer.returncode == 0
    return [int(line) for line in output.split()]


class Following(LogHarness):
    """What subscribers get."""

    writers: ClassVar[int] = 16
    """How many processes write at once."""

    async def test_a_subscriber_catches_up_and_then_follows(self, log: EventLog) -> None:
        """The same events that reading gives, old and new."""
        await log.append("a", 0, some(300), actor="ann")
        subscriber = asyncio.create_task(follow(log, after=0, upto=600))
        for version in range(300, 600):
            await log.append("a", version, some(), actor="ann")
        assert await subscriber == await log.read(after=0, limit=1000)

    async def test_a_waiting_subscriber_is_woken(self, log: EventLog) -> None:
        """Each event arrives before the next is written."""
        async with asyncio.timeout(PATIENCE_S), aclosing(log.subscribe(after=0)) as events:
            for version in range(5):
                waiting = asyncio.ensure_future(anext(events))
                await log.head()  # gives it time to find the log empty
                [event] = await log.append("a", version, some(), actor="ann")
                assert await waiting == event

    async def test_a_subscriber_goes_on_from_its_checkpoint(self, log: EventLog, opener: LogOpener) -> None:
        """Also after the log was opened anew: nothing twice, nothing missing."""
        await log.append("a", 0, some(10), actor="ann")
        first = await follow(log, after=0, upto=4)
        await log.close()
        again = await opener(clock=some_time, projector=ledger)
        second = await follow(again, after=first[-1].position, upto=10)
        assert positions(first + second) == list(range(1, 11))
        await again.close()

    async def test_subscribers_do_not_disturb_each_other(self, log: EventLog) -> None:
        """One that leaves early costs the others nothing."""
        subscribers = [asyncio.create_task(follow(log, after=n, upto=20)) for n in range(8)]
        leaving = asyncio.create_task(follow(log, after=0, upto=99))
        await log.append("a", 0, some(10), actor="ann")
        leaving.cancel()
        await log.append("a", 10, some(10), actor="ann")
        for after, subscriber in enumerate(subscribers):
            assert positions(await subscriber) == list(range(after + 1, 21))
        with pytest.raises(asyncio.CancelledError):
            await leaving

    async def test_closing_the_log_ends_its_subscriptions(self, log: EventLog) -> None:
        """Those that wait and those that are in the middle of a page."""
        await log.append("a", 0, some(3), actor="ann")

        async def everything() -> list[int]:
            return [event.position async for event in log.subscribe(after=0)]

        waiting = asyncio.create_task(everything())
        reading = log.subscribe(after=0)
        assert (await anext(reading)).position == 1
        for _ in range(100):
            await log.head()  # gives the waiting one time to catch up and settle
        await log.close()
        async with asyncio.timeout(PATIENCE_S):
            assert (await waiting) in ([], [1, 2, 3])
            assert [event.position async for event in reading] in ([], [2, 3])
            assert [event async for event in log.subscribe(after=0)] == []

    @pytest.mark.parametrize("is_alone", [False, True])
    async def test_a_subscriber_is_woken_by_another_opening_of_the_log(
        self, log: EventLog, opener: LogOpener, *, is_alone: bool
    ) -> None:
        """Two replicas, one log; or a command, beside the only replica."""
        log.serve_alone(is_alone=is_alone)
        other = await opener(clock=some_time, projector=ledger)
        subscriber = asyncio.create_task(follow(log, after=0, upto=20))
        for version in range(20):
            await other.append("a", version, some(), actor="bob")
        assert positions(await subscriber) == list(range(1, 21))
        assert await log.append("a", 20, some(), actor="ann") == await other.read(after=20, limit=10)
        await other.close()

    async def test_a_live_subscriber_skips_no_position_under_many_writing_processes(
        self, log: EventLog, opener: LogOpener
    ) -> None:
        """All that was acknowledged arrives, once, in order, and the chain holds."""
        last = self.writers * APPENDS
        subscriber = asyncio.create_task(follow(log, after=0, upto=last))
        tasks = [Task(opener, f"writer{number}", APPENDS, together=2) for number in range(self.writers)]
        writers = await asyncio.gather(*(start(task) for task in tasks))
        acknowledged = await asyncio.gather(*(finish(writer) for writer in writers))
        assert positions(await subscriber) == list(range(1, last + 1))
        assert sorted(position for given in acknowledged for position in given) == list(range(1, last + 1))
        assert await log.check_chain() == last
