"""Opening the event log that the settings name: the SQLite file of the folder, or a PostgreSQL database.

The one place that knows both engines. PostgreSQL's driver is imported only where it is used.
"""

from __future__ import annotations

import asyncio
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from monoskope.errors import UsageError
from monoskope.m8.log import identity, sqlite_identity
from monoskope.m8.log.event_log import EventLog, Projector
from monoskope.m8.log.postgres.target import PostgresTarget
from monoskope.m8.log.sqlite import SqliteLog


@dataclass(frozen=True, slots=True)
class Place:
    """Where a server's log is.

    Attributes:
        file: The SQLite file.
        database: The PostgreSQL database that is used in its place, None for the file.
        id_file: The file in which the folder remembers which log it serves.
    """

    file: Path
    database: PostgresTarget | None
    id_file: Path

    def __str__(self) -> str:
        return str(self.file) if self.database is None else f"the PostgreSQL database {self.database}"


async def open_log(place: Place, *, clock: Callable[[], int], projector: Projector, migrates: bool = False) -> EventLog:
    """Open the log, creating an empty one where none is, and check that it is the one that the folder serves.

    Args:
        place: Where it is.
        clock: Milliseconds since 1970.
        projector: What events change in the documents.
        migrates: Whether to make the documents of an SQLite file anew if they have an older form.

    Raises:
        AnotherLogError: the folder serves another one.
        Error: as `SqliteLog.open` or `PostgresLog.open`.
    """
    if place.database is not None:
        return await _open_postgres(place, place.database, clock, projector)
    if not place.file.exists():
        identity.check(place.id_file, "", str(place))
    log = await SqliteLog.open(place.file, clock=clock, projector=projector, migrates=migrates)
    try:
        found = await asyncio.to_thread(sqlite_identity.log_id, place.file)
        if found:
            identity.check(place.id_file, found, str(place))
    except BaseException:
        await log.close()
        raise
    return log


async def find_id(place: Place) -> str:
    """Return the id of the log that is there, "" if there is none. Creates nothing.

    Raises:
        Error: the place cannot be reached or read.
    """
    if place.database is None:
        return await asyncio.to_thread(sqlite_identity.log_id, place.file) if place.file.exists() else ""
    need_driver()
    from monoskope.m8.log.postgres import connecting, postgres_identity  # noqa: PLC0415 - asyncpg is an extra

    connection = await connecting.connect(place.database)
    try:
        with connecting.explained(place.database):
            return await postgres_identity.find(connection)
    finally:
        connection.terminate()


def need_driver() -> None:
    """Raise `UsageError`, which names the extra, if PostgreSQL's driver is not installed."""
    if importlib.util.find_spec("asyncpg") is None:
        raise UsageError(
            "`database` in m8.toml names a PostgreSQL database, and its driver asyncpg is not installed.",
            fix="Install it: pip install 'monoskope[m8,postgres]'",
        )


async def _open_postgres(
    place: Place, target: PostgresTarget, clock: Callable[[], int], projector: Projector
) -> EventLog:
    need_driver()
    from monoskope.m8.log.postgres import connecting, pooler, postgres_identity  # noqa: PLC0415 - asyncpg is an extra
    from monoskope.m8.log.postgres.log import PostgresLog  # noqa: PLC0415

    async with pooler.checked(target) as connection:
        with connecting.explained(target):
            # Before anything is created there.
            identity.check(place.id_file, await postgres_identity.find(connection), str(place))
            log = await PostgresLog.open(target, clock=clock, projector=projector)
            try:
                identity.check(place.id_file, await postgres_identity.log_id(connection), str(place))
            except BaseException:
                await log.close()
                raise
    return log
