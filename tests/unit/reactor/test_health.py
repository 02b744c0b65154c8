"""What a reactor finds of its engine, and when it says so."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from monoskope import operating_log
from monoskope.api.gateway.v1 import reactor_pb2
from monoskope.api.secrets.v1 import upload_pb2
from monoskope.protocol.receipt import Receipt
from monoskope.reactor.health import Health
from monoskope.reactor.reasons import Failure
from monoskope.reactor.timings import Timings
from monoskope.reactor.work.lookup import failed
from monoskope.stores.driver import CannotReadError, StoreRefusedError, StoreUnavailableError, UnknownOutcomeError
from tests.support.memory_store import MemoryStore
from tests.support.reactor_world import PATIENCE_S
from tests.support.vectors import a_grant, a_request

NEVER = 3_600.0
SAYS_NOTHING = False
WELL = True


class Engine(MemoryStore):
    """Answers as the test wants, and counts how often it was asked."""

    def __init__(self, answer: bool | Exception = WELL) -> None:
        super().__init__()
        self.answer = answer
        self.asked = 0

    async def health(self) -> bool:
        self.asked += 1
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@dataclass
class Found:
    """The parts of one test."""

    engine: Engine
    health: Health
    said: list[reactor_pb2.Heartbeat] = field(default_factory=list)

    async def until_asked(self, times: int) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while self.engine.asked < times:
                await asyncio.sleep(0)

    async def until(self, engine: reactor_pb2.EngineHealth) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while self.health.heartbeat().engine != engine:
                await self.health.news(within=NEVER)


@asynccontextmanager
async def looking(engine: Engine, timings: Timings) -> AsyncIterator[Found]:
    found = Found(engine, Health(engine, timings, now_ms=lambda: 7))
    task = asyncio.create_task(found.health.run())
    try:
        yield found
    finally:
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


def a_failure(reason: upload_pb2.Reason) -> Receipt:
    return failed(a_grant(a_request()), b"", Failure(reason), replica=bytes(16))


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (WELL, reactor_pb2.ENGINE_HEALTH_OK),
        (StoreUnavailableError("away."), reactor_pb2.ENGINE_HEALTH_UNAVAILABLE),
        (StoreRefusedError("no."), reactor_pb2.ENGINE_HEALTH_REFUSED),
        (CannotReadError("no."), reactor_pb2.ENGINE_HEALTH_REFUSED),
        (UnknownOutcomeError("broken."), reactor_pb2.ENGINE_HEALTH_REFUSED),
    ],
)
async def test_what_the_engine_answers_is_said(answer: bool | Exception, expected: reactor_pb2.EngineHealth) -> None:
    engine = Engine(answer)
    async with looking(engine, Timings()) as found:
        await found.until(expected)


@pytest.mark.parametrize("answer", [SAYS_NOTHING, RuntimeError("a defect of the driver")])
async def test_what_cannot_be_told_is_not_said(answer: bool | Exception) -> None:
    engine = Engine(answer)
    async with looking(engine, Timings(health_again=0.0, health=0.0)) as found:
        await found.until_asked(3)
        assert found.health.heartbeat().engine == reactor_pb2.ENGINE_HEALTH_UNSPECIFIED


async def test_the_operating_log_says_how_the_engine_is_once_for_each_change(tmp_path: Path) -> None:
    engine = Engine()
    with operating_log.written_to(tmp_path / "reactor.log"):
        async with looking(engine, Timings(health=0.01, health_again=0.01)) as found:
            await found.until_asked(2)
            engine.answer = StoreUnavailableError("x")
            await found.until(reactor_pb2.ENGINE_HEALTH_UNAVAILABLE)
    lines = [json.loads(line) for line in (tmp_path / "reactor.log").read_text().splitlines()]
    assert [(line["event"], line["health"]) for line in lines] == [("engine", "OK"), ("engine", "UNAVAILABLE")]


async def test_an_engine_that_never_answers_is_unavailable() -> None:
    class Silent(Engine):
        async def health(self) -> bool:
            await asyncio.Event().wait()
            return True

    async with looking(Silent(), Timings(connect=0.0)) as found:
        await found.until(reactor_pb2.ENGINE_HEALTH_UNAVAILABLE)


async def test_while_it_is_down_it_is_asked_again_and_its_return_is_news() -> None:
    engine = Engine(StoreUnavailableError("away."))
    async with looking(engine, Timings(health=NEVER, health_again=0.0)) as found:
        await found.until(reactor_pb2.ENGINE_HEALTH_UNAVAILABLE)
        await found.until_asked(3)
        engine.answer = WELL
        await found.until(reactor_pb2.ENGINE_HEALTH_OK)


@pytest.mark.parametrize(
    "reason",
    [upload_pb2.REASON_UPSTREAM_UNAVAILABLE, upload_pb2.REASON_UPSTREAM_REFUSED, upload_pb2.REASON_OUTCOME_UNKNOWN],
)
async def test_a_failure_that_may_be_the_engines_has_it_asked_at_once(reason: upload_pb2.Reason) -> None:
    engine = Engine()
    async with looking(engine, Timings(health=NEVER, health_again=0.0)) as found:
        await found.until(reactor_pb2.ENGINE_HEALTH_OK)
        engine.answer = StoreUnavailableError("away.")
        # Asked once or twice by now, and then no more of its own accord.
        await asyncio.sleep(0)
        found.health.ended(a_failure(reason))
        await found.until(reactor_pb2.ENGINE_HEALTH_UNAVAILABLE)


async def test_each_look_that_finds_it_away_is_news_for_a_user_may_wait_for_it() -> None:
    engine = Engine(StoreUnavailableError("away."))
    async with looking(engine, Timings(health=NEVER, health_again=0.0)) as found:
        await found.until(reactor_pb2.ENGINE_HEALTH_UNAVAILABLE)
        for _ in range(3):
            found.health.heartbeat()
            await asyncio.wait_for(found.health.news(within=NEVER), PATIENCE_S)


async def test_a_failed_request_is_told_and_makes_no_engine_unavailable() -> None:
    health = Health(Engine(), Timings(), now_ms=lambda: 7)
    health.ended(a_failure(upload_pb2.REASON_CONFLICT))
    await asyncio.wait_for(health.news(within=NEVER), PATIENCE_S)
    assert health.heartbeat() == reactor_pb2.Heartbeat(last_failure=upload_pb2.REASON_CONFLICT, last_failure_at_ms=7)


async def test_without_news_the_next_heartbeat_says_the_same_in_its_time_and_no_earlier() -> None:
    engine = Engine()
    async with looking(engine, Timings(health=NEVER, health_again=NEVER)) as found:
        await found.until(reactor_pb2.ENGINE_HEALTH_OK)
        waiting = asyncio.create_task(found.health.news(within=NEVER))
        for _ in range(10):
            await asyncio.sleep(0)
        assert not waiting.done()
        waiting.cancel()
        await asyncio.wait_for(found.health.news(within=0.0), PATIENCE_S)
        assert found.health.heartbeat().engine == reactor_pb2.ENGINE_HEALTH_OK
        assert engine.asked == 1
