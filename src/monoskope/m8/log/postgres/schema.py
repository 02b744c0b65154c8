"""The tables of the event log, the function that appends, and the checks that a database and its schema are ours.

Names are not qualified: everything lies in the first schema of the session's `search_path`, and a connection looks
nowhere else (`connections`). Only m8 and the schema's owner may make anything there: m8 would run it (CVE-2018-1058).
That is checked before anything in that schema is read, for even a table can be a view that calls a function.
"""

from __future__ import annotations

import asyncpg

from monoskope.errors import RefusedError, UsageError, docs_page
from monoskope.m8.log import sql, tree_rows
from monoskope.m8.log.failures import unfinished
from monoskope.m8.log.folder import is_id, new_id
from monoskope.m8.log.postgres.connections import Connection
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


async def check_owner(connection: Connection, target: PostgresTarget) -> None:
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


_NAME = "log-id"


async def log_id(connection: Connection) -> str:
    """Return the id of the log in the database, "" if there is no log, or something else. Raises as the driver does."""
    if await connection.fetchval("SELECT to_regclass('meta')") is None:
        return ""
    try:
        found = await connection.fetchval("SELECT value FROM meta WHERE name = $1", _NAME)
    except (asyncpg.UndefinedColumnError, asyncpg.UndefinedFunctionError):
        # Another program's table. Opening the log says so.
        return ""
    return str(found) if found is not None and is_id(str(found)) else ""


APPLICATION = "m8 event log"
"""Marks a database as an event log."""

SCHEMA_VERSION = 1
"""Kept in `meta`; a greater one is of a newer m8 and is refused."""

FORM = 1
"""The form of the documents that this m8 writes and reads, by the same numbers as in SQLite. It is a part of the names
of the tables: an m8 that does not know the form finds no table, so it can neither misread documents nor write such."""

DOCUMENTS = f"documents_{FORM}"
LABELS = f"labels_{FORM}"

NEXT = "_next"
"""Ends the names of tables that a rebuild fills."""
OLD = "_old"
"""Ends the names of tables that a rebuild has replaced."""

CHANNEL = "m8_events"
"""Where an append notifies, in its transaction, with the log's last position."""

_LOCK = 0x6D386C67
"""The advisory lock, held to the end of one transaction, under which the schema is made."""

# `COLLATE "C"` orders by bytes. `STORAGE EXTERNAL` keeps the server from compressing what is sealed or small.
# The columns stand in an order that leaves no gap between them. For `stream` see `records`.
TABLES = """
CREATE TABLE meta (name text PRIMARY KEY, value text NOT NULL);
CREATE TABLE head (
  one boolean PRIMARY KEY DEFAULT true CHECK (one), position bigint NOT NULL, hash bytea NOT NULL, fence bigint NOT NULL
) WITH (fillfactor = 10);
INSERT INTO head (position, hash, fence) VALUES (0, decode(repeat('00', 32), 'hex'), 0);
CREATE TABLE events (
  position bigint PRIMARY KEY, version integer NOT NULL, stream bytea NOT NULL, hash bytea NOT NULL,
  record bytea NOT NULL, UNIQUE (stream, version)
);
ALTER TABLE events ALTER COLUMN record SET STORAGE EXTERNAL;
CREATE FUNCTION events_stay() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'events are never changed or deleted'; END $$;
CREATE TRIGGER events_stay BEFORE UPDATE OR DELETE OR TRUNCATE ON events
  FOR EACH STATEMENT EXECUTE FUNCTION events_stay();
CREATE TABLE sealed (sha256 bytea PRIMARY KEY, body bytea NOT NULL);
ALTER TABLE sealed ALTER COLUMN body SET STORAGE EXTERNAL;
CREATE TABLE leases (name text PRIMARY KEY, holder text NOT NULL, ends timestamptz NOT NULL);
"""

DOCUMENT_TABLES = """
CREATE TABLE {documents} (
  collection text COLLATE "C" NOT NULL, key text COLLATE "C" NOT NULL, body bytea NOT NULL,
  subject text COLLATE "C", expires_on text COLLATE "C", deleted boolean, drifted boolean, out_of_sync boolean,
  labels text COLLATE "C", PRIMARY KEY (collection, key)
);
ALTER TABLE {documents} ALTER COLUMN body SET STORAGE EXTERNAL;
CREATE TABLE {labels} (
  collection text COLLATE "C" NOT NULL, label text COLLATE "C" NOT NULL, key text COLLATE "C" NOT NULL,
  PRIMARY KEY (collection, label, key)
);
"""
"""The documents, under the names of the live tables or under those that a rebuild fills. A document says which labels
it has, so that they are found again without an index of their keys: as text, which takes less room than an array."""

DOCUMENT_INDEXES = """
CREATE INDEX ON {documents} (collection, key) WHERE deleted;
CREATE INDEX ON {documents} (collection, key) WHERE drifted;
CREATE INDEX ON {documents} (collection, key) WHERE out_of_sync;
CREATE INDEX ON {documents} (collection, subject, key) WHERE subject IS NOT NULL;
CREATE INDEX ON {documents} (collection, expires_on, key) WHERE expires_on > '';
"""
"""What documents are found by, beside their key. A rebuild makes them at its end: so they are quicker and smaller."""

WRITE_DOCUMENTS = """
  IF cardinality(listed_keys) > 0 THEN
    DELETE FROM {labels} l USING unnest(listed_collections, listed_keys) AS listed(collection, key)
      JOIN {documents} d ON d.collection = listed.collection AND d.key = listed.key
      CROSS JOIN unnest(d.labels::text[]) AS had(label)
      WHERE l.collection = listed.collection AND l.label = had.label AND l.key = listed.key;
  END IF;
  IF cardinality(put_keys) > 0 THEN
    INSERT INTO {documents} AS d
      SELECT p.collection, p.key, p.body, p.subject, p.day, p.deleted, p.drifted, p.out_of_sync, p.labels
        FROM unnest(put_collections, put_keys, put_bodies, subjects, expiries, are_deleted, drifted, out_of_sync,
          put_labels) AS p(collection, key, body, subject, day, deleted, drifted, out_of_sync, labels)
      ON CONFLICT (collection, key) DO UPDATE SET
        body = excluded.body, subject = excluded.subject, expires_on = excluded.expires_on,
        deleted = excluded.deleted, drifted = excluded.drifted, out_of_sync = excluded.out_of_sync,
        labels = excluded.labels;
  END IF;
  IF cardinality(dropped_keys) > 0 THEN
    DELETE FROM {documents} d USING unnest(dropped_collections, dropped_keys) AS gone(collection, key)
      WHERE d.collection = gone.collection AND d.key = gone.key;
  END IF;
  IF cardinality(label_keys) > 0 THEN
    INSERT INTO {labels} SELECT * FROM unnest(label_collections, labels, label_keys);
  END IF;
"""

WRITE_ARGUMENTS = """
  put_collections text[], put_keys text[], put_bodies bytea[], subjects text[], expiries text[],
  are_deleted boolean[], drifted boolean[], out_of_sync boolean[], put_labels text[],
  dropped_collections text[], dropped_keys text[],
  listed_collections text[], listed_keys text[], label_collections text[], label_keys text[], labels text[]
"""

APPEND_ARGUMENTS = f"""
  was_position bigint, was_hash bytea, was_fence bigint, is_hash bytea,
  base_streams bytea[], base_versions bigint[],
  streams bytea[], versions bigint[], records bytea[], hashes bytea[], sealed_hashes bytea[], sealed_bodies bytea[],
  {WRITE_ARGUMENTS}
"""


def places(arguments: str) -> str:
    """Return the places of a call's values, each with its type: `$1::bigint, $2::bytea, …`."""
    kinds = (argument.split()[1] for argument in arguments.split(","))
    return ", ".join(f"${place}::{kind}" for place, kind in enumerate(kinds, start=1))


APPEND = f"""
CREATE FUNCTION append_{FORM}({APPEND_ARGUMENTS}) RETURNS integer LANGUAGE plpgsql AS $append$
#variable_conflict use_variable
BEGIN
  -- Read before the head is compared: if the head is still the same then, no version has changed in between.
  IF cardinality(base_streams) > 0 THEN
    PERFORM FROM unnest(base_streams, base_versions) AS base(name, at)
      WHERE base.at <> coalesce((SELECT max(e.version) FROM events e WHERE e.stream = base.name), 0);
    IF FOUND THEN RETURN 2; END IF;
  END IF;
  UPDATE head SET position = was_position + cardinality(streams), hash = is_hash
    WHERE head.position = was_position AND head.hash = was_hash AND head.fence = was_fence;
  IF NOT FOUND THEN RETURN 1; END IF;
  -- The large records first: the small ones fill what these leave of their pages.
  INSERT INTO events SELECT was_position + e.step, e.version, e.stream, e.hash, e.record
    FROM unnest(streams, versions, records, hashes) WITH ORDINALITY AS e(stream, version, record, hash, step)
    ORDER BY octet_length(e.record) DESC;
  IF cardinality(sealed_hashes) > 0 THEN
    INSERT INTO sealed SELECT * FROM unnest(sealed_hashes, sealed_bodies) ON CONFLICT DO NOTHING;
  END IF;
  {WRITE_DOCUMENTS.format(documents=DOCUMENTS, labels=LABELS)}
  PERFORM pg_notify('{CHANNEL}', (was_position + cardinality(streams))::text);
  RETURN 0;
END $append$;
"""  # noqa: S608  it is made of the texts above alone
"""Records a group in one trip: 0 recorded, 1 the head is another one, 2 a stream is at another version."""

WRITE_NEXT = f"""
CREATE FUNCTION write_next_{FORM}({WRITE_ARGUMENTS}) RETURNS void LANGUAGE plpgsql AS $write$
#variable_conflict use_variable
BEGIN
  {WRITE_DOCUMENTS.format(documents=DOCUMENTS + NEXT, labels=LABELS + NEXT)}
END $write$;
"""
"""Writes documents beside the live ones, for a rebuild."""


async def prepare(connection: Connection, target: PostgresTarget, *, for_import: bool = False) -> None:
    """Make sure that the database is an event log of this version, creating the tables if it is empty.

    Several processes may try at once: the first one to get the advisory lock does it.

    Raises:
        UsageError: it is something else, or a newer m8 wrote it.
        RefusedError: others than m8's role may make tables and functions there.
        ConflictError: an import into it is not finished, and `for_import` is false.
    """
    await check_owner(connection, target)
    await connection.execute("BEGIN")
    await connection.execute(f"SELECT pg_advisory_xact_lock({_LOCK})")
    if not await _is_ours(connection, target):
        await connection.execute(TABLES)
        await connection.execute((DOCUMENT_TABLES + DOCUMENT_INDEXES).format(documents=DOCUMENTS, labels=LABELS))
        await connection.execute(APPEND + WRITE_NEXT)
        for tables in (tree_rows.TABLES, sql.TABLES):
            await connection.execute(tables.format(bytes="bytea", text='text COLLATE "C"'))
        await connection.execute("ALTER TABLE tree_tiles ALTER COLUMN body SET STORAGE EXTERNAL")
        insert = "INSERT INTO meta VALUES ('application', $1), ('schema', $2), ('form', $3), ('log-id', $4)"
        await connection.execute(insert, APPLICATION, str(SCHEMA_VERSION), str(FORM), new_id())
    if not for_import and await connection.fetchval("SELECT 1 FROM meta WHERE name = 'importing'"):
        raise unfinished(f"in database {target}")
    await connection.execute("COMMIT")


async def state(connection: Connection, /) -> str:
    """Return "ok" if the log has the schema and form that this m8 knows, else what is wrong, in a few fixed words."""
    found = {row["name"]: row["value"] for row in await connection.fetch("SELECT name, value FROM meta")}
    known = (APPLICATION, str(SCHEMA_VERSION), str(FORM))
    return "ok" if tuple(map(found.get, ("application", "schema", "form"))) == known else "of another version"


async def _is_ours(connection: Connection, target: PostgresTarget) -> bool:
    """Return True for an event log of this version, False for an empty database. Raises `UsageError` otherwise."""
    relations = (
        "SELECT relname FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r','v')"
    )
    names = {row[0] for row in await connection.fetch(relations)}
    if not names:
        return False
    found: dict[str, str] = {}
    if {"meta", "head", "events"} <= names:
        columns = "SELECT attname FROM pg_attribute WHERE attrelid = 'meta'::regclass AND attnum > 0"
        if {row[0] for row in await connection.fetch(columns)} == {"name", "value"}:
            found = {row["name"]: row["value"] for row in await connection.fetch("SELECT name, value FROM meta")}
    if found.get("application") != APPLICATION:
        raise UsageError(f"database {target} has tables, but is no event log of m8.", fix="Name another database.")
    if (found.get("schema"), found.get("form")) != (str(SCHEMA_VERSION), str(FORM)):
        raise UsageError(
            f"the event log in database {target} has schema {found.get('schema')} and documents of form "
            f"{found.get('form')}; this m8 knows schema {SCHEMA_VERSION} and form {FORM}, and no newer ones.",
            fix="Start the version of m8 that wrote it, or a newer one.",
        )
    return True
