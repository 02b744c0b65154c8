"""Commands to all nodes of a Redis at once, over TLS that is verified, each time over connections of their own.

No error of the library leaves this module: its text can hold what was sent. Nothing is sent twice.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeAlias

import redis.asyncio
from redis import exceptions
from redis.asyncio.connection import AbstractConnection

from monoskope.host_port import HostPort
from monoskope.stores.driver import DriverError, StoreRefusedError, StoreUnavailableError, UnknownOutcomeError
from monoskope.stores.redis_account.config import RedisAccountConfig
from monoskope.stores.shared.accounts import own_password
from monoskope.stores.shared.trust import show_files, trusting

Command: TypeAlias = tuple[str, ...]
Found: TypeAlias = list[Any] | DriverError
"""What one node answered to some commands, or why it did not do one of them."""
SAVE: Command = ("ACL", "SAVE")
_AT_ONCE = 4


class Nodes:
    """All nodes of the settings. It holds nothing open. Raises `StoreRefusedError` if a file cannot be used."""

    def __init__(self, config: RedisAccountConfig, state_dir: Path) -> None:
        self._config = config
        self._folder = state_dir
        self._tls()
        self._password()
        self._places = asyncio.Semaphore(_AT_ONCE)

    async def ask(self, *looks: Command, acts: Sequence[Command] = ()) -> list[list[Any]]:
        """Have every node do `looks`; once all of them have, have every node do `acts`. Return the answers to `looks`.

        Raises:
            DriverError: the first node that could not do `looks` says of which kind. No node was asked for `acts`.
            UnknownOutcomeError: not every node did `acts`: some may have, and others not.
        """
        async with self._places:
            password, tls = self._password(), self._tls()
            nodes = [(self._connection(node, password, tls), node) for node in self._config.nodes]
            try:
                found = await self._each(nodes, looks)
                failed = [one for one in found if isinstance(one, DriverError)]
                done = await self._each(nodes, acts) if acts and not failed else []
            finally:
                await asyncio.gather(*(_closed(connection) for connection, _ in nodes))
        if failed:
            raise failed[0]
        if any(isinstance(one, DriverError) for one in done):
            raise UnknownOutcomeError(
                "not every node has taken the new password, or has saved it.", fix="Put the same password again."
            )
        return [answers for answers in found if not isinstance(answers, DriverError)]

    def _password(self) -> str:
        return own_password(Path(self._config.password_file))

    def _tls(self) -> ssl.SSLContext:
        config = self._config
        tls = trusting(config.ca_file)
        if config.certificate_file is not None and config.key_file is not None:
            show_files(tls, config.certificate_file, config.key_file, self._folder)
        return tls

    def _connection(self, node: str, password: str, tls: ssl.SSLContext) -> AbstractConnection:
        rest: dict[str, Any] = {
            "username": self._config.user,
            "password": password,
            "protocol": 2,  # with HELLO the library would ask for more than logging in
            "driver_info": None,
            "socket_timeout": None,  # `_answers` has its own
            "socket_connect_timeout": self._config.connect_timeout_s,
        }
        if node.startswith("/"):
            return redis.asyncio.UnixDomainSocketConnection(path=node, **rest)
        where = HostPort.parse(node)
        connection = redis.asyncio.SSLConnection(host=where.host, port=where.port, **rest)
        # What the library makes itself trusts the operating system's certificates besides those of a file.
        connection.ssl_context.context = tls
        return connection

    async def _each(self, nodes: Sequence[tuple[AbstractConnection, str]], commands: Sequence[Command]) -> list[Found]:
        return await asyncio.gather(*(self._answers(connection, node, commands) for connection, node in nodes))

    async def _answers(self, connection: AbstractConnection, node: str, commands: Sequence[Command]) -> Found:
        answers: list[Any] = []
        command: Command = ()
        try:
            async with asyncio.timeout(self._config.timeout_s):
                for command in commands:  # the first one connects
                    await connection.send_command(*command)
                    answers.append(await connection.read_response())
        except (exceptions.RedisError, OSError) as error:  # TimeoutError is one of these
            return _explained(error, node, command)
        if None in answers:
            return StoreRefusedError(
                "the database has no such account.", fix=f"Create it on {node}, or correct the path."
            )
        return answers


async def _closed(connection: AbstractConnection) -> None:
    with contextlib.suppress(exceptions.RedisError, OSError):
        await connection.disconnect()


def _explained(error: Exception, node: str, command: Command) -> DriverError:
    """Return the error of what a node did not do."""
    if isinstance(error.__context__, ssl.SSLCertVerificationError):
        return StoreRefusedError(
            "the certificate of the database is not trusted.", fix=f"Correct {node} in nodes, or ca_file."
        )
    if isinstance(error, exceptions.AuthenticationError):
        return StoreRefusedError(
            "the database does not let the reactor's account in.", fix=f"Check user and password_file at {node}."
        )
    if isinstance(error, exceptions.NoPermissionError):
        return StoreRefusedError(
            "the reactor's account may not do in the database what this takes.",
            fix=f"Run at {node} what `m8 reactor policy` prints.",
        )
    if isinstance(error, exceptions.ResponseError):
        if command == SAVE:
            return StoreRefusedError(
                "the database cannot save its accounts.", fix=f"Let {node} have an aclfile that Redis may write."
            )
        return StoreRefusedError("the database refused the request.", fix=f"Look into the log of {node}.")
    return StoreUnavailableError(
        "the database does not answer.",
        fix=f"Check that {node} runs and has TLS, and whether it asks for a client certificate (tls-auth-clients).",
    )
