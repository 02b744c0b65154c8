"""The database file: creating it, refusing one that is not ours, connecting to it, and what its errors mean.

One file and, beside it, SQLite's own `-wal` and `-shm`; all of mode 0600. WAL with synchronous=FULL: a commit that
returned survives the loss of power.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import stat
import time
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from monoskope.errors import Error, UnavailableError, UsageError
from monoskope.m8.log import sql, tree_rows
from monoskope.m8.log.failures import unfinished
from monoskope.m8.log.folder import new_id
from monoskope.m8.log.sqlite import documents
from monoskope.settings import check_closed, sync_folder

APPLICATION_ID = 0x6D386C67
"""Marks the file as an m8 event log ("m8lg")."""

IMPORTING_ID = 0x6D386C69
"""Marks the file of a log whose import is not finished ("m8li"). An older m8 does not open it, either."""

BUSY_MS = 30_000
"""How long a connection waits for another process's transaction."""

SYNCHRONOUS = "FULL"
"""A commit that returned has reached the disk."""

SCHEMA = """
CREATE TABLE events (
  position INTEGER PRIMARY KEY, stream TEXT NOT NULL, version INTEGER NOT NULL,
  record BLOB NOT NULL, hash BLOB NOT NULL, UNIQUE (stream, version)
);
CREATE TRIGGER events_stay BEFORE UPDATE ON events BEGIN SELECT RAISE(ABORT, 'events are never changed'); END;
CREATE TRIGGER events_last BEFORE DELETE ON events BEGIN SELECT RAISE(ABORT, 'events are never deleted'); END;
CREATE TABLE head (
  id INTEGER PRIMARY KEY CHECK (id = 1), position INTEGER NOT NULL, hash BLOB NOT NULL, fence INTEGER NOT NULL
);
INSERT INTO head VALUES (1, 0, zeroblob(32), 0);
CREATE TABLE sealed (sha256 BLOB PRIMARY KEY NOT NULL, body BLOB NOT NULL);
CREATE TABLE leases (name TEXT PRIMARY KEY NOT NULL, holder TEXT NOT NULL, until_ms INTEGER NOT NULL);
CREATE TABLE log_id (one INTEGER PRIMARY KEY CHECK (one = 1), id TEXT NOT NULL);
"""
_TABLES = (
    SCHEMA,
    documents.BUILDS,
    *(each.format(bytes="blob", text="text") for each in (tree_rows.TABLES, sql.TABLES)),
)


def prepare(path: Path, *, for_import: bool = False) -> None:
    """Make sure that `path` is an event log, creating it if there is none. Blocks.

    Args:
        path: The file.
        for_import: Whether it may be a log whose import is not finished.

    Raises:
        UsageError: its folder does not exist, it is something else, or an m8 with another form wrote it.
        ConflictError: its import is not finished.
        RefusedError: others than its owner can reach it.
        UnavailableError: the disk does not let us.
    """
    try:
        _create(path)
        _check_mode(path)
    except OSError as error:
        raise UsageError(
            f"the event log {path} cannot be opened: {error.strerror}.",
            fix="Check that its folder exists and is yours.",
        ) from None
    try:
        with closing(connect(path)) as connection:
            if is_importing(connection) and not for_import:
                raise unfinished(path)
            _initialise(connection, path)
    except sqlite3.DatabaseError as error:
        raise explain(error, path) from None


def _create(path: Path) -> None:
    """Create an empty file of mode 0600 if there is none. SQLite gives -wal and -shm the mode of the file."""
    try:
        # An existing file is never opened here: closing it would drop the locks that SQLite holds on it.
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        return
    os.close(descriptor)
    sync_folder(path.parent)


def _check_mode(path: Path) -> None:
    mode = path.stat().st_mode
    if not stat.S_ISREG(mode):
        raise UsageError(f"the event log {path} is not a regular file.", fix="Name a regular file.")
    check_closed(path, mode, name=f"the event log {path}")


def _initialise(connection: sqlite3.Connection, path: Path) -> None:
    """Create the tables. Several processes may try at once: the one that gets the write lock first does it."""
    connection.execute("BEGIN")  # one snapshot, because another process may be creating the tables
    ready = _is_ours(connection, path)
    connection.execute("ROLLBACK")
    if ready:
        return
    # Before anything is in the file: pages that erasing frees can then be given back to the disk.
    connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
    _switch_to_wal(connection)
    connection.execute("BEGIN IMMEDIATE")
    if not _is_ours(connection, path):
        for statement in ";\n".join(map(str.strip, _TABLES)).replace(";;", ";").split(";\n"):
            connection.execute(statement)
        connection.execute("INSERT INTO log_id VALUES (1, ?)", (new_id(),))
        documents.create(connection, documents.CURRENT, "i0")
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {documents.FORM}")
    connection.execute("COMMIT")


def is_importing(connection: sqlite3.Connection) -> bool:
    """Whether the import into the log is not finished."""
    return bool(connection.execute("PRAGMA application_id").fetchone()[0] == IMPORTING_ID)


def _is_ours(connection: sqlite3.Connection, path: Path) -> bool:
    """Return True for an event log of a known form, False for an empty database. Raises `UsageError` otherwise."""
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if application in (APPLICATION_ID, IMPORTING_ID) and version == documents.FORM:
        return True
    if application in (APPLICATION_ID, IMPORTING_ID):
        raise UsageError(
            f"the event log {path} has schema {version}, this m8 knows {documents.FORM} and no newer one.",
            fix="Start the version of m8 that wrote it, or a newer one.",
        )
    if application or version or connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
        raise UsageError(f"{path} is a database, but not an event log of m8.", fix="Name another file.")
    return False


def _switch_to_wal(connection: sqlite3.Connection) -> None:
    """SQLite does not wait for another process's lock when it changes the journal mode, so we do."""
    deadline = time.monotonic() + BUSY_MS / 1000
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.005)
        else:
            return


def connect(path: Path, *, read_only: bool = False) -> sqlite3.Connection:
    """Return a connection to an existing file, for one thread at a time, without implicit transactions."""
    connection = sqlite3.connect(
        f"file:{quote(str(path.absolute()))}?mode=rw",
        uri=True,
        timeout=BUSY_MS / 1000,
        isolation_level=None,
        check_same_thread=False,
    )
    try:
        connection.execute(f"PRAGMA synchronous = {SYNCHRONOUS}")
        connection.execute("PRAGMA fullfsync = ON")  # macOS: its fsync alone does not reach the medium
        connection.execute("PRAGMA secure_delete = ON")  # erased sealed bytes are overwritten
        connection.execute(f"PRAGMA query_only = {'ON' if read_only else 'OFF'}")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def log_id(path: Path) -> str:
    """Return the id of the log in an existing file, "" for anything but a whole event log. Blocks.

    Raises:
        UnavailableError: the file cannot be read.
    """
    try:
        with closing(connect(path, read_only=True)) as connection:
            if connection.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
                return ""
            return str(connection.execute("SELECT id FROM log_id").fetchone()[0])
    except sqlite3.DatabaseError as error:
        raise explain(error, path) from None


def schema_state(path: Path) -> str:
    """Return "ok" if the database has the schema that this m8 knows, else what is wrong, in a few fixed words. Blocks.

    A newer m8 may have migrated it while this one runs.
    """
    try:
        with closing(connect(path, read_only=True)) as connection:
            return "ok" if _is_ours(connection, path) else "empty"
    except sqlite3.Error:
        return "unreadable"
    except UsageError:
        return "of another version"


def size_bytes(path: Path) -> int:
    """Return the bytes of the database and of the files beside it."""
    found = 0
    for name in ("", "-wal", "-shm"):
        with contextlib.suppress(FileNotFoundError):
            found += path.with_name(path.name + name).stat().st_size
    return found


_DISK_FIX = "Check the disk and the system's log, then try again."
_FIXES = {
    sqlite3.SQLITE_FULL: (
        "the disk is full",
        "Let m8's operator free some space (m8 events erase-sealed); try again.",
    ),
    sqlite3.SQLITE_BUSY: ("another process keeps it locked", "Try again; find out which process writes for so long."),
    sqlite3.SQLITE_READONLY: ("it is read-only", "Check the owner and mode of the file and its folder."),
    sqlite3.SQLITE_CANTOPEN: ("it cannot be opened", "Check the owner and mode of the file and its folder."),
    sqlite3.SQLITE_CORRUPT: ("its file is damaged", "Stop m8, keep a copy, and restore a backup that verifies."),
    sqlite3.SQLITE_NOTADB: ("it is not a database", "Name another file, or restore a backup."),
}


def explain(error: sqlite3.Error, path: Path) -> Error:
    """Return the error that explains `error`. Its `place` is the file."""
    if str(error).startswith("no such table: documents"):
        reason = "a newer m8 has changed its form"
        return _failed(path, reason, "Stop this m8, and start the newer version.")
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    name = getattr(error, "sqlite_errorname", type(error).__name__)
    return _failed(path, *_FIXES.get(code, (f"the disk fails ({name})", _DISK_FIX)))


def full(path: Path) -> Error:
    """Return the error of a log whose disk is full."""
    return _failed(path, *_FIXES[sqlite3.SQLITE_FULL])


def _failed(path: Path, reason: str, fix: str) -> Error:
    error = UnavailableError(f"the event log cannot be read or written: {reason}.", fix=fix)
    error.place = str(path)
    return error


def is_failure(error: BaseException) -> bool:
    """Whether an error says that the database fails, rather than that one statement was wrong."""
    wrong = (sqlite3.IntegrityError, sqlite3.DataError, sqlite3.ProgrammingError, sqlite3.InterfaceError)
    return isinstance(error, sqlite3.Error) and not isinstance(error, wrong)
