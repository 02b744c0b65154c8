"""Which event loop a server runs on."""

from __future__ import annotations

import asyncio
import sys

import pytest

from monoskope import event_loop


async def _loop() -> str:
    return type(asyncio.get_running_loop()).__module__


def test_a_server_runs_on_uvloop() -> None:
    assert event_loop.run(_loop()).startswith("uvloop")


def test_a_server_runs_on_asyncios_own_loop_where_there_is_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uvloop", None)

    assert event_loop.run(_loop()).startswith("asyncio")
