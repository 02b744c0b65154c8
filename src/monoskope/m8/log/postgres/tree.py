"""The tree, checkpoints and cosignatures in PostgreSQL."""

# ruff: noqa: D102  every method is documented by TreeRows
from __future__ import annotations

from abc import abstractmethod
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Any, TypeVar

from monoskope.m8.log import tree_rows
from monoskope.m8.log.failures import check_limit
from monoskope.m8.log.postgres.connecting import Connection
from monoskope.m8.log.tree_rows import HASH_BYTES, Checkpoint, Cosignature, Named, TileKey, TreeRows

T = TypeVar("T")

TABLES = """
CREATE TABLE tree_tiles (
  number bigint NOT NULL, level smallint NOT NULL, body bytea NOT NULL, PRIMARY KEY (level, number)
);
ALTER TABLE tree_tiles ALTER COLUMN body SET STORAGE EXTERNAL;
CREATE TABLE log_names (
  number integer PRIMARY KEY, origin text NOT NULL, vkeys text NOT NULL, since_ms bigint NOT NULL,
  reason text NOT NULL, last_note bytea NOT NULL
);
CREATE TABLE checkpoints (
  log integer NOT NULL, size bigint NOT NULL, root bytea NOT NULL, at_ms bigint NOT NULL, note bytea NOT NULL,
  PRIMARY KEY (log, size)
);
CREATE TABLE cosignatures (
  log integer NOT NULL, size bigint NOT NULL, vkey text COLLATE "C" NOT NULL, line text NOT NULL, at_s bigint NOT NULL,
  PRIMARY KEY (log, size, vkey)
);
CREATE INDEX cosignatures_of ON cosignatures (log, vkey, size);
"""

_LOCK = 0x6D386C74
"""The advisory lock ("m8lt"), held to the end of one transaction, under which names are given and sizes claimed."""

_CHECKPOINT = "SELECT log AS number, size, root, at_ms, note FROM checkpoints WHERE log = $1"
_FITTING = (
    "SELECT size FROM cosignatures WHERE log = $1 AND size >= $2 AND vkey = ANY($3::text[]) "
    "GROUP BY size HAVING count(*) >= $4"
)
_ADD_NAME = "INSERT INTO log_names VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING"


class PostgresTreeRows(TreeRows):
    """What `PostgresLog` keeps beside its events."""

    @abstractmethod
    async def _read(self, use: Callable[[Connection], Awaitable[T]]) -> T:
        """Run what reads."""

    @abstractmethod
    async def _write(self, use: Callable[[Connection], Awaitable[T]]) -> T:
        """Run what writes, to its end. It may run twice."""

    async def hashes(self, *, after: int, limit: int) -> list[bytes]:
        check_limit(limit)
        query = "SELECT hash FROM events WHERE position > $1 ORDER BY position LIMIT $2"

        async def use(connection: Connection) -> list[bytes]:
            return [row[0] for row in await connection.fetch(query, after, limit)]

        return await self._read(use)

    async def tree_size(self) -> int:
        query = "SELECT number, octet_length(body) FROM tree_tiles WHERE level = 0 ORDER BY number DESC LIMIT 1"
        row = await self._read(lambda connection: connection.fetchrow(query))
        return 0 if row is None else int(row[0]) * tree_rows.FULL + int(row[1]) // HASH_BYTES

    async def tiles(self, wanted: Collection[TileKey]) -> dict[TileKey, bytes]:
        query = (
            "SELECT t.level, t.number, t.body FROM unnest($1::smallint[], $2::bigint[]) AS w(level, number) "
            "JOIN tree_tiles t USING (level, number)"
        )
        levels, numbers = [level for level, _ in wanted], [number for _, number in wanted]

        async def use(connection: Connection) -> dict[TileKey, bytes]:
            return {(row[0], row[1]): row[2] for row in await connection.fetch(query, levels, numbers)}

        return await self._read(use) if wanted else {}

    async def put_tiles(self, tiles: Mapping[TileKey, bytes]) -> None:
        tree_rows.check_tiles(tiles)
        statement = (
            "INSERT INTO tree_tiles AS t (level, number, body) "
            "SELECT * FROM unnest($1::smallint[], $2::bigint[], $3::bytea[]) AS n(level, number, body) "
            "ORDER BY n.level, n.number "  # of two at once none waits for the other in a circle
            "ON CONFLICT (level, number) DO UPDATE SET body = excluded.body "
            "WHERE octet_length(excluded.body) >= octet_length(t.body)"
        )
        levels, numbers = [level for level, _ in tiles], [number for _, number in tiles]
        await self._write(lambda connection: connection.execute(statement, levels, numbers, list(tiles.values())))

    async def names(self) -> list[Named]:
        query = "SELECT number, origin, vkeys, since_ms, reason, last_note FROM log_names ORDER BY number"

        async def use(connection: Connection) -> list[Named]:
            rows = await connection.fetch(query)
            return [Named(row[0], row[1], tuple(row[2].split("\n")), *row[3:]) for row in map(tuple, rows)]

        return await self._read(use)

    async def give_name(self, named: Named) -> bool:
        async def use(connection: Connection) -> bool:
            async with connection.transaction():
                if await _locked_number(connection) != named.number - 1:
                    # It may be ours, of a commit whose answer was lost.
                    query = "SELECT true FROM log_names WHERE (number, origin, since_ms) = ($1, $2, $3)"
                    return bool(await connection.fetchval(query, named.number, named.origin, named.since_ms))
                await connection.execute(_ADD_NAME, *_name_row(named))
                return True

        return await self._write(use)

    async def claim(self, number: int, size: int, root: bytes, *, at_ms: int) -> bool:
        tree_rows.check_claim(size, root)

        async def use(connection: Connection) -> bool:
            async with connection.transaction():
                if await _locked_number(connection) != number:
                    return False
                query = "SELECT size, root FROM checkpoints WHERE log = $1 ORDER BY size DESC LIMIT 1"
                row = await connection.fetchrow(query, number)
                if row is not None and (row[0] > size or (row[0] == size and row[1] != root)):
                    return False
                add = "INSERT INTO checkpoints VALUES ($1, $2, $3, $4, '') ON CONFLICT DO NOTHING"
                await connection.execute(add, number, size, root, at_ms)
                return True

        return await self._write(use)

    async def keep_note(self, number: int, size: int, note: bytes, *, at_ms: int) -> None:
        statement = "UPDATE checkpoints SET note = $3, at_ms = $4 WHERE log = $1 AND size = $2 RETURNING true"
        if not await self._write(lambda connection: connection.fetchval(statement, number, size, note, at_ms)):
            raise tree_rows.unclaimed(size)

    async def keep_cosignatures(self, number: int, size: int, cosignatures: Sequence[Cosignature]) -> None:
        statement = (
            "INSERT INTO cosignatures SELECT $1, $2, * FROM unnest($3::text[], $4::text[], $5::bigint[]) "
            "ON CONFLICT (log, size, vkey) DO UPDATE SET line = excluded.line, at_s = excluded.at_s"
        )
        claimed = "SELECT true FROM checkpoints WHERE log = $1 AND size = $2"

        async def use(connection: Connection) -> bool:
            if not await connection.fetchval(claimed, number, size):
                return False
            await connection.execute(
                statement,
                number,
                size,
                [one.vkey for one in cosignatures],
                [one.line for one in cosignatures],
                [one.at_s for one in cosignatures],
            )
            return True

        if not await self._write(use):
            raise tree_rows.unclaimed(size)

    async def newest_claim(self, number: int) -> Checkpoint | None:
        query = f"{_CHECKPOINT} ORDER BY size DESC LIMIT 1"
        row = await self._read(lambda connection: connection.fetchrow(query, number))
        return None if row is None else Checkpoint(*row)

    async def checkpoint(
        self, number: int, *, at_least: int | None = None, vkeys: Collection[str] = (), quorum: int = 0
    ) -> Checkpoint | None:
        order = "DESC" if at_least is None else "ASC"
        query = f"{_CHECKPOINT} AND size >= $2 AND note <> '' ORDER BY size {order} LIMIT 1"
        values: list[Any] = [number, at_least or 0]
        if quorum:
            query = f"{_CHECKPOINT} AND note <> '' AND size = ({_FITTING} ORDER BY size {order} LIMIT 1)"
            values += [list(vkeys), quorum]

        async def use(connection: Connection) -> Checkpoint | None:
            return next(iter(await _whole(connection, await connection.fetch(query, *values))), None)

        return await self._read(use)

    async def checkpoints(self, number: int, *, after: int, limit: int) -> list[Checkpoint]:
        check_limit(limit)
        query = f"{_CHECKPOINT} AND size > $2 ORDER BY size LIMIT $3"

        async def use(connection: Connection) -> list[Checkpoint]:
            return await _whole(connection, await connection.fetch(query, number, after, limit))

        return await self._read(use)

    async def drop_checkpoints(self, number: int, sizes: Collection[int]) -> None:
        statement = (
            "DELETE FROM checkpoints c WHERE log = $1 AND size = ANY($2::bigint[]) "
            "AND NOT EXISTS (SELECT FROM cosignatures s WHERE s.log = c.log AND s.size = c.size)"
        )
        await self._write(lambda connection: connection.execute(statement, number, list(sizes)))

    async def cosigned(self, number: int, vkey: str) -> tuple[int, int]:
        query = "SELECT size, at_s FROM cosignatures WHERE log = $1 AND vkey = $2 ORDER BY size DESC LIMIT 1"
        row = await self._read(lambda connection: connection.fetchrow(query, number, vkey))
        return (0, 0) if row is None else (row[0], row[1])

    async def import_names(self, names: Sequence[Named], checkpoints: Sequence[Checkpoint]) -> None:
        async def use(connection: Connection) -> None:
            async with connection.transaction():
                await connection.executemany(_ADD_NAME, [_name_row(named) for named in names])
                await connection.executemany(
                    "INSERT INTO checkpoints VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
                    [(one.number, one.size, one.root, one.at_ms, one.note) for one in checkpoints],
                )
                await connection.executemany(
                    "INSERT INTO cosignatures VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
                    [
                        (one.number, one.size, each.vkey, each.line, each.at_s)
                        for one in checkpoints
                        for each in one.cosignatures
                    ],
                )

        await self._write(use)


async def _locked_number(connection: Connection) -> int:
    """Return the number of the last name, and let nobody else give one or claim a size until the transaction ends."""
    await connection.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)
    return int(await connection.fetchval("SELECT coalesce(max(number), 0) FROM log_names"))


def _name_row(named: Named) -> tuple[int, str, str, int, str, bytes]:
    return named.number, named.origin, "\n".join(named.vkeys), named.since_ms, named.reason, named.last_note


async def _whole(connection: Connection, rows: Sequence[Any]) -> list[Checkpoint]:
    """Return checkpoints with their cosignatures."""
    if not rows:
        return []
    found: dict[int, list[Cosignature]] = {row["size"]: [] for row in rows}
    query = (
        "SELECT size, vkey, line, at_s FROM cosignatures WHERE log = $1 AND size = ANY($2::bigint[]) "
        "ORDER BY size, vkey"
    )
    for size, vkey, line, at_s in await connection.fetch(query, rows[0]["number"], list(found)):
        found[size].append(Cosignature(vkey, line, at_s))
    return [Checkpoint(**row, cosignatures=tuple(found[row["size"]])) for row in rows]
