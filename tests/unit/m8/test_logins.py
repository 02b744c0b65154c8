"""Who may try to log in while logins fail: a flood costs its own address, and shuts nobody else out."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from monoskope.errors import UnavailableError
from monoskope.m8.limits.logins import ATTACHMENTS, BLAMED_S, WAITING, WAITING_EACH, Logins

FLOOD = "192.0.2.66"
HONEST = "192.0.2.1"


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def logins(clock: Clock) -> Logins:
    return Logins(20.0, 10.0, clock)


def verified(logins: Logins, address: str, tries: int) -> int:
    """How many of so many logins that fail are verified."""
    count = 0
    for _ in range(tries):
        with contextlib.suppress(UnavailableError):
            logins.admit(address)
            logins.failed(address)
            count += 1
    return count


def test_one_address_fails_ten_times_a_second(logins: Logins, clock: Clock) -> None:
    assert verified(logins, FLOOD, 28) == 10
    clock.now += 1.0
    assert verified(logins, FLOOD, 28) == 10


def test_many_addresses_fail_twenty_times_a_second(logins: Logins, clock: Clock) -> None:
    flood = [f"192.0.2.{host}" for host in range(100, 120)]
    for _ in range(5):
        sum(verified(logins, address, 28) for address in flood)
        clock.now += 1.0
    assert sum(verified(logins, address, 28) for address in flood) <= 20


def test_a_flood_from_elsewhere_shuts_nobody_out(logins: Logins, clock: Clock) -> None:
    for host in range(100, 120):
        verified(logins, f"192.0.2.{host}", 28)
    logins.admit(HONEST)
    clock.now += 0.01
    logins.failed(HONEST)
    with pytest.raises(UnavailableError):
        logins.admit(HONEST)
    clock.now += BLAMED_S
    logins.admit(HONEST)


def test_a_login_that_succeeds_is_never_counted_and_clears_its_address(logins: Logins) -> None:
    for _ in range(1_000):
        logins.admit(HONEST)
        logins.succeeded(HONEST)
    assert verified(logins, HONEST, 28) == 10
    logins.succeeded(HONEST)
    logins.admit(HONEST)


async def ends_when_told(logins: Logins, address: str) -> str:
    """A login that says nothing, and how it ends."""
    try:
        async with asyncio.timeout(600) as deadline:
            with logins.under_way(address, deadline):
                await asyncio.Event().wait()
    except TimeoutError:
        return "made room"
    return "?"


async def test_who_waits_longest_makes_room_of_its_own_address_if_that_has_too_many(logins: Logins) -> None:
    async with asyncio.TaskGroup() as group:
        honest = group.create_task(ends_when_told(logins, HONEST))
        silent = [group.create_task(ends_when_told(logins, FLOOD)) for _ in range(WAITING_EACH + 1)]
        assert await silent[0] == "made room"
        assert not honest.done()
        elsewhere = [group.create_task(ends_when_told(logins, str(number))) for number in range(WAITING - WAITING_EACH)]
        assert await honest == "made room"
        for task in (*silent[1:], *elsewhere):
            task.cancel()


async def test_a_login_whose_time_is_over_at_that_moment_makes_room_without_a_defect(logins: Logins) -> None:
    deadlines: list[asyncio.Timeout] = []

    async def waits() -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(600) as deadline:
                deadlines.append(deadline)
                with logins.under_way(FLOOD, deadline):
                    await asyncio.Event().wait()

    async with asyncio.TaskGroup() as group:
        silent = [group.create_task(waits()) for _ in range(WAITING_EACH)]
        await asyncio.sleep(0)
        deadlines[0].reschedule(asyncio.get_running_loop().time())
        newcomer = group.create_task(ends_when_told(logins, FLOOD))
        await silent[0]
        assert not newcomer.done()
        for task in (*silent[1:], newcomer):
            task.cancel()


def test_one_store_attaches_a_few_times_at_once_and_then_once_a_second(logins: Logins, clock: Clock) -> None:
    def attached(store: str, tries: int) -> int:
        count = 0
        for _ in range(tries):
            with contextlib.suppress(UnavailableError):
                logins.attaches(store)
                count += 1
        return count

    assert attached("vault", 638) == ATTACHMENTS
    assert attached("local", 3) == 3
    clock.now += 5.0
    assert attached("vault", 638) == 5
