"""m8 processes of one log see one another, and those that cannot serve together do not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from monoskope.errors import RefusedError, UnavailableError
from monoskope.m8.background.presence import Note, Presence, present, replicas
from monoskope.m8.background.timekeeper import Timekeeper
from monoskope.m8.log.event_log import EventLog
from monoskope.m8.service.app import App
from monoskope.m8.service.server_limits import ServerLimits
from tests.support.log_lines import capture_logs
from tests.support.m8_world import PATIENCE_S, World, a_world

SETTINGS = {"audience": "m8", "signing_key": "SHA256:aa", "open_requests_per_user": "100"}


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with a_world(tmp_path, limits=ServerLimits(tick_s=3_600)) as world:
        yield world


def note(address: str, **settings: str) -> Note:
    return Note("1.2", 1, host="host", address=address, settings=SETTINGS | settings)


def process(app: App, name: str) -> App:
    """A process on the same log."""
    return replace(app, replica=f"m8/{name}", leases=set(), news=asyncio.Event())


async def there(world: World) -> list[str]:
    """The m8 processes that are there."""
    return [replica.name for replica in replicas(await world.app.log.beats(), {})]


@pytest.mark.parametrize(
    ("field", "words"),
    [
        ("audience", "another audience: theirs; ours is mine"),
        ("signing_key", "another token signing key: theirs; ours is mine"),
    ],
)
async def test_who_would_refuse_the_tokens_of_another_does_not_start(world: World, field: str, words: str) -> None:
    async with present(process(world.app, "one"), note("one:1", **{field: "theirs"})):
        with pytest.raises(RefusedError, match="the m8 at one:1 on host serves this log") as refused:
            await Presence(process(world.app, "two"), note("two:1", **{field: "mine"})).begin()
        assert words in refused.value.message
        assert await there(world) == ["m8/one"]
    # It is gone, and said so.
    async with present(process(world.app, "two"), note("two:1", **{field: "mine"})):
        pass


async def test_of_two_that_start_at_the_same_moment_one_goes_on(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    one = Presence(process(world.app, "one"), note("one:1", audience="one"))
    two = Presence(process(world.app, "two"), note("two:1", audience="two"))
    looked = asyncio.Barrier(2)
    beat = type(world.app.log).beat

    async def beat_together(log: EventLog, key: str, at_ms: int, said: bytes = b"") -> None:
        await looked.wait()  # both have seen that nobody is there
        await beat(log, key, at_ms, said)
        await looked.wait()

    monkeypatch.setattr(type(world.app.log), "beat", beat_together)
    async with asyncio.timeout(PATIENCE_S):
        ended = await asyncio.gather(one.begin(), two.begin(), return_exceptions=True)
    assert [type(end) for end in ended] == [type(None), RefusedError]
    assert await there(world) == ["m8/one"]


async def test_who_crashed_does_not_keep_its_successor_away(world: World) -> None:
    await Presence(process(world.app, "former"), note("one:1", audience="before")).begin()
    await Presence(process(world.app, "next"), note("one:1", audience="after")).begin()
    with pytest.raises(RefusedError):
        await Presence(process(world.app, "other"), note("two:1", audience="before")).begin()
    for _ in range(12):
        world.clock.pass_s(1)
        await Timekeeper(world.app).tick()
    await Presence(process(world.app, "other"), note("two:1", audience="before")).begin()


async def test_a_different_limit_is_told_once_with_both_values(world: World) -> None:
    async with present(process(world.app, "one"), note("one:1")):
        app = process(world.app, "two")
        async with present(app, note("two:1", open_requests_per_user="7")) as presence:
            with capture_logs() as lines:
                task = asyncio.create_task(presence.run())
                async with asyncio.timeout(PATIENCE_S):
                    for _ in range(3):
                        app.leases.add("timekeeper")
                        app.news.set()
                        while app.news.is_set():
                            await asyncio.sleep(0.001)
                        await world.app.log.head()
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
            [warning] = [line for line in lines if line["level"] == "warning"]
            assert warning["message"] == "open_requests_per_user is 7 here, and 100 there."
            [_, two] = replicas(await world.app.log.beats(), await world.app.log.beat_notes())
            assert two.note.leases == ("timekeeper",)
    assert await there(world) == []


async def test_who_comes_and_who_is_gone_is_named_by_its_address(world: World) -> None:
    app = process(world.app, "two")
    async with present(app, note("two:1")) as presence:
        with capture_logs() as lines:

            async def look(said: int) -> None:
                app.news.set()
                while len(lines) < said:
                    await asyncio.sleep(0.001)

            task = asyncio.create_task(presence.run())
            async with asyncio.timeout(PATIENCE_S):
                async with present(process(world.app, "one"), note("one:1")):
                    await look(1)
                await look(2)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
    said = [(line["event"], line["server"]) for line in lines]
    assert said == [("another m8 serves this log", "one:1 on host"), ("another m8 is gone", "one:1 on host")]


async def test_a_log_that_takes_nothing_hinders_no_start(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def full(_self: EventLog, _key: str, _at_ms: int, _note: bytes = b"") -> None:
        raise UnavailableError("the disk is full.")

    monkeypatch.setattr(type(world.app.log), "beat", full)
    with capture_logs() as lines:
        async with present(world.app, note("one:1")):
            pass
    assert [line["event"] for line in lines] == ["m8 is not announced"]
