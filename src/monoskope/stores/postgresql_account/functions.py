"""The two functions in the database, and the least rights: what `m8 reactor policy` prints for the DBA.

They run with the rights of the superuser who makes them, so they trust nothing of their caller: neither a
`search_path`, nor how backslashes in texts are read (there are none), nor what is passed. They serve the reactor's role
alone, whoever may execute them: that can set the passwords of the listed roles, and nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence

from monoskope.stores.postgresql_account.config import PostgresqlAccountConfig
from monoskope.stores.shared.accounts import expression

NOT_LISTED = "M8001"
MISSING = "M8002"
TOO_POWERFUL = "M8003"
CONFLICT = "M8004"
NO_VERIFIER = "M8005"
"""The SQLSTATE of each refusal: the functions raise them, the driver reads them."""
OURS = "M8"
"""Their class."""

_VERIFIER = (
    "SCRAM-SHA-256[$][1-9][0-9]{3,6}:[A-Za-z0-9+/]{21}[AQgw]==[$]"
    "[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=:[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]="
)
"""16 bytes of salt and two keys of 32 bytes, each in its one form: PostgreSQL takes what it does not know for a
password, and would hash and store it."""

_TEMPLATE = """\
-- The least rights of the reactor of this store, for the database {database}. Run all of it there as a superuser, each
-- time that [accounts] or [engine] changes. First make the reactor's own role, if there is none, and set its password
-- with \\password of psql, which sends a verifier:
--   CREATE ROLE "{user}" LOGIN;
BEGIN;
DROP FUNCTION IF EXISTS "{schema}".state(text, text), "{schema}".replace(text, text, text);
-- An error here means that something else is in the schema: name another one in [engine].
DROP SCHEMA IF EXISTS "{schema}";
CREATE SCHEMA "{schema}";

CREATE FUNCTION "{schema}".state(account text, candidate text, OUT state text, OUT is_same boolean)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $m8$
DECLARE
  one record;
BEGIN
  -- Whoever else may execute it: by default privileges, or as a member of the reactor's role.
  IF account IS NULL OR session_user <> '{user}' OR account = '{user}' OR account COLLATE "C" !~ '^({names})$' THEN
    RAISE EXCEPTION 'this role is no account of the store' USING ERRCODE = '{not_listed}';
  END IF;
  SELECT a.oid, a.xmin, a.rolpassword, a.rolcanlogin, a.rolvaliduntil INTO one
    FROM pg_authid AS a WHERE a.rolname = account;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'there is no such role' USING ERRCODE = '{missing}';
  END IF;
  -- Also what the role is only a member of: it could become that.
  IF EXISTS (
    SELECT FROM pg_authid AS p WHERE pg_has_role(one.oid, p.oid, 'MEMBER') AND (
      p.rolsuper OR p.rolcreaterole OR p.rolreplication OR p.rolbypassrls
      OR p.rolname IN ('pg_execute_server_program', 'pg_read_server_files', 'pg_write_server_files')
      -- Whoever sets its password would read all verifiers; an MD5 hash is as good as its password. So can the members
      -- of pg_read_all_data.
      OR has_column_privilege(p.oid, 'pg_catalog.pg_authid', 'rolpassword', 'SELECT')
      OR has_column_privilege(p.oid, 'pg_catalog.pg_shadow', 'passwd', 'SELECT')
    )
  ) THEN
    RAISE EXCEPTION 'this role has rights that no account may have' USING ERRCODE = '{too_powerful}';
  END IF;
  is_same := one.rolpassword = candidate;
  state := CASE WHEN one.rolpassword IS NULL THEN '' ELSE
    coalesce(
      'scram@' || (regexp_match(
        one.rolpassword, '^SCRAM-SHA-256[$]([0-9]+:[A-Za-z0-9+/]+=*)[$][A-Za-z0-9+/]{{43}}=:[A-Za-z0-9+/]{{43}}=$'
      ))[1],
      'other@' || one.xmin
    )
    || CASE WHEN one.rolcanlogin THEN '' ELSE ',nologin' END
    || coalesce(',until=' || extract(epoch FROM one.rolvaliduntil), '')
  END;
END $m8$;

CREATE FUNCTION "{schema}".replace(account text, expected text, verifier text, OUT state text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $m8$
BEGIN
  PERFORM "{schema}".state(account, NULL);
  -- Who changes the role at the same time ends first, or waits for this.
  PERFORM 1 FROM pg_authid AS a WHERE a.rolname = account FOR UPDATE;
  IF expected IS DISTINCT FROM (SELECT s.state FROM "{schema}".state(account, NULL) AS s) THEN
    RAISE EXCEPTION 'the role has another state' USING ERRCODE = '{conflict}';
  END IF;
  IF verifier IS NULL OR verifier COLLATE "C" !~ '^({verifier})$' THEN
    RAISE EXCEPTION 'this is no SCRAM-SHA-256 verifier' USING ERRCODE = '{no_verifier}';
  END IF;
  EXECUTE format('ALTER ROLE %I PASSWORD %L', account, nullif(verifier, ''));
  SELECT s.state INTO state FROM "{schema}".state(account, NULL) AS s;
END $m8$;

REVOKE ALL ON ALL FUNCTIONS IN SCHEMA "{schema}" FROM PUBLIC;
GRANT CONNECT ON DATABASE "{database}" TO "{user}";
GRANT USAGE ON SCHEMA "{schema}" TO "{user}";
GRANT EXECUTE ON FUNCTION "{schema}".state(text, text) TO "{user}";
GRANT EXECUTE ON FUNCTION "{schema}".replace(text, text, text) TO "{user}";
-- Verifiers are parameters: with this not even they are in the server's log.
ALTER ROLE "{user}" SET log_parameter_max_length = 0;
ALTER ROLE "{user}" SET log_parameter_max_length_on_error = 0;
COMMIT;
"""


def least_rights(config: PostgresqlAccountConfig, names: Sequence[str]) -> str:
    """Return the SQL that makes the functions and lets the reactor's role execute them.

    Args:
        config: The `[engine]` table.
        names: What the roles may be called; `*` stands for any characters of a name.
    """
    return _TEMPLATE.format(
        database=config.database,
        user=config.user,
        schema=config.schema,
        names="|".join(map(expression, names)),
        # Nothing, which removes the password, only where the settings allow it.
        verifier=f"|{_VERIFIER}" if config.deletable else _VERIFIER,
        not_listed=NOT_LISTED,
        missing=MISSING,
        too_powerful=TOO_POWERFUL,
        conflict=CONFLICT,
        no_verifier=NO_VERIFIER,
    )
