"""What a PostgreSQL says of itself and of m8's role. A file of its own: a server that runs asks nothing of it."""

from __future__ import annotations

from monoskope.m8.log.postgres.connections import Connection
from monoskope.value import Value

_FACTS = """
SELECT pg_catalog.current_setting('server_version'), extract(epoch FROM pg_catalog.clock_timestamp())::float8,
  (SELECT r.rolsuper FROM pg_catalog.pg_roles r WHERE r.rolname = current_user),
  pg_catalog.has_schema_privilege(pg_catalog.current_schema(), 'CREATE') AND NOT EXISTS (
    SELECT FROM pg_catalog.pg_class c
    WHERE c.relnamespace = pg_catalog.current_schema()::regnamespace AND c.relkind = 'r'
      AND NOT (pg_catalog.has_table_privilege(c.oid, 'SELECT') AND pg_catalog.has_table_privilege(c.oid, 'INSERT'))
  ),
  NOT EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.relnamespace = pg_catalog.current_schema()::regnamespace)
"""


class Facts(Value, frozen=True):
    """What was found.

    Attributes:
        version: As the server names it, such as "17.2".
        now_s: Its clock, seconds since 1970.
        is_superuser: Whether m8's role is one.
        may_write: Whether it may make tables in its schema, and write into all that are there.
        is_empty: Whether there is nothing in that schema.
    """

    version: str
    now_s: float
    is_superuser: bool
    may_write: bool
    is_empty: bool


async def facts(connection: Connection) -> Facts:
    """Return what the server of a connection says. Raises as the driver does."""
    row = await connection.fetchrow(_FACTS)
    assert row is not None, "it is one row"
    version, now_s, is_superuser, may_write, is_empty = row
    return Facts(str(version).split(" ")[0], float(now_s), bool(is_superuser), bool(may_write), bool(is_empty))
