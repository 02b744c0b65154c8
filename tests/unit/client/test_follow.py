"""A watch goes on over every break, and shows each event once."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from typing import Any

import pytest

from monoskope.api.gateway.v1 import views_pb2
from monoskope.client import queries as module
from monoskope.client.queries import EventFilter, Queries
from monoskope.client.runtime.on_asyncio import ASYNCIO
from monoskope.errors import Error, NotReachedError, UnauthenticatedError, UnavailableError


class Breaking:
    """An m8 whose stream ends in one way after the other; it sends what the test says, asked for or not."""

    runtime = ASYNCIO

    def __init__(self, *streams: tuple[Iterable[int], Error | None]) -> None:
        self.asked: list[int] = []
        self._streams = list(streams)

    async def watch(self, *, after: int, prefix: str) -> AsyncIterator[views_pb2.EventSummary]:
        assert prefix == "vault://app"
        self.asked.append(after)
        positions, error = self._streams.pop(0)
        for position in positions:
            yield views_pb2.EventSummary(position=position, actor="anna" if position % 2 else "bob")
        if error is not None:
            raise error


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FIRST_PAUSE_S", 0)
    monkeypatch.setattr(module, "LONGEST_PAUSE_S", 0)


async def test_no_position_is_missed_or_doubled_over_breaks() -> None:
    broken, stopped = NotReachedError("m8 does not answer."), UnavailableError("m8 is stopping.")
    # The third stream begins too early, as that of an m8 would that does not look at `after`.
    m8: Any = Breaking(([4, 5], broken), ([], broken), ([3, 4, 5, 6], stopped), ([7], None))
    lost: list[Error] = []
    found = [event.position async for event in Queries.follow(m8, after=3, prefix="vault://app", lost=lost.append)]
    assert found == [4, 5, 6, 7]
    assert m8.asked == [3, 5, 5, 6]
    assert lost == [broken, broken, stopped]


async def test_what_is_left_out_is_not_asked_for_again() -> None:
    m8: Any = Breaking(([1, 2, 3, 4], NotReachedError("m8 does not answer.")), ([5, 6], None))
    wanted = EventFilter(actor="anna")
    found = [event.position async for event in Queries.follow(m8, after=0, prefix="vault://app", wanted=wanted)]
    assert found == [1, 3, 5]
    assert m8.asked == [0, 4]


async def test_a_token_that_does_not_count_any_more_ends_it() -> None:
    m8: Any = Breaking(([1], UnauthenticatedError("the token was revoked while it watched.")))
    with pytest.raises(UnauthenticatedError):
        async for _ in Queries.follow(m8, after=0, prefix="vault://app"):
            pass
