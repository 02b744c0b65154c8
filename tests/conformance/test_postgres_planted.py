"""Functions that another role has made where m8 could find them: m8 runs none (CVE-2018-1058)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from monoskope.errors import RefusedError
from monoskope.m8.log.postgres import connecting, schema
from monoskope.m8.log.postgres.target import PostgresTarget
from monoskope.testing.engines.postgres import USER, Postgres

PLANT = """
CREATE FUNCTION public.cardinality(text[]) RETURNS integer LANGUAGE sql AS 'SELECT 666';
"""
"""It fits a list of texts better than PostgreSQL's own, which takes lists of anything."""


@pytest.fixture
def target(postgres: Postgres) -> Iterator[PostgresTarget]:
    name = postgres.create_database()
    yield postgres.target(name)
    postgres.drop_database(name)


async def test_a_planted_function_is_not_called(postgres: Postgres, target: PostgresTarget) -> None:
    postgres.sql(f"CREATE SCHEMA {USER} AUTHORIZATION {USER}; {PLANT}", database=target.database)
    assert postgres.sql("SELECT cardinality(ARRAY['a'])", database=target.database, role=USER) == "666"
    connection = await connecting.connect(target)
    try:
        await schema.prepare(connection, target)
        assert await connection.fetchval("SELECT cardinality(ARRAY['a'])") == 1
        assert await connection.fetchval("SELECT current_schema()") == USER
    finally:
        await connection.close()


@pytest.mark.parametrize("who", ["PUBLIC", "somebody"])
async def test_a_schema_where_others_may_make_functions_is_refused(
    postgres: Postgres, target: PostgresTarget, who: str
) -> None:
    role = f"{who}_{target.database}" if who != "PUBLIC" else who
    if who != "PUBLIC":
        postgres.sql(f"CREATE ROLE {role}")
    postgres.sql(f"GRANT CREATE ON SCHEMA public TO {role}", database=target.database)
    connection = await connecting.connect(target)
    try:
        with pytest.raises(RefusedError, match="other roles than m8's may make functions"):
            await schema.prepare(connection, target)
        postgres.sql(f"REVOKE CREATE ON SCHEMA public FROM {role}", database=target.database)
        await schema.prepare(connection, target)
    finally:
        await connection.close()
    if who != "PUBLIC":
        postgres.sql(f"DROP ROLE {role}")
