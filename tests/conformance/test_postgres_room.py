"""What is put and erased in turn does not make a PostgreSQL database grow, and what operators are told of it."""

from __future__ import annotations

import hashlib
import os

from monoskope.m8.log.event_log import NewEvent, no_documents
from monoskope.testing.engines.postgres import LogAt, Postgres
from monoskope.testing.logs import some_time

ROUNDS, SECRETS, SIZE = 50, 3, 65_536


async def test_the_room_of_erased_bytes_is_used_again(postgres: Postgres) -> None:
    database = postgres.create_database()
    log = await LogAt(postgres.folder, database)(clock=some_time, projector=no_documents)
    sizes = {}
    for number in range(1, ROUNDS + 1):
        sealed = [os.urandom(SIZE) for _ in range(SECRETS)]
        for one in sealed:
            await log.append("x", None, [NewEvent("x", b"")], actor="m8", sealed=one)
        assert await log.erase_sealed([hashlib.sha256(one).digest() for one in sealed]) == SECRETS
        if number in {10, ROUNDS}:
            sizes[number] = int(postgres.sql("SELECT pg_total_relation_size('sealed')", database=database))
    assert await log.size_bytes() > sizes[ROUNDS], "what the metrics show counts every table of the log"
    await log.close()
    assert sizes[ROUNDS] <= sizes[10] + SECRETS * SIZE
    assert sizes[ROUNDS] < ROUNDS * SECRETS * SIZE / 4


async def test_a_schema_that_another_version_made_is_seen_while_m8_runs(postgres: Postgres) -> None:
    database = postgres.create_database()
    log = await LogAt(postgres.folder, database)(clock=some_time, projector=no_documents)
    assert await log.schema_state() == "ok"
    postgres.sql("UPDATE meta SET value = '99' WHERE name = 'form'", database=database)
    assert await log.schema_state() == "of another version"
    await log.close()


async def test_small_records_fill_the_pages_that_large_ones_leave(postgres: Postgres) -> None:
    database = postgres.create_database()
    log = await LogAt(postgres.folder, database)(clock=some_time, projector=no_documents)
    sizes = [1_600, 200, 50, 300, 500] * 40
    await log.append("x", None, [NewEvent("x", bytes(size)) for size in sizes], actor="m8")
    full = "SELECT sum(octet_length(record) + 90)::float / pg_relation_size('events') > 0.9 FROM events"
    assert postgres.sql(full, database=database) == "t"
    assert await log.check_chain() == len(sizes)
    await log.close()
