"""The one fault that each change is tested with: PostgreSQL is killed under load, and started again."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from monoskope.testing.engines.postgres import Postgres
from tests.faults.table import FAULTS
from tests.ha.world import ThreeM8


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    with Postgres() as server:
        yield server


@pytest.fixture(scope="module")
def single(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ThreeM8]:
    with ThreeM8(tmp_path_factory.mktemp("single"), postgres, clients=4, appends=60) as world:
        yield world


async def test_a_database_that_is_killed_under_load_costs_nothing_and_no_user_notices(
    single: ThreeM8, postgres: Postgres
) -> None:
    def all_wait() -> bool:
        assert single.appender is not None
        return single.appender.waits

    load = await single.survives("PostgreSQL killed", FAULTS["kill under load"].breaks(postgres, all_wait))

    assert load.appender.unknown, "nothing was under way when it was killed"
