"""Two tasks with one key follow each other; other keys do not wait, and a key that nobody uses is forgotten."""

from __future__ import annotations

import asyncio

import pytest

from monoskope.event_loop import KeyedLock


async def test_tasks_with_one_key_follow_each_other_in_order() -> None:
    locks: KeyedLock[str] = KeyedLock()
    inside: list[int] = []

    async def enter(number: int) -> None:
        async with locks.held("key"):
            inside.append(number)
            await asyncio.sleep(0)
            assert inside[-1] == number

    await asyncio.gather(*(enter(number) for number in range(5)))
    assert inside == [0, 1, 2, 3, 4]


async def test_another_key_does_not_wait() -> None:
    locks: KeyedLock[str] = KeyedLock()
    async with locks.held("one"), asyncio.timeout(60), locks.held("two"):
        assert len(locks) == 2


async def test_a_key_is_forgotten_after_its_last_user() -> None:
    locks: KeyedLock[str] = KeyedLock()
    async with locks.held("key"):
        waiting = asyncio.create_task(_pass(locks))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.wait({waiting})
        assert waiting.cancelled()
        del waiting
        assert len(locks) == 1
        assert locks.held("key").locked()
    assert len(locks) == 0


async def test_an_error_inside_gives_the_lock_back() -> None:
    locks: KeyedLock[str] = KeyedLock()
    with pytest.raises(ZeroDivisionError):
        async with locks.held("key"):
            _ = 1 / 0
    async with asyncio.timeout(60), locks.held("key"):
        pass


async def _pass(locks: KeyedLock[str]) -> None:
    async with locks.held("key"):
        pass
