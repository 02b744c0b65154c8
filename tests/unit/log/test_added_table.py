"""A log of before a table was added opens as it is, and has the table from then on."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from monoskope.m8.log.cursor import Cursor
from monoskope.m8.log.postgres.log import PostgresLog
from monoskope.m8.log.sqlite import SqliteLog
from monoskope.testing.engines.postgres import Postgres

AT_ONE = Cursor(1, bytes(32))


async def test_a_log_without_the_table_of_notes_gets_it_when_it_is_opened(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    old = await SqliteLog.open(path, clock=lambda: 1)
    await old.beat("vault/1", 5)
    await old.close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DROP TABLE beat_notes")
    log = await SqliteLog.open(path, clock=lambda: 1)
    try:
        assert await log.beats() == {"vault/1": 5}
        await log.beat("vault/1", 6, b"said")
        assert await log.beat_notes() == {"vault/1": b"said"}
    finally:
        await log.close()


async def test_a_log_without_the_table_of_leases_gets_it_when_it_is_opened(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    await (await SqliteLog.open(path, clock=lambda: 1)).close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DROP TABLE leases")
    log = await SqliteLog.open(path, clock=lambda: 1)
    try:
        assert await log.lease("timekeeper", "one", ttl_ms=1_000)
        assert not await log.lease("timekeeper", "two", ttl_ms=1_000)
    finally:
        await log.close()


async def test_a_lease_from_before_the_clock_was_set_back_is_free(tmp_path: Path) -> None:
    now_ms = 3_600_000
    log = await SqliteLog.open(tmp_path / "log.db", clock=lambda: now_ms)
    try:
        assert await log.lease("timekeeper", "one", ttl_ms=1_000)
        now_ms -= 600_000
        assert await log.lease("timekeeper", "two", ttl_ms=1_000)
    finally:
        await log.close()


async def test_a_log_without_the_table_of_cursors_gets_it_when_it_is_opened(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    await (await SqliteLog.open(path, clock=lambda: 1)).close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DROP TABLE cursors")
    log = await SqliteLog.open(path, clock=lambda: 1)
    try:
        assert await log.move_cursor("audit/one", None, AT_ONE)
        assert await log.cursor("audit/one") == AT_ONE
    finally:
        await log.close()


async def test_a_database_without_the_table_of_cursors_gets_it_when_it_is_opened(postgres: Postgres) -> None:
    name = postgres.create_database()
    target = postgres.target(name)
    await (await PostgresLog.open(target, clock=lambda: 1)).close()
    postgres.sql("DROP TABLE cursors", database=name)
    log = await PostgresLog.open(target, clock=lambda: 1)
    try:
        assert await log.move_cursor("audit/one", None, AT_ONE)
        assert await log.cursor("audit/one") == AT_ONE
    finally:
        await log.close()
