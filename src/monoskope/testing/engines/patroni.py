"""Three PostgreSQL servers under Patroni, with one etcd member: a primary, two standbys, and what breaks them.

Everything runs in one folder below the system's folder for temporary files, with TLS and as `nobody` if root starts it.
The settings are those that docs/operate/high-availability.md recommends. A real etcd has three members; one is enough
here, because the tests stop all of etcd or nothing of it. Only for tests.
"""

from __future__ import annotations

import asyncio
import atexit
import functools
import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterator
from types import TracebackType
from typing import Any, Self

import asyncpg

from monoskope.m8.log.postgres.target import PostgresTarget, Tls
from monoskope.testing.engines import patroni_files as files
from monoskope.testing.engines.patroni_node import Etcd, Node, answer
from monoskope.testing.engines.postgres import USER, binaries
from monoskope.testing.engines.unprivileged import owned_folder, python_within_reach
from monoskope.testing.parts import wait_until

# Patroni starts PostgreSQL in a session of its own, so PostgreSQL outlives it. This ends it when we are gone.
_GUARD = """
import os, signal, sys
sys.stdin.buffer.read()
for name in sys.argv[1:]:
    try:
        with open(name) as file:
            os.kill(int(file.readline()), signal.SIGKILL)
    except (OSError, ValueError):
        pass
"""

NODES = 3
READY_S = 90.0
_REST_S = 1.0


class Patroni:
    """The cluster. Usable as a context manager: running inside.

    Args:
        mode: How commits reach the standbys: `patroni_files.LOSSLESS` or `LOSSY`.
    """

    def __init__(self, *, mode: dict[str, Any] | None = None) -> None:
        self.folder = owned_folder("m8-patroni-")
        copies = self.folder / "programs"
        copies.mkdir()
        programs = binaries()
        python, found_by = python_within_reach(copies, "patroni[etcd3]", "psycopg[binary]")
        environment = {"PATH": os.defpath, "HOME": str(self.folder), "LANG": "C.UTF-8", **found_by}
        mode = files.LOSSLESS if mode is None else mode
        self._standby_role = "quorum_standby" if mode["synchronous_mode"] else "replica"
        self.passwords = files.Passwords()
        made = files.make_authority(self.folder)
        self.ca_file = self.folder / "ca.pem"
        self.etcd = Etcd(self.folder, copies)
        self._guard: subprocess.Popen[bytes] | None = None
        self.nodes: list[Node] = []
        for number in range(1, NODES + 1):
            place = files.Place(f"n{number}", self.folder / f"n{number}")
            files.write(place, made, etcd=self.etcd.port, programs=programs, passwords=self.passwords, mode=mode)
            self.nodes.append(Node(place, [python, "-m", "patroni", str(place.settings)], environment))

    def __enter__(self) -> Self:
        atexit.register(self.kill)
        pids = [str(one.place.data / "postmaster.pid") for one in self.nodes]
        self._guard = subprocess.Popen(
            [sys.executable, "-S", "-E", "-c", _GUARD, *pids], stdin=subprocess.PIPE, start_new_session=True
        )
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def start(self) -> None:
        """Start everything, and return when there is a primary to which both standbys are connected."""
        self.etcd.start()
        for node in self.nodes:
            node.start()
        self.wait_until_whole()

    def kill(self) -> None:
        """End every process at once."""
        for node in self.nodes:
            node.kill()
        self.etcd.kill()

    def close(self) -> None:
        """End every process, and remove the folder."""
        self.kill()
        if self._guard is not None:
            self._guard.kill()
            self._guard.communicate()
        atexit.unregister(self.kill)
        shutil.rmtree(self.folder, ignore_errors=True)

    # --- who is what ---

    def primary(self) -> Node | None:
        """The node that says that it is the primary and holds the lock; None if no node says so."""
        leaders = [one for one in self.nodes if one.leads()]
        return leaders[0] if len(leaders) == 1 else None

    def standbys(self) -> list[Node]:
        """The nodes that are not the primary."""
        primary = self.primary()
        return [one for one in self.nodes if one is not primary]

    def may_fail_over(self) -> bool:
        """Whether etcd knows of every standby that it streams, and so which of them may take over.

        A standby that streams, but which etcd does not name yet, is never promoted where replication is synchronous.
        """
        said = next((found for one in self.nodes if (found := answer(one.place.rest, "/cluster"))), {})
        members = said.get("members", [])
        roles = sorted(one["role"] for one in members if one["state"] in {"running", "streaming"})
        return self.primary() is not None and roles == ["leader", *[self._standby_role] * (NODES - 1)]

    def wait_until_whole(self) -> Node:
        """Wait until there is a primary to which every other node streams, and return it."""
        wait_until(self.may_fail_over, what=f"{NODES - 1} standbys stream (logs in {self.folder}/n*)", seconds=READY_S)
        primary = self.primary()
        assert primary is not None
        return primary

    # --- its users ---

    def target(self, database: str) -> PostgresTarget:
        """Return what m8 connects to: every node, over verified TLS."""
        return self._target(database, USER, self.passwords.m8)

    def _target(self, database: str, role: str, password: str) -> PostgresTarget:
        return PostgresTarget(
            hosts=tuple((files.HOST, one.place.port) for one in self.nodes),
            database=database,
            user=role,
            password=functools.partial(str, password),
            tls=Tls(ca=self.ca_file),
        )

    def dsn(self, database: str) -> str:
        """Return the connection string of m8: every node, over verified TLS, without the password."""
        hosts = ",".join(f"{files.HOST}:{one.place.port}" for one in self.nodes)
        return f"postgresql://{USER}@{hosts}/{database}"

    def create_database(self) -> str:
        """Make an empty database that m8's role owns, and return its name."""
        name = f"test_{secrets.token_hex(6)}"
        asyncio.run(self._create_database(name))
        return name

    async def _create_database(self, name: str) -> None:
        primary = self.primary()
        assert primary is not None, "there is no primary"
        target = self._target("postgres", "postgres", self.passwords.superuser)
        connection = await asyncpg.connect(**target.arguments(files.HOST, primary.place.port))
        try:
            if not await connection.fetchval("SELECT true FROM pg_roles WHERE rolname = $1", USER):
                await connection.execute(f"CREATE ROLE {USER} LOGIN PASSWORD '{self.passwords.m8}'")
            await connection.execute(f'CREATE DATABASE "{name}" OWNER {USER} TEMPLATE template0')
        finally:
            await connection.close()

    def logs(self) -> Iterator[tuple[str, str]]:
        """Yield each node's name, and the end of what its Patroni wrote."""
        for node in self.nodes:
            yield node.name, "\n".join(node.log.read_text(errors="replace").splitlines()[-30:])
