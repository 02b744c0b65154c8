"""The engines of the event log, for tests that must hold on each."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from monoskope import operating_log
from monoskope.m8.log.event_log import EventLog
from monoskope.m8.log.postgres.log import PostgresLog
from monoskope.m8.readmodels.documents import project
from monoskope.testing.engines.postgres import Postgres
from tests.support import m8_world
from tests.support.fake_reactor import FakeReactor
from tests.support.m8_user import User
from tests.support.m8_world import Clock, World, a_world


@pytest.fixture(params=["sqlite", "postgres"])
def engine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Keep the logs of the test's worlds in each engine in turn; return its name."""
    if request.param == "postgres":
        server: Postgres = request.getfixturevalue("postgres")
        databases: dict[Path, str] = {}

        async def open_log(folder: Path, clock: Clock) -> EventLog:
            database = databases.setdefault(folder, "") or server.create_database()
            databases[folder] = database
            return await PostgresLog.open(server.target(database), clock=clock, projector=project)

        monkeypatch.setattr(m8_world, "open_log", open_log)
    return str(request.param)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """An m8 with the store `vault`."""
    async with a_world(tmp_path) as world:
        yield world


@pytest.fixture
def anna(world: World) -> User:
    return world.user("anna", "vault://app")


@pytest.fixture
def administrator(world: World) -> User:
    return world.administrator()


@pytest.fixture
async def reactor(world: World) -> FakeReactor:
    """A reactor of the store `vault`, attached."""
    return await world.attached()


@pytest.fixture
def lines() -> io.StringIO:
    """The operating log of this process, as it grows."""
    stream = io.StringIO()
    operating_log.set_up(stream)
    return stream
