"""One user's many requests are that user's own wait."""

from __future__ import annotations

import asyncio

import pytest

from monoskope.errors import RateLimitedError
from monoskope.m8.limits.subjects import RequestLimit


async def test_whoever_has_too_many_open_requests_is_refused_when_time_is_over() -> None:
    limit = RequestLimit(_Count({"loud": 3, "quiet": 2}), most=3)
    with pytest.raises(RateLimitedError) as refused:
        async with limit.place("loud", wait_s=0.01):
            pytest.fail("the limit was passed")
    assert "have not ended" in refused.value.message
    async with limit.place("quiet", wait_s=60):
        pass


async def test_a_waiting_caller_goes_on_when_a_request_ends() -> None:
    open_requests = {"anna": 1}
    limit = RequestLimit(_Count(open_requests), most=1)

    async def ask() -> str:
        async with limit.place("anna", wait_s=30):
            return "in"

    asking = asyncio.create_task(ask())
    await asyncio.sleep(0)
    open_requests["anna"] = 0
    assert await asking == "in"


async def test_a_caller_who_gives_up_does_not_keep_the_turn() -> None:
    open_requests = {"anna": 1}
    limit = RequestLimit(_Count(open_requests), most=1)

    async def ask() -> None:
        async with limit.place("anna", wait_s=30):
            pass

    asking = asyncio.create_task(ask())
    await asyncio.sleep(0)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    open_requests["anna"] = 0
    async with limit.place("anna", wait_s=30):
        pass


class _Count:
    def __init__(self, open_requests: dict[str, int]) -> None:
        self._open = open_requests

    async def __call__(self, subject: str) -> int:
        return self._open.get(subject, 0)
