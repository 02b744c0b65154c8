"""The driver `postgresql-account`: roles of PostgreSQL, whose one value is the password.

A write sends a verifier, never the password. Two functions in the database do all: one tells a role's state, the other
replaces exactly that state. The state is the version: `scram@ITERATIONS:SALT`, with `,nologin` and `,until=…` where the
role is locked or ends, so that what a DBA does to it by hand shows as drift.

Round trips, besides connecting: 2 for each verb, one more to write over whatever is there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from monoskope.errors import docs_page
from monoskope.protocol.payload import MIN_PADDED, Payload
from monoskope.stores.driver import (
    NOTHING,
    PLACEHOLDER,
    CannotReadError,
    Capabilities,
    Snapshot,
    StoreConflictError,
    StoreRefusedError,
    UnsupportedError,
)
from monoskope.stores.postgresql_account import scram
from monoskope.stores.postgresql_account.config import PostgresqlAccountConfig, is_name
from monoskope.stores.postgresql_account.database import Database, may_not_execute
from monoskope.stores.postgresql_account.functions import least_rights
from monoskope.stores.shared.accounts import KEY, KEY_RULE, check_password
from monoskope.stores.shared.checks import OurDriver

_TRIES = 5


class PostgresqlAccountStore(OurDriver):
    """See `StoreDriver`, and docs/stores/postgresql-account.md for configuration, rights and what stays visible."""

    kind = "postgresql-account"
    Config = PostgresqlAccountConfig
    of_accounts = True

    example_notes = f"""\
# A store of accounts starts only with [signers], and with the functions that `m8 reactor policy` prints:
# {docs_page("stores/postgresql-account.md")}
"""

    def __init__(self, config: PostgresqlAccountConfig, database: Database) -> None:
        self._config = config
        self._database = database
        # The schema is a name by the rules of the settings.
        self._state = f'SELECT state, is_same FROM "{config.schema}".state($1::text, $2::text)'  # noqa: S608
        self._swap = f'SELECT state FROM "{config.schema}".replace($1::text, $2::text, $3::text)'  # noqa: S608
        self._capabilities = Capabilities(
            max_plaintext=MIN_PADDED,
            check_and_set=True,
            write_tag=True,
            readable=False,
            key_rule=KEY_RULE,
            deletable=config.deletable,
            matches=True,
            layout="the password of a role, as a SCRAM-SHA-256 verifier.",
        )

    def __repr__(self) -> str:
        return f"<PostgresqlAccountStore {self._config.database} as {self._config.user}>"

    @classmethod
    async def open(cls, config: PostgresqlAccountConfig, *, state_dir: Path) -> Self:
        """Connect, and see that the role may execute the functions.

        Raises:
            StoreRefusedError: a file, the login or the functions are not as they must be; the message says which.
            StoreUnavailableError: the database does not answer.
        """
        return await cls(config, Database(config, state_dir)).opened()

    @classmethod
    def policy(cls, config: PostgresqlAccountConfig, prefixes: tuple[tuple[str, ...], ...]) -> str:
        """See `StoreDriver.policy`: the functions and grants, as SQL for psql."""
        return least_rights(config, ["/".join(prefix) for prefix in prefixes])

    @classmethod
    def example(cls, folder: Path) -> dict[str, Any]:
        """See `StoreDriver.example`."""
        return {
            "hosts": [PLACEHOLDER],
            "user": PLACEHOLDER,
            "password_file": str(folder / "password"),
            "database": "postgres",
            "deletable": False,
        }

    def check(self, path: tuple[str, ...], options: object | None) -> None:
        """Refuse any options, a path that is no role's name, and the reactor's own role."""
        if options is not None:
            raise StoreRefusedError("an account takes no options.", fix="Leave them out.")
        if len(path) != 1 or not is_name(path[0]) or path[0].startswith("pg_"):
            raise StoreRefusedError(
                "a path in this store is the name of one role, of at most 63 characters, without pg_ in front.",
                fix="Correct the path.",
            )
        if path[0] == self._config.user:
            raise StoreRefusedError("this is the role by which the store itself logs in.", fix="Name another one.")

    def check_payload(
        self, path: tuple[str, ...], payload: Payload | None, *, remove: Sequence[str] | None, options: object | None
    ) -> None:
        """Refuse all but one password of 20 to 128 printable characters."""
        del remove
        self.check(path, options)
        if payload is not None:
            check_password(payload)

    async def read_version(self, path: tuple[str, ...]) -> str:
        """See `StoreDriver.read_version`: the state of the role; `NOTHING` if it has no password."""
        self.check(path, None)
        return str((await self._database.ask(self._state, path[0], None))["state"])

    async def write(
        self,
        path: tuple[str, ...],
        payload: Payload,
        *,
        replacing: str | None,
        write_tag: str,
        options: object | None = None,
    ) -> str:
        """See `StoreDriver.write`. A role that is locked stays so."""
        self.check_payload(path, payload, remove=None, options=options)
        made = await asyncio.to_thread(scram.verifier, payload[KEY], scram.salt_of(write_tag))
        return await self._replace(path, made, replacing)

    async def delete(self, path: tuple[str, ...], *, replacing: str | None, destroy: bool) -> None:
        """See `StoreDriver.delete`: the role has no password then, for good. Its sessions go on."""
        self._require_deletable()
        if not destroy:
            raise UnsupportedError(
                "a database deletes a password for good only.",
                fix="Nothing was deleted. --destroy erases it for good.",
            )
        self.check(path, None)
        await self._replace(path, "", replacing)

    async def find(self, path: tuple[str, ...], write_tag: str) -> str | None:
        """Return the version that is there if it has that tag's salt. What was there before is not known."""
        state = await self.read_version(path)
        parts = scram.parts_of(state)
        return state if parts and parts[0] == scram.salt_of(write_tag) else None

    async def matches(self, path: tuple[str, ...], payload: Payload) -> tuple[str, bool]:
        """See `StoreDriver.matches`: the verifier is made with the salt that is there, and the database compares."""
        self.check_payload(path, payload, remove=None, options=None)
        for _ in range(_TRIES):
            state = await self.read_version(path)
            if state == NOTHING:
                return state, False
            parts = scram.parts_of(state)
            if parts is None or parts[1] > scram.MOST_ITERATIONS:
                raise CannotReadError("the role's password lies there in another form than this store writes.")
            made = await asyncio.to_thread(scram.verifier, payload[KEY], *parts)
            row = await self._database.ask(self._state, path[0], made)
            if row["state"] == state:
                return state, bool(row["is_same"])
        raise CannotReadError("the role changes faster than it can be compared.")

    async def read(self, path: tuple[str, ...]) -> Snapshot | None:
        """Raises `CannotReadError`: nobody can read a password back."""
        del path
        self._require_readable()
        raise AssertionError("this store is never readable")

    async def health(self) -> bool:
        """Ask whether the role may execute both functions, as `open` does."""
        schema = self._config.schema
        row = await self._database.ask(
            "SELECT pg_catalog.has_function_privilege($1, 'EXECUTE')"
            " AND pg_catalog.has_function_privilege($2, 'EXECUTE') AS allowed",
            f'"{schema}".state(text,text)',
            f'"{schema}".replace(text,text,text)',
        )
        if not row["allowed"]:
            raise may_not_execute()
        return True

    async def close(self) -> None:
        """Close the connections. Safe to call twice."""
        await self._database.close()

    async def _replace(self, path: tuple[str, ...], verifier: str, replacing: str | None) -> str:
        """Replace exactly `replacing`; for None whatever is there. Without a verifier something must be there."""
        for _ in range(_TRIES):
            expected = await self.read_version(path) if replacing is None else replacing
            if not verifier and expected == NOTHING:
                break
            try:
                row = await self._database.ask(self._swap, path[0], expected, verifier, writes=True)
                return str(row["state"])
            except StoreConflictError:
                if replacing is not None:
                    break
        raise StoreConflictError("the role has another password, or other rights to log in, than was to be replaced.")
