"""The two procedures in the database, and the least rights: what `m8 reactor policy` prints for the DBA.

They run with the rights of the DBA who makes them, so they trust nothing that is passed. They serve the reactor's
account alone, whoever may execute them: that can set the passwords of the listed accounts, and ask whether one is what
it guesses; nothing else. There is no backslash in
them, since a setting decides how MariaDB reads those in texts.
"""

from __future__ import annotations

from collections.abc import Sequence

from monoskope.stores.mariadb_account.config import MariadbAccountConfig
from monoskope.stores.shared.accounts import expression

NOT_LISTED = 31801
MISSING = 31802
TOO_POWERFUL = 31803
OTHER_LOGIN = 31804
NO_HASH = 31805
NO_HASHES = 31806
"""The number of each refusal: the procedures raise them, the driver reads them. The library takes none above 32,767."""
OURS = range(NOT_LISTED, NO_HASHES + 1)

_TEMPLATE = """\
-- The least rights of the reactor of this store. Run all of it with the client `mariadb` as an administrator who stays
-- (the procedures have this administrator's rights), each time that [accounts] or [engine] changes. First load the
-- plugin, and make the reactor's own account, if they are not there:
--   INSTALL SONAME 'auth_ed25519';
--   CREATE USER '{user}'@'{user_host}' IDENTIFIED VIA ed25519 USING PASSWORD('…') REQUIRE SSL;
CREATE SCHEMA IF NOT EXISTS `{schema}`;
DROP PROCEDURE IF EXISTS `{schema}`.`state`;
DROP PROCEDURE IF EXISTS `{schema}`.`replace`;
DELIMITER $m8$

CREATE PROCEDURE `{schema}`.`state`(
  IN account VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin,
  IN candidate VARCHAR(255) CHARACTER SET ascii COLLATE ascii_bin
)
  READS SQL DATA SQL SECURITY DEFINER
BEGIN
  DECLARE found LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
  DECLARE plugin, kept VARCHAR(4096) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
  IF account IS NULL OR account NOT REGEXP '^({names})$' OR account REGEXP '[^A-Za-z0-9._-]'
    OR account = CONVERT('{user}' USING utf8mb4) COLLATE utf8mb4_bin
    OR CONVERT(SUBSTRING_INDEX(SESSION_USER(), '@', 1) USING utf8mb4) COLLATE utf8mb4_bin
      <> CONVERT('{user}' USING utf8mb4) COLLATE utf8mb4_bin
  THEN
    SIGNAL SQLSTATE '45000' SET MYSQL_ERRNO = {not_listed}, MESSAGE_TEXT = 'this is no account of the store';
  END IF;
  SELECT a.Priv INTO found FROM mysql.global_priv AS a
    WHERE CONVERT(a.User USING utf8mb4) COLLATE utf8mb4_bin = account AND a.Host = '{account_host}';
  IF found IS NULL THEN
    SIGNAL SQLSTATE '45000' SET MYSQL_ERRNO = {missing}, MESSAGE_TEXT = 'there is no such account';
  END IF;
  -- Also what the account can become, by roles: no right on all schemas, none where accounts and procedures lie. Rights
  -- on schemas are held against the client's host, so those of the same name at other hosts count.
  IF EXISTS (
    WITH RECURSIVE one (name, host) AS (
      SELECT CONVERT(account USING utf8mb3) COLLATE utf8mb3_bin,
        CONVERT('{account_host}' USING utf8mb3) COLLATE utf8mb3_bin
      UNION
      SELECT 'PUBLIC', ''
      UNION
      SELECT r.Role, '' FROM mysql.roles_mapping AS r JOIN one AS o ON r.User = o.name AND r.Host = o.host
    )
    SELECT 1 FROM one AS o WHERE
      EXISTS (SELECT 1 FROM mysql.global_priv AS g WHERE g.User = o.name AND g.Host = o.host
        AND COALESCE(JSON_VALUE(g.Priv, '$.access'), '0') <> '0')
      OR EXISTS (SELECT 1 FROM mysql.db AS d WHERE d.User IN (o.name, '')
        AND ('mysql' LIKE d.Db OR 'sys' LIKE d.Db OR '{schema}' LIKE d.Db))
      OR EXISTS (SELECT 1 FROM mysql.tables_priv AS t WHERE t.User = o.name
        AND LOWER(t.Db) IN ('mysql', LOWER('{schema}')))
      OR EXISTS (SELECT 1 FROM mysql.columns_priv AS c WHERE c.User = o.name
        AND LOWER(c.Db) IN ('mysql', LOWER('{schema}')))
      OR EXISTS (SELECT 1 FROM mysql.procs_priv AS p WHERE p.User = o.name
        AND LOWER(p.Db) IN ('mysql', 'sys', LOWER('{schema}')))
      OR EXISTS (SELECT 1 FROM mysql.proxies_priv AS x WHERE x.User = o.name)
  ) THEN
    SIGNAL SQLSTATE '45000' SET MYSQL_ERRNO = {too_powerful},
      MESSAGE_TEXT = 'this account has rights that no account may have';
  END IF;
  SET plugin = JSON_VALUE(found, '$.plugin'), kept = COALESCE(JSON_VALUE(found, '$.authentication_string'), '');
  IF JSON_EXISTS(found, '$.auth_or') OR JSON_EXISTS(found, '$.is_role')
    OR plugin IS NULL OR plugin NOT IN ('ed25519', 'mysql_native_password', 'parsec')
  THEN
    SIGNAL SQLSTATE '45000' SET MYSQL_ERRNO = {other_login},
      MESSAGE_TEXT = 'this account logs in by other means than one password';
  END IF;
  IF candidate IS NOT NULL THEN
    SELECT CASE WHEN kept IN ('', 'invalid') THEN '' ELSE plugin END AS kept_by,
      plugin = 'ed25519' AND kept = CONVERT(candidate USING utf8mb4) COLLATE utf8mb4_bin AS is_same;
  END IF;
END $m8$

CREATE PROCEDURE `{schema}`.`replace`(
  IN account VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin,
  IN hash VARCHAR(255) CHARACTER SET ascii COLLATE ascii_bin
)
  MODIFIES SQL DATA SQL SECURITY DEFINER
BEGIN
  CALL `{schema}`.`state`(account, NULL);
  -- MariaDB lets this administrator write also where only the writes of another server may come.
  IF CAST(@@GLOBAL.read_only AS CHAR) NOT IN ('0', 'OFF') THEN
    SIGNAL SQLSTATE 'HY000' SET MYSQL_ERRNO = 1290, MESSAGE_TEXT = 'this server takes no writes';
  END IF;
  IF hash IS NULL OR hash NOT REGEXP '^[A-Za-z0-9+/]{{42}}[AEIMQUYcgkosw048]$' OR CHAR_LENGTH(hash) <> 43 THEN
    SIGNAL SQLSTATE '45000' SET MYSQL_ERRNO = {no_hash}, MESSAGE_TEXT = 'this is no hash of ed25519';
  END IF;
  -- It would refuse the hash, and say so with an error of many meanings.
  IF @@GLOBAL.strict_password_validation AND EXISTS (SELECT 1 FROM information_schema.PLUGINS
    WHERE PLUGIN_TYPE = 'PASSWORD VALIDATION' AND PLUGIN_STATUS = 'ACTIVE')
  THEN
    SIGNAL SQLSTATE '45000' SET MYSQL_ERRNO = {no_hashes}, MESSAGE_TEXT = 'this server takes no hashes';
  END IF;
  EXECUTE IMMEDIATE CONCAT(
    'ALTER USER ''', account, '''@''{account_host}'' IDENTIFIED VIA ed25519 USING ''', hash, ''''
  );
END $m8$
DELIMITER ;
GRANT EXECUTE ON PROCEDURE `{schema}`.`state` TO '{user}'@'{user_host}';
GRANT EXECUTE ON PROCEDURE `{schema}`.`replace` TO '{user}'@'{user_host}';
"""


def least_rights(config: MariadbAccountConfig, names: Sequence[str]) -> str:
    """Return the SQL that makes the procedures and lets the reactor's account execute them.

    Args:
        config: The `[engine]` table.
        names: What the accounts may be called; `*` stands for any characters of a name.
    """
    return _TEMPLATE.format(
        user=config.user,
        user_host=config.user_host,
        account_host=config.account_host,
        schema=config.schema,
        names="|".join(map(expression, names)),
        not_listed=NOT_LISTED,
        missing=MISSING,
        too_powerful=TOO_POWERFUL,
        other_login=OTHER_LOGIN,
        no_hash=NO_HASH,
        no_hashes=NO_HASHES,
    )
