"""Calls of the two procedures in MariaDB, over TLS that is verified, each over a connection of its own.

No error of the library leaves this module: its text can hold what was sent. The library waits in a thread.
"""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path
from typing import Any, TypeAlias

import pymysql
from pymysql.constants import CR, ER

from monoskope.host_port import HostPort
from monoskope.stores.driver import (
    DriverError,
    StoreRefusedError,
    StoreUnavailableError,
    UnknownOutcomeError,
)
from monoskope.stores.mariadb_account import procedures
from monoskope.stores.mariadb_account.config import MariadbAccountConfig
from monoskope.stores.shared.accounts import own_password
from monoskope.stores.shared.trust import trusting

Connection: TypeAlias = "pymysql.Connection[pymysql.cursors.Cursor]"
Row: TypeAlias = tuple[Any, ...]

_AT_ONCE = 4
_HOST_NOT_ALLOWED, _NO_SUCH_PROCEDURE, _NO_EXECUTE, _NO_DEFINER = 1130, 1305, 1370, 1449
_PLUGIN_NOT_LOADED, _READ_ONLY, _WITHOUT_PASSWORD, _LOCKED, _NO_ALTER = 1524, 1290, 1698, 4151, 1396
_LOGIN = frozenset({ER.ACCESS_DENIED_ERROR, ER.DBACCESS_DENIED_ERROR, _HOST_NOT_ALLOWED, _WITHOUT_PASSWORD, _LOCKED})
_RIGHTS = frozenset({_NO_SUCH_PROCEDURE, _NO_EXECUTE, _NO_DEFINER, ER.SPECIFIC_ACCESS_DENIED_ERROR})
"""There is no such procedure, or the account or the one who made it may not do what it takes."""

_LOST = frozenset({0, *range(2000, 3000), ER.SERVER_SHUTDOWN, ER.QUERY_INTERRUPTED, 1927})
"""The connection broke, or the server ended it or what ran over it. The library's own numbers are 2000 to 2999."""


class Database:
    """The server that takes writes. It holds nothing open. Raises `StoreRefusedError` if a file cannot be used."""

    def __init__(self, config: MariadbAccountConfig) -> None:
        self._config = config
        self._is_socket = config.host.startswith("/")
        self._tls = None if self._is_socket else trusting(config.ca_file)
        own_password(Path(config.password_file))
        self._places = asyncio.Semaphore(_AT_ONCE)

    async def call(self, procedure: str, *arguments: str | None, writes: bool = False) -> Row:
        """Return the one row of a procedure, () for none.

        Raises:
            DriverError: of the kind that fits; `UnknownOutcomeError` only if the procedure writes.
        """
        async with self._places:
            password = own_password(Path(self._config.password_file))
            found = await asyncio.to_thread(self._called, password, procedure, arguments, writes=writes)
        if isinstance(found, DriverError):
            raise found
        return found

    async def may_execute(self, *names: str) -> None:
        """Call procedures for no account: they refuse that, and raise nothing here. Raises as `call` if not."""
        for name in names:
            try:
                await self.call(name, None, None)
            except StoreRefusedError as error:
                if error.message != _refusal(procedures.NOT_LISTED).message:
                    raise

    def _called(
        self, password: str, procedure: str, arguments: tuple[str | None, ...], *, writes: bool
    ) -> Row | DriverError:
        try:
            connection = self._connected(password)
        except pymysql.Error as error:
            return _why_not_connected(error)
        try:
            return _row(connection, f"`{self._config.schema}`.`{procedure}`", arguments)
        except pymysql.Error as error:
            return _explained(_number(error), writes=writes)
        finally:
            if connection.open:
                connection.close()

    def _connected(self, password: str) -> Connection:
        config = self._config
        where = HostPort.parse("localhost:3306" if self._is_socket else config.host)
        return pymysql.connect(
            host=where.host,
            port=where.port,
            unix_socket=config.host if self._is_socket else None,
            user=config.user,
            password=password.encode(),  # text would be sent as Latin-1
            ssl=self._tls,
            ssl_disabled=self._is_socket,
            connect_timeout=max(1, round(config.connect_timeout_s)),
            read_timeout=config.timeout_s,
            write_timeout=config.timeout_s,
            charset="utf8mb4",
            autocommit=None,
            local_infile=False,
            program_name="m8-reactor",
        )


def _row(connection: Connection, procedure: str, arguments: tuple[str | None, ...]) -> Row:
    with connection.cursor() as cursor:
        cursor.execute(f"CALL {procedure}({', '.join(['%s'] * len(arguments))})", arguments)
        row = cursor.fetchone() or ()
        # What a procedure refuses after its first rows comes with the last of its answers.
        while cursor.nextset():
            pass
    return row


def _number(error: pymysql.Error) -> int:
    return error.args[0] if error.args and isinstance(error.args[0], int) else 0


def _explained(number: int, *, writes: bool) -> DriverError:
    """Return the error of a call. What is not known for a refusal may have been done."""
    if number == procedures.NO_HASHES:
        return StoreRefusedError(
            "the database takes no hashes while its option strict_password_validation is on.",
            fix="Set strict_password_validation = OFF: the reactor checks the passwords of this store.",
        )
    if number in {*procedures.OURS, *_RIGHTS, _PLUGIN_NOT_LOADED, _NO_ALTER}:
        return _refusal(number)
    if number == _READ_ONLY:
        return StoreUnavailableError("the database takes no writes now.", fix="Try again; look into its log.")
    if not writes and number not in _LOST:
        return _refusal(number)
    if writes:
        return UnknownOutcomeError("the connection to the database broke.", fix="Put the same password again.")
    return StoreUnavailableError("the database does not answer.", fix="Check that it runs and can be reached.")


def may_not_execute() -> StoreRefusedError:
    """Return the error for an account that lacks a right, or a database without the procedures."""
    return StoreRefusedError(
        "the reactor's account may not execute the procedures of accounts.",
        fix="Run in that database what `m8 reactor policy` prints.",
    )


def _refusal(number: int) -> StoreRefusedError:
    if number in _RIGHTS:
        return may_not_execute()
    if number == procedures.NOT_LISTED:
        return StoreRefusedError(
            "the database does not list this name as an account.", fix="Run there what `m8 reactor policy` prints."
        )
    if number == procedures.MISSING:
        return StoreRefusedError("the database has no such account.", fix="Create it there, or correct the path.")
    if number == procedures.TOO_POWERFUL:
        return StoreRefusedError(
            "this account has rights that no account of a store may have.",
            fix="Grant it, and its roles, rights on its own schemas alone; or use another account.",
        )
    if number == procedures.OTHER_LOGIN:
        return StoreRefusedError(
            "this account logs in by other means than one password.",
            fix="Give it one plugin: ALTER USER … IDENTIFIED VIA mysql_native_password USING 'invalid'.",
        )
    # Also without the plugin ed25519, which the policy says how to load.
    return StoreRefusedError("the database refused the request.", fix="Look into its log for the reason.")


def _why_not_connected(error: pymysql.Error) -> DriverError:
    cause = getattr(error, "original_exception", None)
    if isinstance(cause, ssl.SSLError) or _number(error) == CR.CR_SSL_CONNECTION_ERROR:
        return StoreRefusedError("the certificate of the database is not trusted.", fix="Correct host or ca_file.")
    if _number(error) in _LOGIN:
        return StoreRefusedError(
            "the database does not let the reactor's account in.", fix="Check user, user_host and password_file."
        )
    return StoreUnavailableError("the database does not answer.", fix="Check that it runs and can be reached.")
