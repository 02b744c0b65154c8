"""What the step `database` does at a PostgreSQL, and the superuser for whom it shows its SQL first."""

from __future__ import annotations

import asyncio
from pathlib import Path

from monoskope.errors import Error, UsageError
from monoskope.m8.cli.setup import roles
from monoskope.m8.cli.setup.context import Setup
from monoskope.m8.log.folder import AnotherLogError
from monoskope.m8.log.postgres import facts
from monoskope.m8.log.postgres.connections import close, connect, explained, reach
from monoskope.m8.log.postgres.target import PostgresTarget
from monoskope.m8.opened import opened_log
from monoskope.m8.settings import ServerSettings
from monoskope.settings import read_private

_OWN_EVENTS = """
SELECT schemaname FROM pg_catalog.pg_tables
WHERE tablename = 'events' AND schemaname = pg_catalog.current_schema() AND tableowner = current_user
"""


def check_reached(target: PostgresTarget) -> None:
    """Raise unless a PostgreSQL answers there, with a certificate that counts."""
    asyncio.run(reach(target))


def prepare(setup: Setup, loaded: ServerSettings, target: PostgresTarget) -> None:
    """Make what is missing: the role, the database, the tables of the log; then take away what m8 needs no more.

    Raises:
        UsageError: it takes a superuser, and none was named.
        Error: as the database refuses.
    """
    superuser = _Superuser(setup, loaded)
    if not asyncio.run(_is_open(loaded)):
        statements = roles.making(target, target.password())
        _show(setup, "This SQL makes m8's role and database:", target, statements)
        by = superuser.find()
        if by is None:
            raise UsageError(
                "m8 cannot open its database yet.",
                fix="Run the SQL above as a superuser, then m8 init again: it goes on.",
            )
        asyncio.run(roles.run(statements, target, by))
    schema = asyncio.run(_own_events(loaded, target))
    if schema:
        statements = roles.taking_away(target, schema)
        _show(setup, "This SQL leaves m8 the right to read and to add events alone:", target, statements)
        by = superuser.find()
        if by is None:
            setup.asked.say("Run it as a superuser. Until then a thief of m8's password can change events.")
        else:
            asyncio.run(roles.run(statements, target, by))
    setup.asked.say(*asyncio.run(_changers(target)))


async def _changers(target: PostgresTarget) -> tuple[str, ...]:
    """Return a sentence and a fix if others may act as the role that owns the events, else nothing."""
    with explained(target):
        connection = await connect(target)
        try:
            return (await facts.facts(connection)).changers or ()
        finally:
            await close(connection)


def _show(setup: Setup, what: str, target: PostgresTarget, statements: list[roles.Statement]) -> None:
    setup.asked.say("", what, "", *roles.script(target, statements), "")


async def _is_open(loaded: ServerSettings) -> bool:
    """Whether m8 can open its log already; it makes its tables then."""
    try:
        async with opened_log(loaded):
            return True
    except AnotherLogError:
        raise
    except Error:
        return False


async def _own_events(loaded: ServerSettings, target: PostgresTarget) -> str:
    """Open the log, and return the schema of its events if they belong to m8's own role, else ""."""
    async with opened_log(loaded):
        with explained(target):
            connection = await connect(target)
            try:
                return str(await connection.fetchval(_OWN_EVENTS) or "")
            finally:
                await close(connection)


class _Superuser:
    """A superuser of the database, who is asked for once, and whose password is kept nowhere."""

    def __init__(self, setup: Setup, loaded: ServerSettings) -> None:
        self._asked = setup.asked
        self._loaded = loaded
        self._found: PostgresTarget | None = None
        self._is_asked = False

    def find(self) -> PostgresTarget | None:
        """Return whom the answer names, None for nobody."""
        if not self._is_asked:
            if file := self._asked.known("superuser_file"):
                self._check(read_private(Path(file)).decode("utf-8", "replace").strip())
            else:
                self._asked.get("superuser_file", self._check)
            self._is_asked = True
        return self._found

    def _check(self, url: str) -> None:
        """Raise unless the database lets them in."""

        async def try_it(target: PostgresTarget) -> None:
            await close(await connect(target))

        self._found = roles.superuser(url, self._loaded) if url else None
        if self._found is None:
            return
        try:
            asyncio.run(try_it(self._found))
        except Error as error:
            raise UsageError(
                error.message,
                fix=f"Correct the URL. Where pg_hba.conf keeps {self._found.user} out, name nobody, and run the SQL"
                " yourself.",
            ) from None
