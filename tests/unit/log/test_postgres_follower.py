"""Following the log in PostgreSQL, of which every role of the database can say that it has changed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, cast

import pytest

from monoskope.m8.log.postgres.connections import Pool
from monoskope.m8.log.postgres.follower import Follower
from monoskope.m8.log.sql import Tail


@pytest.mark.parametrize("payload", ["1", "9" * 8_000, "", "-1", "\u0663", "\u00b2", "x\n", None])
async def test_a_notification_with_any_text_leads_to_a_look_and_no_more(payload: object) -> None:
    follower = Follower(cast("Any", None), Tail(), cast("Pool", None), lambda: None)
    follower._notified(None, 0, "m8_events", payload)
    assert follower._changed.is_set()


class Silent:
    """A connection, and a pool of such, to a log that is empty and stays so."""

    def __init__(self) -> None:
        self.notify: Callable[..., None] | None = None
        self.reads = 0

    def add_termination_listener(self, _told: object) -> None:
        """Nothing ends it."""

    async def add_listener(self, _channel: str, notify: Callable[..., None]) -> None:
        self.notify = notify

    def is_closed(self) -> bool:
        return False

    def terminate(self) -> None:
        """Nothing is open."""

    async def connect(self) -> Silent:
        return self

    async def run(self, _use: Callable[[Any], Awaitable[Any]]) -> int:
        self.reads += 1
        return 0


@pytest.mark.parametrize("turns", range(5))
async def test_it_ends_though_a_notification_comes_at_the_moment_when_it_is_closed(turns: int) -> None:
    silent = Silent()
    follower = Follower(cast("Any", silent.connect), Tail(), cast("Pool", silent), lambda: None)
    follower.start()
    while silent.reads == 0:
        await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert silent.notify is not None
    silent.notify(None, 0, "m8_events", "1")
    for _ in range(turns):
        await asyncio.sleep(0)
    async with asyncio.timeout(60):
        await follower.close()
