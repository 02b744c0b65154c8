"""The tree, checkpoints and cosignatures in the database file."""

# ruff: noqa: D102  every method is documented by TreeRows
from __future__ import annotations

import sqlite3
from abc import abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TypeVar

from monoskope.m8.log import tree_rows
from monoskope.m8.log.failures import check_limit
from monoskope.m8.log.tree_rows import HASH_BYTES, Checkpoint, Cosignature, Named, TileKey, TreeRows

T = TypeVar("T")

TABLES = (
    """CREATE TABLE tree_tiles (
  level INTEGER NOT NULL, number INTEGER NOT NULL, body BLOB NOT NULL, PRIMARY KEY (level, number)
)""",
    """CREATE TABLE log_names (
  number INTEGER PRIMARY KEY, origin TEXT NOT NULL, vkeys TEXT NOT NULL, since_ms INTEGER NOT NULL,
  reason TEXT NOT NULL, last_note BLOB NOT NULL
)""",
    """CREATE TABLE checkpoints (
  log INTEGER NOT NULL, size INTEGER NOT NULL, root BLOB NOT NULL, at_ms INTEGER NOT NULL, note BLOB NOT NULL,
  PRIMARY KEY (log, size)
)""",
    """CREATE TABLE cosignatures (
  log INTEGER NOT NULL, size INTEGER NOT NULL, vkey TEXT NOT NULL, line TEXT NOT NULL, at_s INTEGER NOT NULL,
  PRIMARY KEY (log, size, vkey)
)""",
    "CREATE INDEX cosignatures_of ON cosignatures (log, vkey, size)",
)

_CHECKPOINT = "SELECT log, size, root, at_ms, note FROM checkpoints WHERE log = ?"


class SqliteTreeRows(TreeRows):
    """What `SqliteLog` keeps beside its events."""

    @abstractmethod
    async def _write(self, work: Callable[[sqlite3.Connection], T], *, is_long: bool = False) -> T:
        """Run `work` in a transaction."""

    @abstractmethod
    def _read_now(self, read: Callable[[sqlite3.Connection], T]) -> T:
        """Run a read of a few rows."""

    async def hashes(self, *, after: int, limit: int) -> list[bytes]:
        check_limit(limit)
        query = "SELECT hash FROM events WHERE position > ? ORDER BY position LIMIT ?"
        return self._read_now(lambda connection: [row[0] for row in connection.execute(query, (after, limit))])

    async def tree_size(self) -> int:
        query = "SELECT number, length(body) FROM tree_tiles WHERE level = 0 ORDER BY number DESC LIMIT 1"
        row = self._read_now(lambda connection: connection.execute(query).fetchone())
        return 0 if row is None else int(row[0]) * tree_rows.FULL + int(row[1]) // HASH_BYTES

    async def tiles(self, wanted: Collection[TileKey]) -> dict[TileKey, bytes]:
        values = ", ".join(["(?, ?)"] * len(wanted))
        query = f"SELECT level, number, body FROM tree_tiles WHERE (level, number) IN (VALUES {values})"

        def read(connection: sqlite3.Connection) -> dict[TileKey, bytes]:
            rows = connection.execute(query, [number for key in wanted for number in key])
            return {(level, number): bytes(body) for level, number, body in rows}

        return self._read_now(read) if wanted else {}

    async def put_tiles(self, tiles: Mapping[TileKey, bytes]) -> None:
        tree_rows.check_tiles(tiles)
        statement = (
            "INSERT INTO tree_tiles VALUES (?, ?, ?) ON CONFLICT (level, number) DO UPDATE SET body = excluded.body "
            "WHERE length(excluded.body) >= length(body)"
        )
        rows = [(level, number, body) for (level, number), body in tiles.items()]
        await self._write(lambda connection: connection.executemany(statement, rows))

    async def names(self) -> list[Named]:
        return self._read_now(_names)

    async def give_name(self, named: Named) -> bool:
        def work(connection: sqlite3.Connection) -> bool:
            if _last_number(connection) != named.number - 1:
                return False
            _add_name(connection, named)
            return True

        return await self._write(work)

    async def claim(self, number: int, size: int, root: bytes, *, at_ms: int) -> bool:
        tree_rows.check_claim(size, root)

        def work(connection: sqlite3.Connection) -> bool:
            if _last_number(connection) != number:
                return False
            query = "SELECT size, root FROM checkpoints WHERE log = ? ORDER BY size DESC LIMIT 1"
            row = connection.execute(query, (number,)).fetchone()
            if row is not None and (row[0] > size or (row[0] == size and row[1] != root)):
                return False
            connection.execute(
                "INSERT OR IGNORE INTO checkpoints VALUES (?, ?, ?, ?, ?)", (number, size, root, at_ms, b"")
            )
            return True

        return await self._write(work)

    async def keep_note(self, number: int, size: int, note: bytes, *, at_ms: int) -> None:
        statement = "UPDATE checkpoints SET note = ?, at_ms = ? WHERE log = ? AND size = ?"

        def work(connection: sqlite3.Connection) -> None:
            if not connection.execute(statement, (note, at_ms, number, size)).rowcount:
                raise tree_rows.unclaimed(size)

        await self._write(work)

    async def keep_cosignatures(self, number: int, size: int, cosignatures: Sequence[Cosignature]) -> None:
        rows = [(number, size, one.vkey, one.line, one.at_s) for one in cosignatures]
        statement = "INSERT OR REPLACE INTO cosignatures VALUES (?, ?, ?, ?, ?)"

        def work(connection: sqlite3.Connection) -> None:
            claimed = connection.execute("SELECT 1 FROM checkpoints WHERE log = ? AND size = ?", (number, size))
            if claimed.fetchone() is None:
                raise tree_rows.unclaimed(size)
            connection.executemany(statement, rows)

        await self._write(work)

    async def newest_claim(self, number: int) -> Checkpoint | None:
        query = f"{_CHECKPOINT} ORDER BY size DESC LIMIT 1"
        row = self._read_now(lambda connection: connection.execute(query, (number,)).fetchone())
        return None if row is None else Checkpoint(*row)

    async def checkpoint(
        self, number: int, *, at_least: int | None = None, vkeys: Collection[str] = (), quorum: int = 0
    ) -> Checkpoint | None:
        order = "DESC" if at_least is None else "ASC"

        def read(connection: sqlite3.Connection) -> Checkpoint | None:
            query = f"{_CHECKPOINT} AND size >= ? AND note <> x'' ORDER BY size {order} LIMIT 1"
            values: list[object] = [number, at_least or 0]
            if quorum:
                places = ", ".join("?" * len(vkeys))
                fitting = (
                    f"SELECT size FROM cosignatures WHERE log = ? AND size >= ? AND vkey IN ({places}) "
                    f"GROUP BY size HAVING count(*) >= ? ORDER BY size {order} LIMIT 1"
                )
                query = f"{_CHECKPOINT} AND note <> x'' AND size = ({fitting})"
                values = [number, number, at_least or 0, *vkeys, quorum]
            rows = connection.execute(query, values).fetchall()
            return next(iter(_whole(connection, rows)), None)

        return self._read_now(read)

    async def checkpoints(self, number: int, *, after: int, limit: int) -> list[Checkpoint]:
        check_limit(limit)
        query = f"{_CHECKPOINT} AND size > ? ORDER BY size LIMIT ?"
        return self._read_now(
            lambda connection: _whole(connection, connection.execute(query, (number, after, limit)).fetchall())
        )

    async def drop_checkpoints(self, number: int, sizes: Collection[int]) -> None:
        statement = (
            "DELETE FROM checkpoints AS c WHERE log = ? AND size = ? "
            "AND NOT EXISTS (SELECT 1 FROM cosignatures s WHERE s.log = c.log AND s.size = c.size)"
        )
        rows = [(number, size) for size in sizes]
        await self._write(lambda connection: connection.executemany(statement, rows))

    async def cosigned(self, number: int, vkey: str) -> tuple[int, int]:
        query = "SELECT size, at_s FROM cosignatures WHERE log = ? AND vkey = ? ORDER BY size DESC LIMIT 1"
        row = self._read_now(lambda connection: connection.execute(query, (number, vkey)).fetchone())
        return (0, 0) if row is None else (int(row[0]), int(row[1]))

    async def import_names(self, names: Sequence[Named], checkpoints: Sequence[Checkpoint]) -> None:
        def work(connection: sqlite3.Connection) -> None:
            for named in names:
                _add_name(connection, named)
            for one in checkpoints:
                connection.execute(
                    "INSERT OR IGNORE INTO checkpoints VALUES (?, ?, ?, ?, ?)",
                    (one.number, one.size, one.root, one.at_ms, one.note),
                )
                connection.executemany(
                    "INSERT OR IGNORE INTO cosignatures VALUES (?, ?, ?, ?, ?)",
                    [(one.number, one.size, each.vkey, each.line, each.at_s) for each in one.cosignatures],
                )

        await self._write(work)


def _last_number(connection: sqlite3.Connection) -> int:
    return int(connection.execute("SELECT coalesce(max(number), 0) FROM log_names").fetchone()[0])


def _add_name(connection: sqlite3.Connection, named: Named) -> None:
    connection.execute(
        "INSERT OR IGNORE INTO log_names VALUES (?, ?, ?, ?, ?, ?)",
        (named.number, named.origin, "\n".join(named.vkeys), named.since_ms, named.reason, named.last_note),
    )


def _names(connection: sqlite3.Connection) -> list[Named]:
    query = "SELECT number, origin, vkeys, since_ms, reason, last_note FROM log_names ORDER BY number"
    return [Named(row[0], row[1], tuple(row[2].split("\n")), *row[3:]) for row in connection.execute(query)]


def _whole(connection: sqlite3.Connection, rows: Sequence[tuple[int, int, bytes, int, bytes]]) -> list[Checkpoint]:
    """Return checkpoints with their cosignatures."""
    query = "SELECT vkey, line, at_s FROM cosignatures WHERE log = ? AND size = ? ORDER BY vkey"
    return [
        Checkpoint(*row, tuple(Cosignature(*each) for each in connection.execute(query, (row[0], row[1]))))
        for row in rows
    ]
