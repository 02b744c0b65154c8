"""The documents of the PostgreSQL log are made anew while several logs append."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import AsyncExitStack

import pytest

from monoskope.errors import ConflictError, UnavailableError
from monoskope.m8.log.documents import Change, Columns, Delete, Lookup, Put, Where
from monoskope.m8.log.event_log import NewEvent, RecordedEvent
from monoskope.m8.log.postgres import connections, documents, rebuild
from monoskope.m8.log.postgres.log import PostgresLog
from monoskope.m8.log.postgres.schema import DOCUMENTS, LABELS
from monoskope.testing.engines.postgres import Postgres
from monoskope.testing.logs import some_time

PATIENCE_S = 180


def counting(event: RecordedEvent, lookup: Lookup) -> Iterable[Change]:
    """One document for each stream, found by its columns, and one that every event changes."""
    count = int(lookup("streams", event.stream) or b"0") + 1
    columns = Columns(subject=event.actor, deleted=count % 3 == 0, drifted=count % 2 == 0, labels=(f"count={count}",))
    yield Put("streams", event.stream, b"%d" % count, columns)
    yield Put("all", "all", b"%d" % (int(lookup("all", "all") or b"0") + 1))


async def opened(stack: AsyncExitStack, postgres: Postgres, database: str) -> PostgresLog:
    log = await PostgresLog.open(postgres.target(database), clock=some_time, projector=counting)
    stack.push_async_callback(log.close)
    return log


async def test_appends_go_on_through_a_rebuild_and_the_documents_are_the_same(postgres: Postgres) -> None:
    """In the process that rebuilds and in another one; the tables that were read before are gone."""
    database = postgres.create_database()
    async with AsyncExitStack() as stack, asyncio.timeout(PATIENCE_S):
        log, other = [await opened(stack, postgres, database) for _ in range(2)]
        for number in range(50):
            await log.append(f"s{number}", 0, [NewEvent("Happened", b"")] * 10, actor="ann")
        rebuilt = asyncio.Event()

        async def write(which: PostgresLog, name: str) -> None:
            version = 0
            while not rebuilt.is_set() or version < 20:
                await which.append(name, version, [NewEvent("Happened", b"")], actor="bob")
                version += 1
            assert await which.get("streams", name) == b"%d" % version

        writers = [asyncio.create_task(write(which, f"w{n}")) for n, which in enumerate([log, other] * 4)]
        assert await log.rebuild() >= 500
        assert await other.rebuild() >= 500
        rebuilt.set()
        await asyncio.gather(*writers)
        head = await log.head()
        assert await other.get("all", "all") == b"%d" % head
        live = await tables(postgres, database)
        assert await other.rebuild() == head
        assert await tables(postgres, database) == live
        names = postgres.sql("SELECT count(*) FROM pg_class WHERE relname ~ '(_next|_old)$'", database=database)
        assert names == "0"
        assert await other.check_chain() == head
        found = await log.find("streams", Where(subject="bob", labels=("count=20",)), limit=10)
        assert {key for key, _ in found} <= {f"w{n}" for n in range(8)}


async def tables(postgres: Postgres, database: str) -> str:
    """Everything that stands in the documents."""
    rows = f"SELECT * FROM {DOCUMENTS} ORDER BY collection, key; SELECT * FROM {LABELS} ORDER BY collection, key, label"
    return await asyncio.to_thread(postgres.sql, rows, database=database)


async def test_what_a_rebuild_left_that_was_killed_is_dropped_by_the_next(postgres: Postgres) -> None:
    database = postgres.create_database()
    async with AsyncExitStack() as stack:
        log = await opened(stack, postgres, database)
        await log.append("a", 0, [NewEvent("Happened", b"")], actor="ann")
        postgres.sql(f"CREATE TABLE {DOCUMENTS}_next (LIKE {DOCUMENTS})", database=database, role="m8")
        assert await log.rebuild() == 1
        assert await log.get("all", "all") == b"1"


async def test_documents_are_found_by_their_columns(postgres: Postgres) -> None:
    """Each condition alone and together, in pages, and never a document without columns."""
    database = postgres.create_database()
    async with AsyncExitStack() as stack:
        log = await opened(stack, postgres, database)
        for number in range(24):
            actor = "ann" if number % 2 else "bob"
            await log.append(f"s{number:02}", 0, [NewEvent("Happened", b"")] * (number % 6 + 1), actor=actor)

        async def keys(where: Where, **page: str) -> list[str]:
            return [key for key, _ in await log.find("streams", where, limit=100, **page)]

        def those(*counts: int, subject: str = "") -> list[str]:
            numbers = [n for n in range(24) if n % 6 + 1 in counts]
            return [f"s{n:02}" for n in numbers if subject in ("", "ann" if n % 2 else "bob")]

        assert await keys(Where()) == those(1, 2, 4, 5)
        assert await keys(Where(deleted=True)) == those(3, 6)
        assert await keys(Where(subject="ann")) == those(2, 4)
        assert await keys(Where(drifted=True)) == those(2, 4)
        assert await keys(Where(out_of_sync=True)) == []
        assert await keys(Where(labels=("count=5",))) == those(5)
        assert await keys(Where(labels=("count=5", "count=4"))) == []
        assert await keys(Where(labels=("count=5",)), prefix="s1", after="s10") == ["s16"]
        assert await log.find("all", Where(), limit=10) == []


async def test_a_rebuild_that_stood_still_and_the_next_one_do_not_mix_their_documents(postgres: Postgres) -> None:
    """Another rebuild is refused as long as its session lasts: none fills the tables that it will put in place."""
    database = postgres.create_database()
    async with AsyncExitStack() as stack, asyncio.timeout(PATIENCE_S):
        log, other = [await opened(stack, postgres, database) for _ in range(2)]
        for number in range(20):
            await log.append(f"s{number}", 0, [NewEvent("Happened", b"")] * 20, actor="ann")
        live = await tables(postgres, database)
        connection = await connections.connect(postgres.target(database))
        slow = rebuild.Rebuild(connection, counting)
        await slow.begin()
        assert await slow.step()
        with pytest.raises(ConflictError, match="running"):
            await other.rebuild()
        await rebuild.finish(slow)
        assert await tables(postgres, database) == live
        await slow.end()
        assert await other.rebuild() == 400
        connection.terminate()
        assert await tables(postgres, database) == live


@pytest.mark.parametrize("when", ["step", "swap"])
async def test_a_failed_rebuild_frees_its_room(postgres: Postgres, monkeypatch: pytest.MonkeyPatch, when: str) -> None:
    """As on a full disk: the documents are as before, and nothing lies beside them."""
    database = postgres.create_database()
    async with AsyncExitStack() as stack:
        log = await opened(stack, postgres, database)
        await log.append("a", 0, [NewEvent("Happened", b"")] * 300, actor="ann")
        statement = "_WRITE" if when == "step" else "_SWAP"
        before = getattr(rebuild, statement)
        failing = "DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = 'disk_full'; END $$;"
        monkeypatch.setattr(rebuild, statement, failing if when == "step" else before + failing)
        if when == "step":
            monkeypatch.setattr(documents, "arguments", lambda _changes: [])
        with pytest.raises(UnavailableError, match="its disk is full"):
            await log.rebuild()
        assert postgres.sql("SELECT count(*) FROM pg_class WHERE relname ~ '(_next|_old)$'", database=database) == "0"
        assert await log.get("all", "all") == b"300"


async def test_what_no_text_can_hold_is_found_nowhere(postgres: Postgres) -> None:
    """A caller may ask for a subject with a NUL, or send such a page token. That is no failure of the database."""
    async with AsyncExitStack() as stack:
        log = await opened(stack, postgres, postgres.create_database())
        for name in "abc":
            await log.append(name, 0, [NewEvent("Happened", b"")], actor="ann")
        assert await log.get("streams", "a\0") is None
        assert await log.find("streams", Where(subject="ann\0"), limit=10) == []
        assert await log.find("streams", Where(labels=("count=1", "\0")), limit=10) == []
        assert await log.scan("streams", prefix="a\0", limit=10) == []
        for after, follow in (("a\0", "bc"), ("\0", "abc"), ("b\0c", "c")):
            assert [key for key, _ in await log.scan("streams", after=after, limit=10)] == list(follow)
            assert [key for key, _ in await log.find("streams", Where(), after=after, limit=10)] == list(follow)


LEASE_MS = 60_000
"""Longer than the test takes: the longest there is."""


async def test_a_lease_from_before_the_clock_was_set_back_is_free(postgres: Postgres) -> None:
    """Else nobody would end requests until the clock has come there again."""
    database = postgres.create_database()
    async with AsyncExitStack() as stack:
        log = await opened(stack, postgres, database)
        assert await log.lease("timekeeper", "gone", ttl_ms=LEASE_MS)
        assert not await log.lease("timekeeper", "other", ttl_ms=LEASE_MS)
        postgres.sql("UPDATE leases SET ends = ends + interval '1 day'", database=database, role="m8")
        assert await log.lease("timekeeper", "other", ttl_ms=LEASE_MS)
        assert not await log.lease("timekeeper", "gone", ttl_ms=LEASE_MS)


NAMES = ('{"a",b}', "back\\slash", "line\nfeed", " ", "NULL", "ä'")


def labelling(event: RecordedEvent, _lookup: Lookup) -> Iterable[Change]:
    """One document, with the labels that the event names, or without one."""
    if event.type == "Dropped":
        return [Delete("c", "key")]
    return [Put("c", "key", b"", Columns(labels=tuple(event.data.decode().split("|"))))]


async def test_labels_of_any_text_come_and_go_with_their_document(postgres: Postgres) -> None:
    database = postgres.create_database()
    log = await PostgresLog.open(postgres.target(database), clock=some_time, projector=labelling)

    async def labels() -> str:
        return await asyncio.to_thread(postgres.sql, f"SELECT count(*) FROM {LABELS}", database=database)

    for named in (NAMES[:4], NAMES[2:], NAMES[1:3]):
        await log.append("s", None, [NewEvent("Labelled", "|".join(named).encode())], actor="ann")
        assert await labels() == str(len(named))
        for name in NAMES:
            assert len(await log.find("c", Where(labels=(name,)), limit=2)) == (name in named)
    await log.append("s", None, [NewEvent("Dropped", b"")], actor="ann")
    assert await labels() == "0"
    await log.close()
