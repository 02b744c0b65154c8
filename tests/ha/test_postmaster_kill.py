"""The one fault that each change is tested with: PostgreSQL is killed under load, and started again."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import psutil
import pytest

from monoskope.testing.engines.postgres import Postgres
from monoskope.testing.parts import wait_until
from tests.ha.world import World


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    with Postgres() as server:
        yield server


@pytest.fixture(scope="module")
def single(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    def url(database: str) -> str:
        return f"postgresql://m8@127.0.0.1:{postgres.port}/{database}"

    with World(
        tmp_path_factory.mktemp("single"),
        url=url,
        password=postgres.password,
        ca_file=postgres.ca_file,
        target=postgres.target,
        create_database=postgres.create_database,
    ) as world:
        yield world


async def test_a_database_that_is_killed_under_load_costs_nothing_and_no_user_notices(
    single: World, postgres: Postgres
) -> None:
    def killed() -> None:
        """Kill the server once it has stood still until all writers wait for it: so something is under way."""
        appender, server = single.appender, psutil.Process(postgres.pid)
        assert appender is not None
        server.suspend()
        backends = server.children()
        for backend in backends:
            with contextlib.suppress(psutil.NoSuchProcess):
                backend.suspend()
        try:
            wait_until(lambda: appender.waits, what="all writers wait")
        finally:
            for backend in backends:
                with contextlib.suppress(psutil.NoSuchProcess):
                    backend.kill()
            postgres.kill()
        postgres.start()

    load = await single.survives("PostgreSQL killed", killed)

    assert load.appender.unknown, "nothing was under way when it was killed"
