"""Logs of so many secrets, kept below build/bench-scale between runs: the same records in SQLite and in PostgreSQL.

The records are ready before they are written: SQLite takes them by bulk inserts, PostgreSQL by COPY. Then each engine
makes its documents by its own rebuild.
"""

from __future__ import annotations

import asyncio
import hashlib
import multiprocessing
import shutil
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from bench.progress import say
from bench.scale import world
from bench.scale.records import Maker, Secret, Stream, Template
from monoskope.errors import ConflictError
from monoskope.m8.log import record
from monoskope.m8.log.sqlite.rebuild import Build
from monoskope.m8.readmodels import documents as chain
from monoskope.times import now_ms

if TYPE_CHECKING:
    from monoskope.testing.engines.postgres import Postgres

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / "build" / "bench-scale"
SEEDED = "seeded"
"""A file in a world's folder: its log is complete."""

_HASH = 12
"""Hex digits in the name of a folder of logs."""

_CHUNK = 500
"""Secrets that one process makes at once."""

_ROWS = 5_000
"""Rows that are written at once."""

_A_MILLISECOND = 10
"""Events that are recorded in one, from the moment of seeding on: so m8's clock only goes forward, and no event lies in
the future once all are written."""

_PIECE_S = 20.0
"""How long one transaction takes while documents are made."""

_FAST = ("PRAGMA synchronous = OFF", "PRAGMA cache_size = -1000000")
"""While a log is seeded: if that breaks off, it is seeded anew."""

Row = tuple[int, str, int, bytes, bytes]


@dataclass(frozen=True, slots=True)
class Seed:
    """A world whose log holds so many secrets.

    Attributes:
        folder: The world.
        secrets: How many.
        events: The log's last position when it was seeded.
        database: The name of its PostgreSQL database, "" for SQLite.
    """

    folder: Path
    secrets: int
    events: int
    database: str = ""


def code_hash() -> str:
    """Return a name for the code by which logs are seeded: with other code they are seeded anew."""
    digest = hashlib.sha256()
    source = ROOT / "src" / "monoskope"
    folders = [
        source / "m8" / "log",
        source / "m8" / "readmodels",
        source / "api" / "secrets",
        ROOT / "bench" / "scale",
    ]
    for path in sorted(path for folder in folders for path in folder.rglob("*.py")):
        if path.parent.name != "scale" or path.name in ("records.py", "seed.py", "world.py"):
            digest.update(path.read_bytes())
    return digest.hexdigest()[:_HASH]


def cache(parent: Path = CACHE) -> Path:
    """Return the folder of this code's logs below `parent`, and remove those of other code."""
    folder = parent / code_hash()
    for other in parent.glob("[0-9a-f]" * _HASH):
        if other != folder:
            shutil.rmtree(other)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def base(folder: Path) -> Path:
    """Return the world that all others are copies of; it is made at the first call."""
    home = folder / "base"
    if not (home / SEEDED).exists():
        shutil.rmtree(home, ignore_errors=True)
        say("laying out m8, a reactor and users")
        world.lay_out(home)
        (home / SEEDED).touch()
    return home


# --- SQLite ---


def sqlite(folder: Path, secrets: int) -> Seed:
    """Return a world with a log of so many secrets in SQLite; seeded at the first call."""
    home = folder / f"sqlite-{secrets}"
    if not (home / SEEDED).exists():
        shutil.rmtree(home, ignore_errors=True)
        origin = base(folder)
        world.copy(origin, home)
        say(f"SQLite: making {secrets:,} secrets")
        _insert(home / "m8" / "log.db", world.find_maker(origin), secrets)
        _build(home / "m8" / "log.db")
        (home / SEEDED).touch()
    return _seed(home, secrets)


def _build(path: Path) -> None:
    """Make the documents as `SqliteLog.rebuild` does, but in long pieces and without waiting for the disk."""
    began = time.perf_counter()
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for setting in _FAST:
            connection.execute(setting)
        build = Build(chain.project, now_ms, piece_s=_PIECE_S)
        connection.execute("BEGIN IMMEDIATE")
        if not build.begin(connection):
            raise ConflictError(f"somebody else makes documents in {path}.", fix="Wait until it has ended.")
        while build.phase != "done":
            build.step(connection)
            connection.execute("COMMIT")
            connection.execute("BEGIN IMMEDIATE")
        build.end(connection)
        connection.execute("COMMIT")
        connection.execute("PRAGMA incremental_vacuum")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    _tell(build.replayed, began)


def _tell(events: int, began: float) -> None:
    seconds = time.perf_counter() - began
    say(f"  made documents of {events:,} events in {seconds:.0f} s, {events / seconds:,.0f} a second")


def _seed(home: Path, secrets: int, database: str = "") -> Seed:
    with closing(sqlite3.connect(home.parent / f"sqlite-{secrets}" / "m8" / "log.db")) as connection:
        # What puts of this bench added since then does not count.
        events = connection.execute("SELECT position FROM head").fetchone()[0]
    return Seed(home, secrets, events, database)


def _insert(path: Path, maker: Maker, secrets: int) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for setting in _FAST:
            connection.execute(setting)
        position, head = connection.execute("SELECT position, hash FROM head").fetchone()
        for rows in _batches(_rows(maker, secrets, position, head)):
            # Many transactions: the write-ahead log of a single one would be as large as the database.
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany("INSERT INTO events VALUES (?, ?, ?, ?, ?)", rows)
            connection.execute("UPDATE head SET position = ?, hash = ?", (rows[-1][0], rows[-1][4]))
            connection.execute("COMMIT")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _batches(rows: Iterator[Row]) -> Iterator[list[Row]]:
    batch: list[Row] = []
    for row in rows:
        batch.append(row)
        if len(batch) == _ROWS:
            yield batch
            batch = []
    if batch:
        yield batch


def _rows(maker: Maker, secrets: int, position: int, previous: bytes) -> Iterator[Row]:
    """Yield the rows of all events, chained after the record whose hash is `previous`."""
    first, began_ms = position, now_ms()
    for stream in _streams(maker, secrets):
        for version, (new, actor) in enumerate(stream.events, start=1):
            position += 1
            event = record.make(
                new,
                position=position,
                stream=stream.name,
                version=version,
                recorded_at_ms=began_ms + (position - first) // _A_MILLISECOND,
                actor=actor,
                previous_hash=previous,
            )
            previous = event.hash
            yield position, stream.name, version, event.record, event.hash


def _streams(maker: Maker, secrets: int) -> Iterator[Stream]:
    """Yield all requests, made by several processes if they are many."""
    chunks = [(number, min(number + _CHUNK, secrets), secrets) for number in range(0, secrets, _CHUNK)]
    if len(chunks) < 4:
        for chunk in chunks:
            yield from _made(maker, chunk)
        return
    seed = maker.key.private_bytes_raw()
    context = multiprocessing.get_context("spawn")
    with context.Pool(initializer=_start, initargs=(seed, dict(maker.templates))) as pool:
        for streams in pool.imap(_make, chunks):
            yield from streams


_maker: list[Maker] = []
"""Of a process of the pool."""


def _start(seed: bytes, templates: dict[str, Template]) -> None:
    _maker.append(Maker(Ed25519PrivateKey.from_private_bytes(seed), templates))


def _make(chunk: tuple[int, int, int]) -> list[Stream]:
    return _made(_maker[0], chunk)


def _made(maker: Maker, chunk: tuple[int, int, int]) -> list[Stream]:
    first, end, of = chunk
    return [stream for number in range(first, end) for stream in maker.streams(Secret(number, of))]


def copy(seed: Seed, server: Postgres) -> Seed:
    """Return a copy of `seed`, which nobody has open, with another port; a database is copied, too."""
    home = seed.folder.with_name(f"{seed.folder.name}-copy")
    shutil.rmtree(home, ignore_errors=True)
    world.copy(seed.folder, home)
    if not seed.database:
        return replace(seed, folder=home)
    name = f"{seed.database}_copy"
    server.sql(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
    server.sql(f'CREATE DATABASE "{name}" OWNER m8 TEMPLATE "{seed.database}"')
    world.set_database(home, server, name)
    return replace(seed, folder=home, database=name)


# --- PostgreSQL ---


def postgres(folder: Path, secrets: int, server: Postgres) -> Seed:
    """Return a world with the same log in a database of `server`; seeded at the first call."""
    home, name = folder / f"postgres-{secrets}", f"scale_{secrets}"
    if not (home / SEEDED).exists():
        shutil.rmtree(home, ignore_errors=True)
        origin = sqlite(folder, secrets).folder
        world.copy_without_log(origin, home)
        say(f"PostgreSQL: copying {secrets:,} secrets")
        if server.sql(f"SELECT count(*) FROM pg_database WHERE datname = '{name}'") != "0":
            server.drop_database(name)
        server.create_database(name)
        world.set_database(home, server, name)
        asyncio.run(_copy(server, name, origin / "m8" / "log.db"))
        (home / SEEDED).touch()
    return _seed(home, secrets, name)


async def _copy(server: Postgres, name: str, source: Path) -> None:
    from monoskope.m8.log.postgres import connections, records  # noqa: PLC0415 - the driver is an extra
    from monoskope.m8.log.postgres.log import PostgresLog  # noqa: PLC0415

    target = server.target(name)
    log = await PostgresLog.open(target, clock=now_ms, projector=chain.project)
    connection = await connections.connect(target)
    columns = ("position", "version", "stream", "hash", "record")
    with closing(sqlite3.connect(source)) as file:
        rows = file.execute(f"SELECT {', '.join(columns)} FROM events ORDER BY position")
        last: tuple[int, int, str, bytes, bytes] | None = None
        while batch := rows.fetchmany(_ROWS):
            await records.insert(connection, batch)
            last = batch[-1]
        assert last is not None, "a world's log is never empty"
        await connection.execute("UPDATE head SET position = $1, hash = $2", last[0], last[3])
    await connection.close()
    await log.close()
    log = await PostgresLog.open(target, clock=now_ms, projector=chain.project)
    began = time.perf_counter()
    _tell(await log.rebuild(), began)
    await log.close()
    server.sql("VACUUM (ANALYZE)", database=name)
