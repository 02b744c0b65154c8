"""What lies beside events and documents: heartbeats, leases, cursors and sealed bytes."""

from __future__ import annotations

from collections.abc import Iterable

from monoskope.m8.log.cursor import Cursor
from monoskope.m8.log.postgres.connecting import Connection

PIECE = 200
"""How many sealed bytes are erased in one transaction."""


async def beat(connection: Connection, key: str, at_ms: int, note: bytes) -> None:
    """Record a heartbeat, whatever was recorded of its key."""
    await connection.execute(
        "INSERT INTO beats VALUES ($1, $2, $3) "
        "ON CONFLICT (key) DO UPDATE SET at_ms = excluded.at_ms, note = excluded.note",
        key,
        at_ms,
        note,
    )


async def beats(connection: Connection) -> dict[str, int]:
    """Return when the last heartbeat of each key was."""
    return {row["key"]: row["at_ms"] for row in await connection.fetch("SELECT key, at_ms FROM beats")}


async def beat_notes(connection: Connection) -> dict[str, bytes]:
    """Return the notes that are not empty."""
    query = "SELECT key, note FROM beats WHERE note <> ''"
    return {row["key"]: row["note"] for row in await connection.fetch(query)}


async def forget_beat(connection: Connection, key: str) -> None:
    """Drop a heartbeat."""
    await connection.execute("DELETE FROM beats WHERE key = $1", key)


async def lease(connection: Connection, name: str, holder: str, ttl_ms: int) -> bool:
    """Take or keep a lease, by the clock of the database.

    No lease is longer than a minute. One that ends later than that is from before the clock was set back, as by a
    failover to a server with another clock: its holder may be gone, and nobody would have it for as long.
    """
    taken = await connection.fetchval(
        "INSERT INTO leases VALUES ($1, $2, clock_timestamp() + $3 * interval '1 millisecond') "
        "ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, ends = excluded.ends "
        "WHERE leases.holder = excluded.holder OR leases.ends <= clock_timestamp() "
        "OR leases.ends > clock_timestamp() + interval '1 minute' RETURNING true",
        name,
        holder,
        ttl_ms,
    )
    return bool(taken)


async def release(connection: Connection, name: str, holder: str) -> None:
    """Give a lease up."""
    await connection.execute("DELETE FROM leases WHERE name = $1 AND holder = $2", name, holder)


async def cursor(connection: Connection, name: str) -> Cursor | None:
    """Return where a cursor stands."""
    row = await connection.fetchrow("SELECT position, hash FROM cursors WHERE name = $1", name)
    return None if row is None else Cursor(row["position"], row["hash"])


async def move_cursor(connection: Connection, name: str, was: Cursor | None, now: Cursor) -> bool:
    """Move a cursor, and return whether it stood where the caller thought."""
    if was is None:
        add = "INSERT INTO cursors VALUES ($1, $2, $3) ON CONFLICT DO NOTHING RETURNING true"
        return bool(await connection.fetchval(add, name, now.position, now.hash))
    move = "UPDATE cursors SET position = $2, hash = $3 WHERE name = $1 AND position = $4 AND hash = $5 RETURNING true"
    return bool(await connection.fetchval(move, name, now.position, now.hash, was.position, was.hash))


async def try_write(connection: Connection, name: str, body: bytes) -> None:
    """Commit a table `name` that held `body`, and is gone by then.

    In a table of its own, because the others may have room of rows that are gone, which would say nothing of the disk;
    and what could not be written whole gives its room back at once. Unlogged: tried again and again, it would fill the
    server's write-ahead log, and a server that has no room for that ends.
    """
    await connection.execute("BEGIN")
    await connection.execute(f"CREATE UNLOGGED TABLE {name} (body bytea NOT NULL)")
    await connection.execute(f"INSERT INTO {name} VALUES ($1)", body)  # noqa: S608  m8 made the name
    await connection.execute(f"DROP TABLE {name}")
    await connection.execute("COMMIT")


async def sealed(connection: Connection, sha256: bytes) -> bytes | None:
    """Return sealed bytes."""
    body: bytes | None = await connection.fetchval("SELECT body FROM sealed WHERE sha256 = $1", sha256)
    return body


async def size_bytes(connection: Connection) -> int:
    """Return how many bytes the tables of the log take, with their indexes."""
    query = (
        "SELECT coalesce(sum(pg_total_relation_size(oid)), 0)::bigint FROM pg_class "
        "WHERE relnamespace = current_schema()::regnamespace AND relkind = 'r'"
    )
    return int(await connection.fetchval(query))


async def erase_sealed(connection: Connection, sha256s: Iterable[bytes]) -> int:
    """Erase sealed bytes and return how many rows there were."""
    query = "WITH gone AS (DELETE FROM sealed WHERE sha256 = ANY($1::bytea[]) RETURNING 1) SELECT count(*) FROM gone"
    return int(await connection.fetchval(query, list(sha256s)))
