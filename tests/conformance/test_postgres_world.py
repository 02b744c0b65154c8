"""What users, listings and subscribers of an m8 may ask, once more with its log in PostgreSQL.

The tests are those of `tests/unit/m8`; only the log is another one.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from monoskope.m8.log.event_log import EventLog
from monoskope.m8.log.postgres.log import PostgresLog
from monoskope.m8.readmodels.chain import project
from monoskope.testing.engines.postgres import Postgres
from tests.support import m8_world
from tests.support.m8_world import Clock
from tests.unit.m8.test_append import test_a_reactor_that_does_not_read_is_cut_off_and_m8_keeps_nothing_for_it  # noqa: F401
from tests.unit.m8.test_event_times import test_a_page_token_belongs_to_its_filters  # noqa: F401
from tests.unit.m8.test_listing import (  # noqa: F401
    test_a_page_token_belongs_to_its_filter,
    test_filters_narrow_what_is_in_sight,
    test_versions_are_listed_newest_first_a_page_at_a_time,
    world,
)
from tests.unit.m8.test_queries import (  # noqa: F401
    test_a_token_of_one_order_is_refused_in_the_other,
    test_watching_ends_when_the_token_is_revoked,
)


@pytest.fixture(autouse=True)
def _on_postgres(postgres: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    async def open_log(_folder: Path, clock: Clock) -> EventLog:
        return await PostgresLog.open(postgres.target(postgres.create_database()), clock=clock, projector=project)

    monkeypatch.setattr(m8_world, "open_log", open_log)
