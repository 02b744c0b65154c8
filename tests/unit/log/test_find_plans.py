"""Each step of a listing is one search in an index: none scans, none sorts, whatever SQLite's planner would like."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

import pytest

from monoskope.m8.log.documents import Columns, Where
from monoskope.m8.log.event_log import Lookup, NewEvent, Put, RecordedEvent
from monoskope.m8.log.sqlite import SqliteLog
from monoskope.m8.log.sqlite import file as sqlite_file
from monoskope.m8.log.sqlite.find import find
from monoskope.testing.logs import some_time

WHERES = {
    "everything": Where(),
    "deleted": Where(deleted=True),
    "a subject": Where(subject="anna"),
    "a day": Where(expiring_before="2030-01-01"),
    "drifted": Where(drifted=True),
    "out of sync": Where(out_of_sync=True),
    "a label": Where(labels=("owner=anna",)),
    "all at once": Where(
        False, "anna", "2030-01-01", drifted=True, out_of_sync=True, labels=("owner=anna", "env=prod")
    ),
}


def listed(event: RecordedEvent, _lookup: Lookup) -> Iterable[Put]:
    """A document that every listing finds; every second one is deleted."""
    is_deleted = event.position % 2 == 0
    labels = ("owner=anna", "env=prod")
    columns = Columns("anna", f"2029-01-{event.position:02}", is_deleted, drifted=True, out_of_sync=True, labels=labels)
    yield Put("secrets", f"vault://{event.position}", b"x", columns)


async def filled(path: Path) -> None:
    log = await SqliteLog.open(path, clock=some_time, projector=listed)
    await log.append("a", 0, [NewEvent("Happened", b"")] * 20, actor="ann")
    await log.close()


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("plans")
    asyncio.run(filled(folder / "log.db"))
    return folder / "log.db"


@pytest.mark.parametrize("analysed", [False, True])
@pytest.mark.parametrize("where", WHERES.values(), ids=WHERES)
def test_every_step_of_a_listing_is_one_search(path: Path, where: Where, analysed: bool) -> None:
    with closing(sqlite_file.connect(path)) as connection:
        connection.execute("ANALYZE" if analysed else "DROP TABLE IF EXISTS sqlite_stat1")
        asked: list[str] = []
        connection.set_trace_callback(asked.append)
        find(connection, "secrets", where, prefix="", after="", limit=3)
        connection.set_trace_callback(None)
        steps = [query for query in asked if "FROM documents_1" in query or "FROM labels_1" in query]
        assert steps
        for query in steps:
            plan = [detail for *_, detail in connection.execute(f"EXPLAIN QUERY PLAN {query}")]
            assert len(plan) == 1, plan
            assert plan[0].startswith("SEARCH"), plan
            narrows = "expires_on>? AND expires_on<?" if "expires_on >" in query else ("key>?", "key=?")
            assert any(part in plan[0] for part in ([narrows] if isinstance(narrows, str) else narrows)), plan


def test_the_planner_chooses_otherwise_if_it_may(path: Path) -> None:
    """The check above sees it: a condition that rules the index's last part out is sorted afterwards."""
    query = "SELECT key FROM documents_1 WHERE collection = 's' AND deleted = 0 AND expires_on > '' ORDER BY key"
    with closing(sqlite3.connect(path)) as connection:
        plan = [detail for *_, detail in connection.execute(f"EXPLAIN QUERY PLAN {query}")]
    assert len(plan) > 1 or not plan[0].endswith("key>?)")
