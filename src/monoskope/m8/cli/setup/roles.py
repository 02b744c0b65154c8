"""The SQL of the step `database`: a role that may read and add events, and do no more, in a database of its own.

A statement is left out where what it makes is there, so a set-up that was stopped goes on. What others have in that
database, or a role that may do more, ends it before anything is changed.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from dataclasses import dataclass, replace
from urllib.parse import unquote

import asyncpg

from monoskope.errors import RefusedError, UsageError
from monoskope.m8.log.postgres.connections import Connection, close, connect, explained
from monoskope.m8.log.postgres.settings import DatabaseSettings
from monoskope.m8.log.postgres.target import PostgresTarget
from monoskope.m8.settings import ServerSettings

_ITERATIONS = 4_096


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement.

    Attributes:
        sql: Its text.
        unless: A query that finds what it makes, "" for a statement that may run again.
        is_inside: Whether it runs in m8's own database.
    """

    sql: str
    unless: str = ""
    is_inside: bool = False


def verifier(password: str) -> str:
    """Return what a server keeps of a password of ASCII (RFC 5802, RFC 7677), so that it never sees the password."""
    salt = secrets.token_bytes(16)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode("ascii"), salt, _ITERATIONS)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")
    salt64, stored64, server64 = (base64.b64encode(part).decode("ascii") for part in (salt, stored, server))
    return f"SCRAM-SHA-256${_ITERATIONS}:{salt64}${stored64}:{server64}"


def quoted(name: str) -> str:
    """Return a name as SQL has it."""
    return '"' + name.replace('"', '""') + '"'


def _text(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


_HAS_ROLE = "SELECT FROM pg_catalog.pg_roles WHERE rolname = {}"


def _owner(target: PostgresTarget) -> Statement:
    name = f"{target.user}_owner"
    return Statement(f"CREATE ROLE {quoted(name)} NOLOGIN", _HAS_ROLE.format(_text(name)))


def making(target: PostgresTarget, password: str) -> list[Statement]:
    """Return what makes the role and the database of `target`."""
    role, owner, database = quoted(target.user), quoted(f"{target.user}_owner"), quoted(target.database)
    has_database = f"SELECT FROM pg_catalog.pg_database WHERE datname = {_text(target.database)}"
    login = f"CREATE ROLE {role} LOGIN CONNECTION LIMIT 60"
    return [
        _owner(target),
        Statement(f"{login} PASSWORD {_text(verifier(password))}", _HAS_ROLE.format(_text(target.user))),
        Statement(f"CREATE DATABASE {database} TEMPLATE template0 ENCODING 'UTF8'", has_database),
        Statement(f"REVOKE ALL ON DATABASE {database} FROM PUBLIC"),
        Statement(f"GRANT CONNECT ON DATABASE {database} TO {role}"),
        Statement(f"CREATE SCHEMA IF NOT EXISTS {role} AUTHORIZATION {owner}", is_inside=True),
        Statement(f"GRANT USAGE, CREATE ON SCHEMA {role} TO {role}", is_inside=True),
        Statement("REVOKE ALL ON SCHEMA public FROM PUBLIC", is_inside=True),
    ]


def taking_away(target: PostgresTarget, schema: str) -> list[Statement]:
    """Return what leaves m8's role the right to read and to add events alone, once its tables are in `schema`."""
    role, owner = quoted(target.user), quoted(f"{target.user}_owner")
    events = f"{quoted(schema)}.events"
    return [
        _owner(target),
        # One transaction: after the first alone m8 could do nothing.
        Statement(f"ALTER TABLE {events} OWNER TO {owner}; GRANT SELECT, INSERT ON {events} TO {role}", is_inside=True),
    ]


def script(target: PostgresTarget, statements: list[Statement]) -> list[str]:
    """Return statements as a person types them into psql."""
    lines: list[str] = []
    for statement in statements:
        if statement.is_inside and f"\\connect {quoted(target.database)}" not in lines:
            lines.append(f"\\connect {quoted(target.database)}")
        if statement.unless:
            lines.append("-- Unless it is there:")
        lines.append(f"{statement.sql};")
    return lines


def superuser(url: str, settings: ServerSettings) -> PostgresTarget:
    """Return the database of a superuser's URL, which may hold a password. No message shows it.

    Args:
        url: The URL.
        settings: Of m8, whose authorities count.

    Raises:
        UsageError: it is no URL of a database.
    """
    scheme, slashes, rest = url.partition("://")
    login, at, where = rest.rpartition("@")
    user, _, password = login.partition(":")
    named = DatabaseSettings(f"{scheme}{slashes}{user}{at}{where}", ca=settings.file.database_ca)
    found = named.place(settings.folder, {})
    if settings.database is not None and found.user == settings.database.user:
        raise UsageError("the superuser is the role of m8 itself.", fix="Name a superuser, such as postgres.")
    return replace(found, password=lambda: unquote(password))


_OTHERS = """
SELECT EXISTS (
  SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  WHERE n.nspname NOT IN ('pg_catalog', 'information_schema', $1) AND n.nspname !~ '^pg_'
)
"""
_MIGHTY = """
SELECT EXISTS (
  SELECT FROM pg_catalog.pg_roles
  WHERE rolname = ANY($1) AND (rolsuper OR rolcreaterole OR rolcreatedb OR rolbypassrls OR rolreplication)
)
"""


async def run(statements: list[Statement], target: PostgresTarget, by: PostgresTarget) -> None:
    """Run statements as a superuser, but for those whose result is there.

    Raises:
        RefusedError: the role may do more than m8 needs, or the database has tables of others. Nothing was changed.
        Error: the database cannot be used, or refuses a statement.
    """
    inside: Connection | None = None
    with explained(by):
        outside = await connect(by)
        try:
            await _check(outside, target, by)
            for statement in statements:
                if statement.is_inside and inside is None:
                    inside = await connect(replace(by, database=target.database))
                here = outside if inside is None or not statement.is_inside else inside
                if not statement.unless or not await here.fetch(statement.unless):
                    await here.execute(statement.sql)
        except asyncpg.InsufficientPrivilegeError:
            raise RefusedError(f"{by.user} may not make roles and databases.", fix="Name a superuser.") from None
        finally:
            for connection in (outside, inside):
                if connection is not None:
                    await close(connection)


async def _check(outside: Connection, target: PostgresTarget, by: PostgresTarget) -> None:
    if await outside.fetchval(_MIGHTY, [target.user, f"{target.user}_owner"]):
        raise RefusedError(
            f"the role {target.user}, or {target.user}_owner, may do more than m8 needs.",
            fix="Name a new role in `database`: m8 init makes it.",
        )
    if await outside.fetch("SELECT FROM pg_catalog.pg_database WHERE datname = $1", target.database):
        inside = await connect(replace(by, database=target.database))
        try:
            if await inside.fetchval(_OTHERS, target.user):
                raise RefusedError(
                    f"the database {target.database} has tables of others.",
                    fix="Name a new database in `database`: m8 init makes it.",
                )
        finally:
            await close(inside)
