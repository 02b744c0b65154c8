"""The check that nobody but m8 and the schema's owner makes anything in m8's schema: m8 would run it (CVE-2018-1058).

It comes before anything in that schema is read, for even a table can be a view that calls a function.
"""

from __future__ import annotations

from monoskope.errors import RefusedError, docs_page
from monoskope.m8.log.postgres.connecting import Connection
from monoskope.m8.log.postgres.target import PostgresTarget

_OTHERS = """
WITH here AS (SELECT * FROM pg_catalog.pg_namespace n WHERE n.nspname = pg_catalog.current_schema()),
  trusted AS (
    SELECT r.oid FROM pg_catalog.pg_roles r WHERE r.rolsuper OR r.rolname = current_user
    UNION ALL SELECT nspowner FROM here
  )
SELECT
  EXISTS (
    SELECT FROM here, pg_catalog.aclexplode(coalesce(nspacl, pg_catalog.acldefault('n'::"char", nspowner))) AS given
    WHERE given.privilege_type = 'CREATE' AND given.grantee NOT IN (SELECT oid FROM trusted)
  ),
  EXISTS (
    SELECT FROM here JOIN pg_catalog.pg_class c ON c.relnamespace = here.oid
    WHERE c.relowner NOT IN (SELECT oid FROM trusted)
  ) OR EXISTS (
    SELECT FROM here JOIN pg_catalog.pg_proc p ON p.pronamespace = here.oid
    WHERE p.proowner NOT IN (SELECT oid FROM trusted)
  )
"""


async def check(connection: Connection, target: PostgresTarget) -> None:
    """Raise `RefusedError` if others may make something in m8's schema, or if something of theirs is there."""
    row = await connection.fetchrow(_OTHERS)
    may_create, is_there = row or (False, False)
    if may_create:
        raise RefusedError(
            f"in database {target}, other roles than m8's may make functions in m8's schema, and m8 would run them.",
            fix="Let m8's role alone have CREATE on that schema:"
            f" {docs_page('operate/postgresql.md#prepare-the-database')}.",
        )
    if is_there:
        raise RefusedError(
            f"in database {target}, m8's schema has tables or functions that belong to another role.",
            fix="Find out whose they are, and give m8 a schema of its own, as"
            f" {docs_page('operate/postgresql.md')} shows.",
        )
