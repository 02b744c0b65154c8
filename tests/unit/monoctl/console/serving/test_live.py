"""The live stream: what each page is told, and what becomes of one that does not listen."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any, cast

from monoskope.api.gateway.v1 import views_pb2
from monoskope.client.queries import Queries
from monoskope.client.walk.task import Progress, Stage
from monoskope.errors import LogMismatchError, NotReachedError, UnauthenticatedError
from monoskope.monoctl.console.live import MOST_BYTES, MOST_WAITING, Live, follow_events
from monoskope.monoctl.output.formats import Document
from monoskope.uri import SecretUri


async def said(lines: AsyncGenerator[bytes, None]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(await anext(lines))
    return found


async def test_every_page_is_told_and_a_later_one_hears_whether_m8_is_away() -> None:
    live = Live()
    first = live.lines([])
    assert await said(first) == {"kind": "m8", "away": "", "stop": None}
    live.m8("it is away.")
    live.m8("it is away.")
    live.note("a note")
    live.people({"user:corp:anna": '"Anna" (corp:anna)'})
    live.progress(Progress(SecretUri.parse("vault://a"), b"\x01" * 16, Stage.SENT))
    later = live.lines([])
    assert await said(later) == {"kind": "m8", "away": "it is away.", "stop": None}
    live.people({"user:corp:anna": "user:corp:anna"})
    assert [await said(later) for _ in range(2)] == [
        {"kind": "people", "shown": {"user:corp:anna": '"Anna" (corp:anna)'}},
        {"kind": "people", "shown": {"user:corp:anna": "user:corp:anna"}},
    ]
    assert [await said(first) for _ in range(4)] == [
        {"kind": "m8", "away": "it is away.", "stop": None},
        {"kind": "note", "text": "a note"},
        {"kind": "people", "shown": {"user:corp:anna": '"Anna" (corp:anna)'}},
        {"kind": "progress", "uri": "vault://a", "request_id": "01" * 16, "stage": "SENT", "end": "", "touch": False},
    ]
    for page in (first, later):
        await page.aclose()


async def test_a_stream_says_that_it_lives() -> None:
    lines = Live(tick_s=0.001).lines([])
    await anext(lines)
    assert await said(lines) == {"kind": "tick"}
    await lines.aclose()


async def test_a_page_that_does_not_listen_has_its_stream_ended_and_the_others_go_on() -> None:
    live = Live()
    asleep, awake = live.lines([]), live.lines([])
    await anext(asleep)
    await anext(awake)
    for number in range(MOST_WAITING + 1):
        live.note(str(number))
        assert await said(awake) == {"kind": "note", "text": str(number)}
    assert len([one async for one in asleep]) <= 1
    await awake.aclose()


async def test_long_texts_wait_for_a_page_in_a_bounded_place() -> None:
    live = Live()
    asleep = live.lines([])
    await anext(asleep)
    for _ in range(MOST_BYTES // 1_000_000 + 1):
        live.note(1_000_000 * "x")
    assert len([one async for one in asleep]) <= 1


class Log:
    """The queries of an m8 that breaks off, refuses, and comes back."""

    def __init__(self) -> None:
        self.runtime = self
        self.slept = asyncio.Event()
        self.asked: list[int] = []
        self.parts: list[list[views_pb2.EventSummary] | Exception | int] = []
        """What comes next: events, a refusal, or the head of a log that was restored."""
        self.at = 3

    async def sleep(self, seconds: float) -> None:
        if not self.parts:
            self.slept.set()
            await asyncio.Event().wait()
        assert seconds <= 5

    async def head(self) -> int:
        if isinstance(self.parts[0], Exception):
            raise self.parts.pop(0)  # type: ignore[misc]
        if isinstance(self.parts[0], int):
            self.at = self.parts.pop(0)  # type: ignore[assignment]
        return self.at

    async def watch(self, *, after: int) -> AsyncIterator[views_pb2.EventSummary]:
        self.asked.append(after)
        for event in self.parts.pop(0):  # type: ignore[union-attr]
            self.at = max(self.at, event.position)
            yield event
        raise NotReachedError("it broke.", fix="Wait.")

    async def followed(self, *told: Any) -> None:
        """Have its events followed until nothing comes any more."""
        hearing = asyncio.create_task(follow_events(cast("Queries", self), *told))
        await self.slept.wait()
        hearing.cancel()


async def test_each_event_is_heard_once_over_every_break_and_every_refusal() -> None:
    log = Log()
    events = [views_pb2.EventSummary(position=number) for number in range(3, 8)]
    away = NotReachedError("it is away.", fix="Try `server`.")
    log.parts = [away, events[1:3], UnauthenticatedError("your token has expired."), events[1:5], []]
    began = asyncio.Event()
    heard: list[int] = []
    told: list[str] = []

    def tell(why: str, stop: Document | None) -> None:
        assert stop is None
        told.append(why)

    await log.followed(began.set, lambda event: heard.append(event.position), tell)
    assert began.is_set()
    assert (heard, log.asked) == ([4, 5, 6, 7], [3, 5, 7])
    broke = ("", "it broke.")
    assert told == ["it is away. Try `server`.", *broke, "your token has expired.", *broke, *broke]


async def test_a_log_that_does_not_hold_is_told_with_its_notes_also_to_a_page_that_comes_later() -> None:
    log, live = Log(), Live()
    mismatch = LogMismatchError("it has two different trees.", fix="Ask.")
    mismatch.notes = ("one\n", "other\n")
    log.parts = [mismatch]
    await log.followed(lambda: None, lambda _event: None, live.m8)
    page = live.lines([])
    told = await said(page)
    assert (told["away"], told["stop"]["code"]) == ("it has two different trees. Ask.", "LOG_MISMATCH")
    assert told["stop"]["notes"] == ["one\n", "other\n"]
    await page.aclose()


async def test_a_log_that_is_shorter_than_before_is_heard_anew() -> None:
    log = Log()
    log.parts = [[views_pb2.EventSummary(position=4), views_pb2.EventSummary(position=5)]]
    log.parts += [2, [views_pb2.EventSummary(position=3)]]
    began: list[int] = []
    heard: list[int] = []
    await log.followed(
        lambda: began.append(log.at), lambda event: heard.append(event.position), lambda _why, _stop: None
    )
    assert (began, heard) == ([3, 2], [4, 5, 3])
