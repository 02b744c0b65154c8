"""Statements to the PostgreSQL that takes writes, over TLS that is verified, each within a bounded time.

No error of the library leaves this module: its fields can hold what was sent.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import TypeAlias

import asyncpg
from asyncpg.connect_utils import SessionAttribute

from monoskope.stores.driver import (
    DriverError,
    StoreConflictError,
    StoreRefusedError,
    StoreUnavailableError,
    UnknownOutcomeError,
)
from monoskope.stores.postgresql_account import functions
from monoskope.stores.postgresql_account.config import PostgresqlAccountConfig, address_of
from monoskope.stores.shared.accounts import own_password
from monoskope.stores.shared.trust import show_files, trusting

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

_FAILURES = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError)
_AT_ONCE = 4
_LOGIN = frozenset({"28000", "28P01", "3D000", "42501"})
_RIGHTS = frozenset({"3F000", "42501", "42883"})
"""There is no such schema or function, or the role may not use it."""
_PASSING = frozenset({"25", "40", "53", "55", "XX"})
"""Classes after which nothing was written and time may mend it: a standby, a clash, no room, a lock."""


class Database:
    """A few connections. What one carries never depends on what was asked over it before.

    Raises `StoreRefusedError` if a file of the settings cannot be used.
    """

    def __init__(self, config: PostgresqlAccountConfig, state_dir: Path) -> None:
        self._config = config
        self._folder = state_dir
        self._tls()
        self._password()
        self._places = asyncio.Semaphore(_AT_ONCE)
        self._idle: list[Connection] = []
        self._is_closed = False

    async def ask(self, statement: str, *arguments: str | None, writes: bool = False) -> asyncpg.Record:
        """Return the one row of a statement.

        Raises:
            DriverError: of the kind that fits; `UnknownOutcomeError` only if the statement writes.
        """
        async with self._places:
            connection = await self._answering()
            failure: DriverError | None = None
            try:
                with _deadline(connection, self._config.timeout_s):
                    row = await connection.fetchrow(statement, *arguments)
            except _FAILURES as error:
                # After any other refusal than the functions' own it may be a server that takes no writes any more.
                self._give_back(connection) if _state_of(error)[:2] == functions.OURS else connection.terminate()
                failure = _explained(error, writes=writes)
            except BaseException:
                connection.terminate()
                raise
            else:
                self._give_back(connection)
                assert row is not None, "a function returns one row"
                return row
        raise failure

    async def close(self) -> None:
        """Close the connections, those in use when they are given back. Safe to call twice."""
        self._is_closed = True
        while self._idle:
            connection = self._idle.pop()
            try:
                with _deadline(connection, self._config.connect_timeout_s):
                    await connection.close()
            except _FAILURES:
                connection.terminate()

    async def _answering(self) -> Connection:
        """Return a connection whose server has just said that it takes writes.

        So a dead one is never taken for a lost write, and one to a server that is a standby by now is given up.
        """
        if self._is_closed:
            raise StoreUnavailableError("the store is closed.", fix="Open it again.")
        while self._idle:
            connection = self._idle.pop()
            takes_writes = False
            try:
                with contextlib.suppress(*_FAILURES), _deadline(connection, self._config.connect_timeout_s):
                    takes_writes = await connection.fetchval("SHOW transaction_read_only") == "off"
            finally:
                if not takes_writes:
                    connection.terminate()
            if takes_writes:
                return connection
        return await self._connected()

    async def _connected(self) -> Connection:
        """Return a new connection to the first host that takes writes."""
        failure: DriverError | None = None
        for text in self._config.hosts:
            host, port = address_of(text)
            try:
                return await asyncpg.connect(
                    host=host,
                    port=port,
                    database=self._config.database,
                    user=self._config.user,
                    password=self._password,  # not its result: a connection keeps what it is given
                    ssl=False if host.startswith("/") else self._tls(),
                    direct_tls=False,
                    timeout=self._config.connect_timeout_s,
                    target_session_attrs=SessionAttribute.read_write,
                    # A role's own settings must not let a commit count that is not on the disk.
                    server_settings={"application_name": "m8-reactor", "synchronous_commit": "on"},
                    statement_cache_size=0,
                )
            except _FAILURES as error:
                found = _why_not_connected(error)
            # A host that is away says less than one that refuses.
            failure = found if failure is None or isinstance(found, StoreRefusedError) else failure
        assert failure is not None, "there is a host"
        raise failure

    def _tls(self) -> ssl.SSLContext:
        config = self._config
        tls = trusting(config.ca_file)
        if config.certificate_file is not None and config.key_file is not None:
            show_files(tls, config.certificate_file, config.key_file, self._folder)
        return tls

    def _password(self) -> str:
        return "" if self._config.password_file is None else own_password(Path(self._config.password_file))

    def _give_back(self, connection: Connection) -> None:
        if self._is_closed or connection.is_closed():
            connection.terminate()
        else:
            self._idle.append(connection)


@contextlib.contextmanager
def _deadline(connection: Connection, seconds: float) -> Iterator[None]:
    """Cut the connection if the block takes longer: a cancel request would end the wait for a synchronous standby."""
    timer = asyncio.get_running_loop().call_later(seconds, connection.terminate)
    try:
        yield
    except AttributeError as error:
        # The library goes on with the protocol that the connection no longer has.
        if error.obj is not None or not connection.is_closed():
            raise
        raise asyncpg.InterfaceError("the connection was cut") from None
    finally:
        timer.cancel()


def _state_of(error: BaseException) -> str:
    return str(getattr(error, "sqlstate", None) or "") if isinstance(error, asyncpg.PostgresError) else ""


def _is_lost(error: BaseException) -> bool:
    """Whether a statement's end is not known: the connection broke, or the server was ending."""
    if not isinstance(error, asyncpg.PostgresError):
        return True
    severe = getattr(error, "severity_en", None) in {"FATAL", "PANIC"}
    return severe or (_state_of(error) or "08000")[:2] in {"08", "57"}


def _explained(error: BaseException, *, writes: bool) -> DriverError:
    """Return the error of a statement. Whatever the server refused, it has rolled back."""
    state = _state_of(error)
    if _is_lost(error):
        if writes:
            return UnknownOutcomeError("the connection to the database broke.", fix="Look the password up.")
        return StoreUnavailableError("the database does not answer.", fix="Check that it runs and can be reached.")
    if state == functions.CONFLICT:
        return StoreConflictError("the role has another password, or other rights to log in, than was to be replaced.")
    if state[:2] in _PASSING:
        return StoreUnavailableError("the database takes no writes now.", fix="Try again; look into its log.")
    return _refusal(state)


def may_not_execute() -> StoreRefusedError:
    """Return the error for a role that lacks a right, or a database without the functions."""
    return StoreRefusedError(
        "the reactor's role may not execute the functions of accounts.",
        fix="Run in that database what `m8 reactor policy` prints.",
    )


def _refusal(state: str) -> StoreRefusedError:
    if state == functions.NOT_LISTED:
        return StoreRefusedError(
            "the database does not list this role as an account.", fix="Run there what `m8 reactor policy` prints."
        )
    if state == functions.MISSING:
        return StoreRefusedError("the database has no such role.", fix="Create it there, or correct the path.")
    if state == functions.TOO_POWERFUL:
        return StoreRefusedError(
            "this role has rights that no account may have.",
            fix="Take superuser, CREATEROLE, REPLICATION, BYPASSRLS, memberships (also of pg_read_all_data) and rights "
            "on pg_authid and pg_shadow from it, or use another role.",
        )
    if state in _RIGHTS:
        return may_not_execute()
    return StoreRefusedError("the database refused the request.", fix="Look into its log for the reason.")


def _why_not_connected(error: BaseException) -> DriverError:
    if isinstance(error, ssl.SSLCertVerificationError):
        return StoreRefusedError("the certificate of the database is not trusted.", fix="Correct hosts or ca_file.")
    if _state_of(error) in _LOGIN:
        return StoreRefusedError(
            "the database does not let the reactor's role in.",
            fix="Check user, password_file or certificate_file, and pg_hba.conf.",
        )
    if isinstance(error, asyncpg.TargetServerAttributeNotMatched):
        return StoreUnavailableError(
            "the database takes no writes now.", fix="Name the primary in hosts, or all of them."
        )
    # A server that does not trust a certificate ends the connection, mostly before its word about that is read.
    return StoreUnavailableError(
        "the database does not answer.",
        fix="Check that it runs, can be reached, has TLS (ssl = on), and trusts certificate_file, if there is one.",
    )
