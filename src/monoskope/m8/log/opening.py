"""Opening the event log that the settings name: the SQLite file of the folder, or a PostgreSQL database.

The one place that knows both engines. PostgreSQL's driver is imported only where it is used.
"""

from __future__ import annotations

import asyncio
import importlib.util
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from monoskope.errors import UsageError
from monoskope.m8.log.event_log import EventLog, Projector
from monoskope.m8.log.folder import check_served
from monoskope.m8.log.postgres.target import PostgresTarget
from monoskope.m8.log.sqlite import SqliteLog, file


@dataclass(frozen=True, slots=True)
class Place:
    """Where a server's log is.

    Attributes:
        file: The SQLite file.
        database: The PostgreSQL database that is used in its place, None for the file.
        id_file: The file in which the folder remembers which log it serves; None if that does not matter.
    """

    file: Path
    database: PostgresTarget | None = None
    id_file: Path | None = None

    def check(self, found: str) -> None:
        """Check that the log with the id `found` is the one that the folder serves, as `check_served` does."""
        if self.id_file is not None:
            check_served(self.id_file, found, str(self))

    def __str__(self) -> str:
        return str(self.file) if self.database is None else f"the PostgreSQL database {self.database}"


async def open_log(
    place: Place,
    *,
    clock: Callable[[], int],
    projector: Projector,
    for_import: bool = False,
    measured: Callable[[int, float], None] = lambda _writes, _seconds: None,
) -> EventLog:
    """Open the log, creating an empty one where none is, and check that it is the one that the folder serves.

    Args:
        place: Where it is.
        clock: Milliseconds since 1970.
        projector: What events change in the documents.
        for_import: Whether it is opened to be imported into; then it gets its id at the end of that.
        measured: Called when writes became durable together: how many, and the seconds that took.

    Raises:
        AnotherLogError: the folder serves another one.
        Error: as `SqliteLog.open` or `PostgresLog.open`.
    """
    if for_import:
        place = replace(place, id_file=None)
    if place.database is not None:
        need_driver()
        from monoskope.m8.log.postgres.log import PostgresLog  # noqa: PLC0415 - asyncpg is an extra

        opened = partial(
            PostgresLog.open,
            place.database,
            clock=clock,
            projector=projector,
            for_import=for_import,
            measured=measured,
        )
        return await _open_postgres(place, place.database, opened)
    await _check_file(place)  # before anything is made there
    log = await SqliteLog.open(place.file, clock=clock, projector=projector, for_import=for_import, measured=measured)
    try:
        await _check_file(place)
    except BaseException:
        await log.close()
        raise
    return log


async def _check_file(place: Place) -> None:
    """Check that the log in the file is the one that the folder serves. Raises `AnotherLogError`."""
    exists = place.file.exists()
    found = await asyncio.to_thread(file.log_id, place.file) if exists else ""
    # A file without an id is no event log, which is found elsewhere, or the disk is too full to give it one.
    if found or not exists:
        place.check(found)


async def find_id(place: Place) -> str:
    """Return the id of the log that is there, "" if there is none. Creates nothing.

    Raises:
        Error: the place cannot be reached or read.
    """
    if place.database is None:
        return await asyncio.to_thread(file.log_id, place.file) if place.file.exists() else ""
    need_driver()
    from monoskope.m8.log.postgres import connections, schema  # noqa: PLC0415 - as above

    connection = await connections.connect(place.database)
    try:
        with connections.explained(place.database):
            await schema.check_owner(connection, place.database)
            return await schema.log_id(connection)
    finally:
        connection.terminate()


def need_driver() -> None:
    """Raise `UsageError`, which names the extra, if PostgreSQL's driver is not installed."""
    if importlib.util.find_spec("asyncpg") is None:
        raise UsageError(
            "`database` in m8.toml names a PostgreSQL database, and its driver asyncpg is not installed.",
            fix="Install it: pip install 'monoskope[m8,postgres]'",
        )


async def _open_postgres(place: Place, target: PostgresTarget, opened: Callable[[], Awaitable[EventLog]]) -> EventLog:
    from monoskope.m8.log.postgres import connections, notifications, schema  # noqa: PLC0415 - an extra

    async with notifications.checked(target) as connection:
        with connections.explained(target):
            await schema.check_owner(connection, target)
            # Before anything is created there.
            place.check(await schema.log_id(connection))
            log = await opened()
            try:
                place.check(await schema.log_id(connection))
            except BaseException:
                await log.close()
                raise
    return log
