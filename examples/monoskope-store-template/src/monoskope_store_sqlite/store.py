"""The driver `sqlite`: one table, one row a version. The values lie in it in the clear: an example, no safe.

SQLite gives what the interface asks for: AUTOINCREMENT never gives a number twice, so the row's number is the version,
also after an administrator deleted rows; a transaction compares and writes in one act, the write tag with it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self, TypeVar

from monoskope.errors import Error
from monoskope.protocol.payload import Payload, decode, encode
from monoskope.stores.driver import (
    NOTHING,
    CannotReadError,
    Capabilities,
    DriverError,
    Snapshot,
    StoreConflictError,
    StoreDriver,
    StoreRefusedError,
    StoreUnavailableError,
)
from monoskope_store_sqlite.config import SqliteConfig

T = TypeVar("T")

_TABLE = """
CREATE TABLE IF NOT EXISTS secrets (
  version INTEGER PRIMARY KEY AUTOINCREMENT,
  path    TEXT    NOT NULL,
  tag     TEXT    NOT NULL,
  content BLOB    NOT NULL,
  deleted INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX IF NOT EXISTS by_path ON secrets (path, version);
"""
_NEWEST = "SELECT version, content, deleted FROM secrets WHERE path = ? ORDER BY version DESC LIMIT 1"


class SqliteStore(StoreDriver):
    """See `StoreDriver`."""

    kind = "sqlite"
    Config = SqliteConfig
    maturity = "experimental"

    def __init__(self, config: SqliteConfig) -> None:
        self._config = config

    def __repr__(self) -> str:
        return f"<SqliteStore {self._config.file}>"

    # --- opening and closing ---

    @classmethod
    def example(cls, folder: Path) -> dict[str, Any]:
        """Return the fields that `m8 reactor init` writes under `[engine]`; they fit `SqliteConfig`."""
        return {"file": str(folder / "secrets.sqlite"), "readable": False}

    @classmethod
    async def open(cls, config: SqliteConfig, *, state_dir: Path) -> Self:
        """Make the file and its table if they are missing.

        Raises:
            StoreUnavailableError: the file cannot be opened.
        """
        del state_dir  # for what a driver must keep, as a token; this one keeps nothing
        store = cls(config)
        await asyncio.to_thread(store._prepare)
        return store

    @property
    def capabilities(self) -> Capabilities:
        """What a SQLite file can do under this configuration. Announce nothing that the suite does not show."""
        return Capabilities(
            max_plaintext=self._config.max_plaintext,
            check_and_set=True,
            write_tag=True,
            readable=self._config.readable,
            deletable=True,
            soft_delete=True,
            layout="One row a version in a SQLite file, the whole secret as padded JSON, in the clear.",
        )

    async def close(self) -> None:
        """Nothing is kept open between calls."""

    # --- the verbs ---

    def check(self, path: tuple[str, ...], options: object | None) -> None:
        """Refuse any options. Every path is a text of its own, so each has its place."""
        del path
        if options is not None:
            raise StoreRefusedError("a sqlite store takes no options.", fix="Leave them out.")

    async def read_version(self, path: tuple[str, ...]) -> str:
        """Return the version at `path`, or `NOTHING`."""
        return await self._do(lambda database: _version(database, path))

    async def write(
        self,
        path: tuple[str, ...],
        payload: Payload,
        *,
        replacing: str | None,
        write_tag: str,
        options: object | None = None,
    ) -> str:
        """See `StoreDriver.write`: compared and written in one transaction."""
        self.check(path, options)

        def work(database: sqlite3.Connection) -> str:
            _expect(database, path, replacing)
            row = (_text(path), write_tag, encode(payload))
            made = database.execute("INSERT INTO secrets (path, tag, content) VALUES (?, ?, ?)", row)
            return str(made.lastrowid)

        return await self._do(work)

    async def delete(self, path: tuple[str, ...], *, replacing: str | None, destroy: bool) -> None:
        """See `StoreDriver.delete`: softly by a mark that the file's owner can take away."""

        def work(database: sqlite3.Connection) -> None:
            if _version(database, path) == NOTHING:
                raise _conflict()
            _expect(database, path, replacing)
            if destroy:
                database.execute("DELETE FROM secrets WHERE path = ?", (_text(path),))
            else:
                database.execute("UPDATE secrets SET deleted = 1 WHERE path = ?", (_text(path),))

        await self._do(work)

    async def find(self, path: tuple[str, ...], write_tag: str) -> str | None:
        """Return the newest version at `path` that was written with `write_tag`, or None."""
        query = "SELECT version FROM secrets WHERE path = ? AND tag = ? AND NOT deleted ORDER BY version DESC"

        def work(database: sqlite3.Connection) -> str | None:
            row = database.execute(query, (_text(path), write_tag)).fetchone()
            return None if row is None else str(row[0])

        return await self._do(work)

    async def read(self, path: tuple[str, ...]) -> Snapshot | None:
        """See `StoreDriver.read`. A store that may not read says so, too."""
        if not self._config.readable:
            raise CannotReadError("this store is write-only.")
        return await self._newest(path)

    # --- SQLite ---

    async def _newest(self, path: tuple[str, ...]) -> Snapshot | None:
        row = await self._do(lambda database: database.execute(_NEWEST, (_text(path),)).fetchone())
        if row is None or row[2]:
            return None
        try:
            return Snapshot(str(row[0]), decode(row[1]))
        except Error:
            pass
        # Raised out here: no error that knows the content hangs on it.
        raise CannotReadError("the newest row of this secret is not one that this store could have written.")

    def _prepare(self) -> None:
        with _translated():
            os.close(os.open(self._config.file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
            with self._connected() as database:
                database.executescript(_TABLE)

    @contextlib.contextmanager
    def _connected(self) -> Iterator[sqlite3.Connection]:
        # mode=rw: a file that is gone is an engine that is away, not an empty one.
        address = f"{Path(self._config.file).as_uri()}?mode=rw"
        database = sqlite3.connect(address, uri=True, timeout=self._config.timeout_s, isolation_level=None)
        with contextlib.closing(database):
            database.execute("PRAGMA secure_delete = ON")
            yield database

    async def _do(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run `work` in a transaction that happens whole or not at all, in a thread."""

        def transaction() -> T:
            with _translated(), self._connected() as database:
                database.execute("BEGIN IMMEDIATE")
                try:
                    result = work(database)
                    database.execute("COMMIT")
                except BaseException:
                    if database.in_transaction:
                        database.execute("ROLLBACK")
                    raise
                return result

        return await asyncio.to_thread(transaction)


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    """Turn SQLite's errors into what they mean. Their own text may repeat what was sent: it goes nowhere."""
    failure: DriverError
    try:
        yield
    except (sqlite3.Error, OSError):
        # A transaction that did not end was undone, so nothing was written.
        failure = StoreUnavailableError("the SQLite file cannot be used now.", fix="Check the file and its disk.")
    else:
        return
    raise failure


def _text(path: tuple[str, ...]) -> str:
    return "/".join(path)  # no segment has a slash, so no two paths meet


def _version(database: sqlite3.Connection, path: tuple[str, ...]) -> str:
    row = database.execute(_NEWEST, (_text(path),)).fetchone()
    return NOTHING if row is None or row[2] else str(row[0])


def _expect(database: sqlite3.Connection, path: tuple[str, ...], replacing: str | None) -> None:
    if replacing is not None and replacing != _version(database, path):
        raise _conflict()


def _conflict() -> StoreConflictError:
    return StoreConflictError("the secret in the file is not the version that was to be replaced.")
