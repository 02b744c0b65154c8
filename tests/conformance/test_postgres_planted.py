"""Functions that another role has made where m8 could find them: m8 runs none (CVE-2018-1058)."""

from __future__ import annotations

from pathlib import Path

import pytest

from monoskope.errors import RefusedError
from monoskope.m8.log.opening import Place, find_id, open_log
from monoskope.m8.log.postgres import connections, schema
from monoskope.m8.log.postgres.target import PostgresTarget
from monoskope.testing.engines.postgres import USER, Postgres
from monoskope.testing.logs import ledger, some_time

PLANT = """
CREATE FUNCTION public.cardinality(text[]) RETURNS integer LANGUAGE sql AS 'SELECT 666';
"""
"""It fits a list of texts better than PostgreSQL's own, which takes lists of anything."""


@pytest.fixture
def target(postgres: Postgres) -> PostgresTarget:
    return postgres.target(postgres.create_database())


async def test_a_planted_function_is_not_called(postgres: Postgres, target: PostgresTarget) -> None:
    postgres.sql(f"CREATE SCHEMA {USER} AUTHORIZATION {USER}; {PLANT}", database=target.database)
    assert postgres.sql("SELECT cardinality(ARRAY['a'])", database=target.database, role=USER) == "666"
    connection = await connections.connect(target)
    try:
        await schema.prepare(connection, target)
        assert await connection.fetchval("SELECT cardinality(ARRAY['a'])") == 1
        assert await connection.fetchval("SELECT current_schema()") == USER
    finally:
        await connection.close()


@pytest.mark.parametrize("who", ["PUBLIC", "somebody"])
async def test_a_schema_open_to_others_is_refused(postgres: Postgres, target: PostgresTarget, who: str) -> None:
    role = f"{who}_{target.database}" if who != "PUBLIC" else who
    if who != "PUBLIC":
        postgres.sql(f"CREATE ROLE {role}")
    postgres.sql(f"GRANT CREATE ON SCHEMA public TO {role}", database=target.database)
    connection = await connections.connect(target)
    try:
        with pytest.raises(RefusedError, match="other roles than m8's may make functions"):
            await schema.prepare(connection, target)
        postgres.sql(f"REVOKE CREATE ON SCHEMA public FROM {role}", database=target.database)
        await schema.prepare(connection, target)
    finally:
        await connection.close()
    if who != "PUBLIC":
        postgres.sql(f"DROP ROLE {role}")


async def test_what_another_role_left_is_not_read(postgres: Postgres, target: PostgresTarget, tmp_path: Path) -> None:
    role = f"former_{target.database}"
    plant = f"""
    CREATE ROLE {role}; GRANT CREATE ON SCHEMA public TO {role}; SET ROLE {role};
    CREATE FUNCTION public.act() RETURNS text LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'planted'; END $$;
    CREATE VIEW public.meta AS SELECT public.act() AS name, 'log-id' AS value;
    GRANT SELECT ON public.meta TO PUBLIC; RESET ROLE; REVOKE CREATE ON SCHEMA public FROM {role};
    """
    postgres.sql(plant, database=target.database)
    place = Place(tmp_path / "log.db", target)
    for opening in (find_id(place), open_log(place, clock=some_time, projector=ledger)):
        with pytest.raises(RefusedError, match="belong to another role"):
            await opening
    postgres.sql(f"DROP OWNED BY {role}; DROP ROLE {role}", database=target.database)
    log = await open_log(place, clock=some_time, projector=ledger)
    await log.close()
