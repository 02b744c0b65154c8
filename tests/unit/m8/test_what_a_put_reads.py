"""What a put asks of the log and writes there: so many statements of SQLite, so many round trips to PostgreSQL."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import asyncpg
import pytest

from monoskope.api.secrets.v1 import events_pb2
from monoskope.m8.limits.settings import ServerLimits
from monoskope.m8.log.postgres import notifications
from monoskope.m8.log.sqlite import file, records
from monoskope.m8.service import policy
from monoskope.protocol.login import Member
from tests.support.m8_user import User
from tests.support.m8_world import a_world, put

LIMITS = ServerLimits(tick_s=3_600, heartbeat_s=3_600)
"""So that nothing but puts is said to the log."""

BEGIN, COMMIT = "BEGIN IMMEDIATE", "COMMIT"


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every statement that this process says to either engine, in its order."""
    said: list[str] = []
    connect, dial = file.connect, asyncpg.connect

    def traced(path: Path, *, read_only: bool = False) -> Any:
        connection = connect(path, read_only=read_only)
        connection.set_trace_callback(said.append)
        return connection

    async def logged(**arguments: Any) -> Any:
        connection = await dial(**arguments)
        connection.add_query_logger(lambda ran: said.append(ran.query))
        return connection

    monkeypatch.setattr(file, "connect", traced)
    monkeypatch.setattr(asyncpg, "connect", logged)
    monkeypatch.setattr(policy, "SOON_S", 3_600.0)  # however slow the machine is, nothing is asked twice
    for following in (records, notifications):  # what asks every now and then whether another process has recorded
        monkeypatch.setattr(following, "POLL_S", 3_600.0)
    return said


def of_reads(said: list[str]) -> list[str]:
    """The statements outside of every transaction."""
    reads, is_within = [], False
    for statement in said:
        is_within = (is_within or statement == BEGIN) and statement != COMMIT
        if not is_within and statement != COMMIT:
            reads.append(statement)
    return reads


@pytest.mark.parametrize(("prior", "most"), [("", 5), ("1", 6)], ids=["new", "update"])
async def test_a_warm_put_of_five_events(prior: str, most: int, engine: str, said: list[str], tmp_path: Path) -> None:
    async with a_world(tmp_path, limits=LIMITS) as world:
        await world.administrator().bind(
            "anna",
            "user:local:anna",
            role=events_pb2.ROLE_USER,
            prefix="vault://app",
            rights=[events_pb2.RIGHT_PUT],
        )
        issued = await world.app.issuing().issue_for_member(Member.parse("user:local:anna"), ttl_s=3_600)
        anna, reactor = User(world.address, issued.jwt), await world.attached()
        for secret in "abcd":
            await put(anna, reactor, uri=f"vault://app/{secret}", request_id=secret.encode() * 16)
        said.clear()
        uri = "vault://app/d" if prior else "vault://app/e"
        await put(anna, reactor, f"{prior}1", prior=prior, uri=uri, request_id=b"e" * 16)
        counted = list(said)
        assert len(await world.app.log.read_stream(f"upload/{(b'e' * 16).hex()}")) == 5
    if engine == "postgres":
        assert len(counted) <= most + 6, counted  # one for each append, and one for documents that it has not seen yet
    else:
        reads = of_reads(counted)
        assert len(reads) <= most, reads
        assert len(counted) - len(reads) - 2 * counted.count(COMMIT) <= 24, counted
