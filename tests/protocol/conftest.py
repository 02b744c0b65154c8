"""An m8 that is honest until a test bends it, and a user who has pinned its stores."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from monoskope.client.known_stores import KnownStores, Pins
from monoskope.client.proofs.receipts import Proofs
from monoskope.client.runtime.on_asyncio import AsyncioRuntime
from monoskope.testing.scripted.client import pinned
from monoskope.testing.scripted.m8 import ScriptedM8
from tests.protocol.answers import SERVER, Asked
from tests.protocol.purposes import ShowingM8


@pytest.fixture
def http() -> bool:
    """Whether m8 is dialled by its HTTP door. Some modules run over both."""
    return False


@pytest.fixture
async def m8(tmp_path: Path, http: bool) -> AsyncIterator[ShowingM8]:
    async with ShowingM8().serving(tmp_path, http=http) as scripted:
        yield scripted


@pytest.fixture
def known(m8: ShowingM8, tmp_path: Path) -> KnownStores:
    """Alice's pins."""
    return pinned(m8, tmp_path)


class ClientClock:
    """What clients take for the time: it goes on as it does, and jumps ahead when a test says so."""

    def __init__(self) -> None:
        self.ahead_s = 0.0

    def now(self) -> float:
        return time.monotonic() + self.ahead_s


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> ClientClock:
    """So that the time of a request is over after what a test waits for, however long that takes."""
    found = ClientClock()
    monkeypatch.setattr(AsyncioRuntime, "now", lambda _: found.now())
    return found


@pytest.fixture
def asked(m8: ScriptedM8) -> Asked:
    return Asked(m8)


@pytest.fixture
def proofs(m8: ScriptedM8, asked: Asked) -> Proofs:
    return Proofs(Pins({(SERVER, "vault"): m8.identity.shown}), SERVER, asked)
