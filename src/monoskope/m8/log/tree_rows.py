"""What an event log keeps beside its events so that others can hold m8 to it: the tree, checkpoints, cosignatures.

The tree is derived from the records, and can be made again. Checkpoints, cosignatures and what the log is called are
not: m8 signed them, and others have them. Nothing here knows what a note says, or verifies one. A statement has `$1`,
`$2`, … for its values.

One file, though long: each table stands beside what reads and writes it.

Sources: docs/adr/0054-a-tree-beside-the-log.md, c2sp.org/tlog-tiles.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Generator, Mapping, Sequence
from typing import Any, TypeAlias, TypeVar

from monoskope.m8.log.failures import check_limit
from monoskope.value import Value

HASH_BYTES = 32
"""Bytes of one hash in a tile."""

FULL = 256
"""Hashes in a full tile."""

TileKey: TypeAlias = tuple[int, int]
"""The level of a tile, from 0, and its index there, from 0."""

T = TypeVar("T")

Row: TypeAlias = tuple[Any, ...]

Steps: TypeAlias = Generator[tuple[str, Row], list[Row], T]
"""Statements of one transaction, each with its values. Each is answered with its rows."""

TABLES = """
CREATE TABLE tree_tiles (
  number bigint NOT NULL, level smallint NOT NULL, body {bytes} NOT NULL, PRIMARY KEY (level, number)
);
CREATE TABLE log_names (
  number integer PRIMARY KEY, origin text NOT NULL, vkeys text NOT NULL, since_ms bigint NOT NULL,
  reason text NOT NULL, last_note {bytes} NOT NULL
);
CREATE TABLE checkpoints (
  log integer NOT NULL, size bigint NOT NULL, root {bytes} NOT NULL, at_ms bigint NOT NULL, note {bytes} NOT NULL,
  PRIMARY KEY (log, size)
);
CREATE TABLE cosignatures (
  log integer NOT NULL, size bigint NOT NULL, vkey {text} NOT NULL, line text NOT NULL, at_s bigint NOT NULL,
  PRIMARY KEY (log, size, vkey)
);
CREATE INDEX cosignatures_of ON cosignatures (log, vkey, size)
"""
"""What both engines make, each with the names that it has for the types of bytes and of texts in the order of bytes."""

_CHECKPOINT = "SELECT log, size, root, at_ms, note FROM checkpoints WHERE log = $1"
_ADD_CHECKPOINT = "INSERT INTO checkpoints VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING"
_ADD_NAME = "INSERT INTO log_names VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING"
_ADD_COSIGNATURE = "INSERT INTO cosignatures VALUES ($1, $2, $3, $4, $5) ON CONFLICT "
_LAST_NAME = "SELECT coalesce(max(number), 0) FROM log_names"


class Named(Value, frozen=True):
    """What the event log is called towards others, and since when. A log that was renewed has several, in order.

    Attributes:
        number: 1 for the first, then 2, 3, ….
        origin: The first line of its checkpoints.
        vkeys: The verifier keys of its own signatures, as text.
        since_ms: When it was recorded, milliseconds since 1970.
        reason: Why it was renewed, "" for one that continues none.
        last_note: The last note known of the one before it, b"" without one.
    """

    number: int
    origin: str
    vkeys: tuple[str, ...]
    since_ms: int
    reason: str = ""
    last_note: bytes = b""


class Cosignature(Value, frozen=True):
    """A witness's signature of a checkpoint.

    Attributes:
        vkey: The verifier key of the witness, as text.
        line: The signature line of the note, without its newline.
        at_s: When the witness signed, by its own clock, seconds since 1970.
    """

    vkey: str
    line: str
    at_s: int


class Checkpoint(Value, frozen=True):
    """A checkpoint as the log keeps it.

    Attributes:
        number: Of the `Named` that it belongs to.
        size: Of the tree.
        root: Of the tree.
        at_ms: When it was claimed or last signed, milliseconds since 1970.
        note: The note with the log's own signatures; b"" as long as it is claimed and not signed.
        cosignatures: In the order of their verifier keys.
    """

    number: int
    size: int
    root: bytes
    at_ms: int
    note: bytes = b""
    cosignatures: tuple[Cosignature, ...] = ()


class TreeRows(ABC):
    """The part of an `EventLog` about its tree, in SQL that both engines understand; they run it.

    Every method raises `UnavailableError` as those of `EventLog` do. `ValueError` means that the caller broke a rule
    stated here.
    """

    @abstractmethod
    async def _fetch(self, statement: str, *values: object) -> list[Row]:
        """Return the rows of a statement that reads a few. Raises `UnavailableError`."""

    @abstractmethod
    async def _execute(self, statement: str, *values: object) -> None:
        """Run a statement that writes. It may run twice. Raises `UnavailableError`."""

    @abstractmethod
    async def _alone(self, steps: Callable[[], Steps[T]]) -> T:
        """Run statements in a transaction, while no other such transaction runs. It may run twice.

        Raises:
            UnavailableError: nothing was written.
            Exception: whatever `steps` raised; nothing was written.
        """

    async def hashes(self, *, after: int, limit: int) -> list[bytes]:
        """Return the hashes of up to `limit` (at least 1) records whose position is greater than `after`, in order."""
        check_limit(limit)
        query = "SELECT hash FROM events WHERE position > $1 ORDER BY position LIMIT $2"
        return [digest for (digest,) in await self._fetch(query, after, limit)]

    async def tree_size(self) -> int:
        """Return how many leaves the tiles of level 0 have."""
        query = "SELECT number, length(body) FROM tree_tiles WHERE level = 0 ORDER BY number DESC LIMIT 1"
        rows = await self._fetch(query)
        return rows[0][0] * FULL + rows[0][1] // HASH_BYTES if rows else 0

    async def tiles(self, wanted: Collection[TileKey]) -> dict[TileKey, bytes]:
        """Return the tiles that are there, each with as many hashes as it has so far. All are of one moment."""
        if not wanted:
            return {}
        keys = ", ".join(f"(CAST(${at} AS bigint), CAST(${at + 1} AS bigint))" for at in range(1, 2 * len(wanted), 2))
        query = f"SELECT level, number, body FROM tree_tiles WHERE (level, number) IN (VALUES {keys})"
        rows = await self._fetch(query, *(number for key in wanted for number in key))
        return {(level, number): body for level, number, body in rows}

    async def put_tiles(self, tiles: Mapping[TileKey, bytes]) -> None:
        """Keep tiles, all or none. One that has more hashes already stays as it is.

        So of two that build the tree at once, the slower one takes nothing away.
        """
        _check_tiles(tiles)
        # In order, so that of two processes at once none waits for the other in a circle.
        rows = sorted((number, level, body) for (level, number), body in tiles.items())
        values = ", ".join(f"({_places(3, after=at)})" for at in range(0, 3 * len(rows), 3))
        if rows:
            await self._execute(
                f"INSERT INTO tree_tiles VALUES {values} ON CONFLICT (level, number) DO UPDATE "
                "SET body = excluded.body WHERE length(excluded.body) >= length(tree_tiles.body)",
                *(value for row in rows for value in row),
            )

    async def names(self) -> list[Named]:
        """Return what the log is and was called, in order; [] if it never made a checkpoint."""
        query = "SELECT number, origin, vkeys, since_ms, reason, last_note FROM log_names ORDER BY number"
        return [Named(row[0], row[1], tuple(row[2].split("\n")), *row[3:]) for row in await self._fetch(query)]

    async def give_name(self, named: Named) -> bool:
        """Call the log so from now on, durably, and return whether it did.

        It does if `named.number` is one more than the last one: so of two at once, one does. Nothing can be claimed
        under the name before any more.
        """

        def steps() -> Steps[bool]:
            if (yield _LAST_NAME, ())[0][0] == named.number - 1:
                yield _ADD_NAME, _name_row(named)
                return True
            # It may be ours, of a commit whose answer was lost.
            query = "SELECT 1 FROM log_names WHERE number = $1 AND origin = $2 AND since_ms = $3"
            return bool((yield query, (named.number, named.origin, named.since_ms)))

        return await self._alone(steps)

    async def claim(self, number: int, size: int, root: bytes, *, at_ms: int) -> bool:
        """Claim that the tree of `size` has `root`, durably, and return whether nothing speaks against it.

        It does not if `number` is not the last name, if a greater size is claimed, or this size with another root.
        To be called before anything is signed: so one root of each size is signed, however many processes sign.
        """
        if size < 1 or len(root) != HASH_BYTES:
            raise ValueError("a checkpoint is of a tree with a leaf, and has a root.")

        def steps() -> Steps[bool]:
            if (yield _LAST_NAME, ())[0][0] != number:
                return False
            newest = yield "SELECT size, root FROM checkpoints WHERE log = $1 ORDER BY size DESC LIMIT 1", (number,)
            if newest and (newest[0][0] > size or (newest[0][0] == size and newest[0][1] != root)):
                return False
            yield _ADD_CHECKPOINT, (number, size, root, at_ms, b"")
            return True

        return await self._alone(steps)

    async def keep_note(self, number: int, size: int, note: bytes, *, at_ms: int) -> None:
        """Keep the note of a claimed checkpoint, in place of an earlier one of the same claim.

        A claim that is not there is `ValueError`.
        """

        def steps() -> Steps[None]:
            yield from _claimed(number, size)
            keep = "UPDATE checkpoints SET note = $3, at_ms = $4 WHERE log = $1 AND size = $2"
            yield keep, (number, size, note, at_ms)

        await self._alone(steps)

    async def keep_cosignatures(self, number: int, size: int, cosignatures: Sequence[Cosignature]) -> None:
        """Keep cosignatures of a claimed checkpoint, in place of earlier ones of the same verifier keys."""

        def steps() -> Steps[None]:
            yield from _claimed(number, size)
            keep = f"{_ADD_COSIGNATURE}(log, size, vkey) DO UPDATE SET line = excluded.line, at_s = excluded.at_s"
            for one in cosignatures:
                yield keep, (number, size, one.vkey, one.line, one.at_s)

        await self._alone(steps)

    async def newest_claim(self, number: int) -> Checkpoint | None:
        """Return the claim of the greatest size, signed or not, without cosignatures; None if there is none."""
        rows = await self._fetch(f"{_CHECKPOINT} ORDER BY size DESC LIMIT 1", number)
        return Checkpoint(*rows[0]) if rows else None

    async def checkpoint(
        self, number: int, *, at_least: int | None = None, vkeys: Collection[str] = (), quorum: int = 0
    ) -> Checkpoint | None:
        """Return a signed checkpoint, None if there is none that fits.

        Args:
            number: Of the name that it belongs to.
            at_least: The smallest one of this size or a greater one is returned; without it, the greatest of all.
            vkeys: Of the witnesses whose cosignatures count.
            quorum: How many of them must have cosigned it.
        """
        order = "DESC" if at_least is None else "ASC"
        query = f"{_CHECKPOINT} AND size >= $2 AND length(note) > 0 ORDER BY size {order} LIMIT 1"
        values: list[object] = [number, at_least or 0]
        if quorum:
            query = (
                f"{_CHECKPOINT} AND length(note) > 0 AND size = (SELECT size FROM cosignatures WHERE log = $1 "
                f"AND size >= $2 AND vkey IN ({_places(len(vkeys), after=3)}) "
                f"GROUP BY size HAVING count(*) >= $3 ORDER BY size {order} LIMIT 1)"
            )
            values += [quorum, *vkeys]
        return next(iter(await self._whole(await self._fetch(query, *values))), None)

    async def checkpoints(self, number: int, *, after: int, limit: int) -> list[Checkpoint]:
        """Return up to `limit` (at least 1) claims whose size is greater than `after`, signed or not, in order.

        The smallest size is 1, so `after=0` begins with the first.
        """
        check_limit(limit)
        query = f"{_CHECKPOINT} AND size > $2 ORDER BY size LIMIT $3"
        return await self._whole(await self._fetch(query, number, after, limit))

    async def drop_checkpoints(self, number: int, sizes: Collection[int]) -> None:
        """Drop checkpoints of these sizes; those that a witness cosigned stay. Not to be called for the greatest."""
        if sizes:
            await self._execute(
                f"DELETE FROM checkpoints WHERE log = $1 AND size IN ({_places(len(sizes), after=1)}) "
                "AND NOT EXISTS "
                "(SELECT 1 FROM cosignatures c WHERE c.log = checkpoints.log AND c.size = checkpoints.size)",
                number,
                *sizes,
            )

    async def cosigned(self, number: int, vkey: str) -> tuple[int, int]:
        """Return the size of the greatest checkpoint that the witness cosigned, and when (`at_s`); (0, 0) if none."""
        query = "SELECT size, at_s FROM cosignatures WHERE log = $1 AND vkey = $2 ORDER BY size DESC LIMIT 1"
        rows = await self._fetch(query, number, vkey)
        return (rows[0][0], rows[0][1]) if rows else (0, 0)

    async def import_names(self, names: Sequence[Named], checkpoints: Sequence[Checkpoint]) -> None:
        """Take over names and checkpoints of the log that is being imported. What is there already stays as it is."""

        def steps() -> Steps[None]:
            for named in names:
                yield _ADD_NAME, _name_row(named)
            for one in checkpoints:
                yield _ADD_CHECKPOINT, (one.number, one.size, one.root, one.at_ms, one.note)
                for each in one.cosignatures:
                    yield f"{_ADD_COSIGNATURE}DO NOTHING", (one.number, one.size, each.vkey, each.line, each.at_s)

        await self._alone(steps)

    async def _whole(self, rows: Sequence[Row]) -> list[Checkpoint]:
        """Return checkpoints, in the order of their sizes, with their cosignatures."""
        if not rows:
            return []
        found: dict[int, list[Cosignature]] = {row[1]: [] for row in rows}
        query = (
            "SELECT size, vkey, line, at_s FROM cosignatures WHERE log = $1 AND size >= $2 AND size <= $3 "
            "ORDER BY size, vkey"
        )
        for size, *cosignature in await self._fetch(query, rows[0][0], rows[0][1], rows[-1][1]):
            if size in found:  # else its checkpoint was claimed since
                found[size].append(Cosignature(*cosignature))
        return [Checkpoint(row[0], row[1], row[2], row[3], row[4], tuple(found[row[1]])) for row in rows]


def _check_tiles(tiles: Mapping[TileKey, bytes]) -> None:
    for (level, index), body in tiles.items():
        if not 0 <= level < 8 or index < 0:
            raise ValueError("a tile has a level from 0 to 7, and an index.")
        if not body or len(body) % HASH_BYTES or len(body) > FULL * HASH_BYTES:
            raise ValueError(f"a tile has from 1 to {FULL} hashes of {HASH_BYTES} bytes.")


def _places(count: int, *, after: int) -> str:
    """Return the places of `count` values of a statement, which come after so many others: `$3, $4`."""
    return ", ".join(f"${after + number}" for number in range(1, count + 1))


def _claimed(number: int, size: int) -> Steps[None]:
    if not (yield "SELECT 1 FROM checkpoints WHERE log = $1 AND size = $2", (number, size)):
        raise ValueError(f"no checkpoint of the size {size} was claimed.")


def _name_row(named: Named) -> Row:
    return named.number, named.origin, "\n".join(named.vkeys), named.since_ms, named.reason, named.last_note
