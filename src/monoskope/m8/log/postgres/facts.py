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
  NOT EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.relnamespace = pg_catalog.current_schema()::regnamespace),
  (SELECT c.relowner::regrole::text FROM pg_catalog.pg_class c WHERE c.oid = pg_catalog.to_regclass('events')),
  ARRAY(
    SELECT r.rolname::text FROM pg_catalog.pg_class c JOIN pg_catalog.pg_roles r
      ON NOT r.rolsuper AND r.oid <> c.relowner AND pg_catalog.pg_has_role(r.oid, c.relowner, 'MEMBER')
    WHERE c.oid = pg_catalog.to_regclass('events') ORDER BY 1
  )
"""


class Facts(Value, frozen=True):
    """What was found.

    Attributes:
        version: As the server names it, such as "17.2".
        now_s: Its clock, seconds since 1970.
        is_superuser: Whether m8's role is one.
        may_write: Whether it may make tables in its schema, and write into all that are there.
        is_empty: Whether there is nothing in that schema.
        owner: The role that owns the events, "" before there is a table.
        members: Who else may act as that role, and so change events; no superuser is named.
    """

    version: str
    now_s: float
    is_superuser: bool
    may_write: bool
    is_empty: bool
    owner: str = ""
    members: tuple[str, ...] = ()

    @property
    def changers(self) -> tuple[str, str] | None:
        """A sentence and a fix about `members`, None if there is none."""
        if not self.members:
            return None
        roles = ", ".join(f'"{name}"' for name in self.members)
        said = f"Whoever logs in as {roles} can change events: that is a member of the role {self.owner}."
        return said, f'As a superuser: REVOKE "{self.owner}" FROM {roles};'


async def facts(connection: Connection) -> Facts:
    """Return what the server of a connection says. Raises as the driver does."""
    row = await connection.fetchrow(_FACTS)
    assert row is not None, "it is one row"
    version, now_s, is_superuser, may_write, is_empty, owner, members = row
    return Facts(
        str(version).split(" ")[0],
        float(now_s),
        bool(is_superuser),
        bool(may_write),
        bool(is_empty),
        str(owner or ""),
        tuple(members),
    )
