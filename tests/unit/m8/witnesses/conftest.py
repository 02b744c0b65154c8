"""A log in memory with its keys, and what asks its witnesses."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from monoskope.m8.tree import key_file, witness_client
from monoskope.m8.tree.witness_client import Connection
from monoskope.m8.tree.witness_settings import WitnessesSettings, WitnessTable, checked
from monoskope.m8.tree.witnesses import Witnesses, asked
from monoskope.protocol.tlog.log_key import LogKey
from tests.support.m8_user import PATIENCE_S
from tests.support.memory_tree import MemoryTree
from tests.support.witness_servers import Asking, WitnessKey, WitnessServer

HURRIED_S = 0.2


@pytest.fixture
def key(tmp_path: Path) -> LogKey:
    """The log's keys, in `log.key` of the folder."""
    found = key_file.make("")
    key_file.write(tmp_path, found)
    return found


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The URLs of servers that must answer at once, as if m8 gave them 0.2 s. All others may take a minute."""
    found: set[str] = set()
    request = Connection.request

    async def timed(line: Connection, *what: Any) -> Any:
        given = line._endpoint.timeout_s  # a line that m8 gives another time than `EXCHANGE_S` is not hurried so much
        if f"https://{line._url.server}" in found:
            line._endpoint.timeout_s = HURRIED_S * given / PATIENCE_S
        try:
            return await request(line, *what)
        finally:
            line._endpoint.timeout_s = given

    monkeypatch.setattr(witness_client, "EXCHANGE_S", PATIENCE_S)
    monkeypatch.setattr(Connection, "request", timed)
    monkeypatch.setattr(witness_client, "WHOLE_S", 2 * PATIENCE_S)
    return found


@pytest.fixture
def tree(tmp_path: Path, key: LogKey) -> MemoryTree:
    """The log, of 5 records; the folder is that of its m8."""
    return MemoryTree(key, 5, folder=tmp_path)


@pytest.fixture
def asking(tmp_path: Path, key: LogKey) -> Asking:
    """Ask these servers, each with its key; the folder is the test's own."""

    @asynccontextmanager
    async def one(*servers: tuple[WitnessServer, WitnessKey | str], quorum: int = 1) -> AsyncIterator[Witnesses]:
        tables = [
            WitnessTable(
                url=server.url,
                vkey=who if isinstance(who, str) else str(who.vkey),
                ca_file="" if server.ca_file is None else str(server.ca_file),
            )
            for server, who in servers
        ]
        settings = checked(tables, quorum, 900.0, tmp_path / "m8.toml")
        assert isinstance(settings, WitnessesSettings)
        async with asked(settings, tmp_path, lambda: int(time.time() * 1000)) as witnesses:
            assert witnesses is not None
            yield witnesses

    return one
