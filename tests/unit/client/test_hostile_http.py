"""An m8 over HTTP that is hostile, or a network in between: how long a client waits, and which answer counts."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import cast

import pytest

from monoskope.client.http import on_asyncio, transport
from monoskope.client.http.on_asyncio import HttpTransport
from monoskope.client.http.roots import Roots
from monoskope.http.client.failures import BrokenError, LateError
from monoskope.http.client.pool import Stream


class Dripping:
    """An answer of which a byte comes every ten seconds."""

    def __init__(self) -> None:
        self.now = 0.0

    async def receive(self, timeout_s: float) -> bytes:
        self.now += min(10.0, max(timeout_s, 0.0))
        if timeout_s <= 10.0:
            raise LateError("late", sent=True)
        return b"x"


async def test_an_error_in_the_place_of_a_stream_has_one_deadline_for_all_of_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    dripping = Dripping()
    monkeypatch.setattr(on_asyncio, "time", SimpleNamespace(monotonic=lambda: dripping.now))
    with pytest.raises(LateError):
        await on_asyncio._body(cast("Stream", dripping))
    assert dripping.now == 30.0


@pytest.fixture
async def looking(monkeypatch: pytest.MonkeyPatch) -> HttpTransport:
    """A transport with other servers, whose calls look at once, and find that the server stands still."""
    monkeypatch.setattr(transport, "LOOK_AFTER_S", 0.0)
    monkeypatch.setattr(transport, "_trusting", lambda roots: None)
    return HttpTransport("127.0.0.1:1", Roots(b"", ""), has_others=True)


async def test_an_answer_that_came_while_the_client_looked_counts(
    looking: HttpTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked = asyncio.Event()

    async def look() -> None:
        looked.set()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        raise LateError("it stands still.", sent=True)

    async def answer() -> bool:
        return await looked.wait()

    monkeypatch.setattr(looking, "_seen", look)
    assert await looking._while_it_stands(answer())


async def test_a_call_that_broke_while_the_client_looked_has_one_error_and_no_other(
    looking: HttpTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked = asyncio.Event()

    async def look() -> None:
        looked.set()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        raise LateError("it stands still.", sent=True)

    async def breaks() -> None:
        await looked.wait()
        raise BrokenError("broken")

    monkeypatch.setattr(looking, "_seen", look)
    with pytest.raises(BrokenError):
        await looking._while_it_stands(breaks())
