"""The id of a log in a PostgreSQL database: the line `log-id` of its table `meta`."""

from __future__ import annotations

import asyncpg

from monoskope.m8.log import identity
from monoskope.m8.log.postgres.connecting import Connection

_NAME = "log-id"


async def find(connection: Connection) -> str:
    """Return the id of the log in the database, "" if there is no log, or something else. Raises as the driver does."""
    if await connection.fetchval("SELECT to_regclass('meta')") is None:
        return ""
    try:
        found = await connection.fetchval("SELECT value FROM meta WHERE name = $1", _NAME)
    except (asyncpg.UndefinedColumnError, asyncpg.UndefinedFunctionError):
        # A table of somebody else's. Opening the log says so.
        return ""
    return str(found) if found is not None and identity.is_id(str(found)) else ""
