"""How m8 comes to a real PostgreSQL: whatever is wrong there, or between, ends in bounded time with a sentence."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import shutil
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest

from monoskope.errors import (
    Error,
    IdentityChangedError,
    RefusedError,
    UnauthenticatedError,
    UnavailableError,
    UsageError,
)
from monoskope.m8.log.postgres import connections, failures, notifications
from monoskope.m8.log.postgres.notifications import SharedSessionsError
from monoskope.m8.log.postgres.target import PostgresTarget, Tls
from monoskope.testing.engines import pgbouncer
from monoskope.testing.engines.postgres import Postgres, user
from tests.faults.tcp_proxy import proxy
from tests.support.certificates import certified, client_certificate
from tests.support.sockets import sockets_closed

PATIENCE_S = 60.0
"""How long whatever answers may take."""


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    """A server of its own: these tests change its settings."""
    with Postgres(fsync=False) as running:
        yield running


@pytest.fixture
def target(server: Postgres) -> PostgresTarget:
    return server.target(server.create_database())


async def asked(target: PostgresTarget, question: str) -> object:
    connection = await connections.connect(target)
    try:
        return await connection.fetchval(question)
    finally:
        await connection.close()


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a server that answers do so as late as a busy machine lets it: a test of silence has bounds of its own."""
    for name in ("HOST_S", "ALONE_S"):
        monkeypatch.setattr(connections, name, PATIENCE_S)
    monkeypatch.setattr(failures, "_DIAGNOSE_S", PATIENCE_S)


async def refused(target: PostgresTarget, *, host_s: float | None = None) -> Error:
    """Return the error with which a connection is refused; a log that is open gets the same as unavailable."""
    async with sockets_closed():
        with pytest.raises(Error) as caught:
            await connections.connect(target, host_s=host_s)
        with pytest.raises(UnavailableError) as again:
            await connections.reconnect(target, host_s=host_s)
    assert again.value.message == caught.value.message
    assert caught.value.fix
    assert (target.password() or "none") not in str(caught.value)
    return caught.value


async def test_a_caller_that_gives_up_leaves_no_connection_behind(target: PostgresTarget) -> None:
    for turns in range(12):
        async with sockets_closed():
            task = asyncio.create_task(connections.connect(target))
            for _ in range(turns):
                await asyncio.sleep(0.001)
            task.cancel()
            await asyncio.wait({task})
            if not task.cancelled():
                task.result().terminate()


async def test_a_connection_is_encrypted_and_the_server_verified(target: PostgresTarget) -> None:
    assert await asked(target, "SELECT version FROM pg_stat_ssl WHERE pid = pg_backend_pid()") == "TLSv1.3"


async def test_wrong_credentials_and_names(target: PostgresTarget) -> None:
    wrong = await refused(dataclasses.replace(target, password=lambda: "not-the-one"))
    assert isinstance(wrong, UnauthenticatedError)
    assert "the password is wrong, or there is no such role" in wrong.message
    unknown = await refused(dataclasses.replace(target, user="nobody-here"))
    assert isinstance(unknown, UnauthenticatedError)
    missing = await refused(dataclasses.replace(target, database="nowhere"))
    assert isinstance(missing, UsageError)
    assert "there is no such database" in missing.message


async def test_nothing_is_taken_from_settings_of_libpq(target: PostgresTarget, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPASSWORD", target.password())
    monkeypatch.setenv("PGSSLMODE", "disable")
    monkeypatch.setenv("PGDATABASE", "postgres")
    assert isinstance(await refused(dataclasses.replace(target, password=lambda: "")), UnauthenticatedError)
    assert await asked(target, "SELECT current_database()") == target.database


async def test_a_changed_password_counts_from_the_next_connection_on(server: Postgres, target: PostgresTarget) -> None:
    passwords = [target.password()]
    rotated = dataclasses.replace(target, password=lambda: passwords[-1])
    open_before = await connections.connect(rotated)
    server.sql("ALTER ROLE m8 PASSWORD 'the next one'")
    try:
        assert await open_before.fetchval("SELECT 1") == 1
        assert isinstance(await refused(rotated), UnauthenticatedError)
        passwords.append("the next one")
        assert await asked(rotated, "SELECT 1") == 1
    finally:
        await open_before.close()
        server.sql(f"ALTER ROLE m8 PASSWORD '{server.password}'")


async def test_a_certificate_of_another_authority_or_name(server: Postgres, target: PostgresTarget) -> None:
    other = await refused(dataclasses.replace(target, tls=Tls()))
    assert isinstance(other, IdentityChangedError)
    assert "no authority that m8 trusts" in other.message
    async with proxy(server.port, host="127.0.0.2") as passing:
        name = await refused(dataclasses.replace(target, hosts=(("127.0.0.2", passing.port),)))
    assert isinstance(name, IdentityChangedError)
    assert "for another name" in name.message


@pytest.mark.parametrize(
    ("may_sign", "said"),
    [(None, ""), (True, ""), (False, "vouch for it, cannot be used (invalid CA certificate)")],
    ids=["without key usage", "may sign", "may not sign"],
)
async def test_an_authority_is_taken_as_libpq_takes_it_and_refused_with_the_cause(
    server: Postgres, target: PostgresTarget, tmp_path: Path, may_sign: bool | None, said: str
) -> None:
    """Many companies' authorities are older than the extension that says what their key may do."""
    authority, certificate, key = certified("127.0.0.1", may_sign=may_sign)
    (tmp_path / "ca.pem").write_text(authority)
    for name, text in (("other.pem", certificate), ("other.key", key)):
        path = server.folder / name
        path.write_text(text)
        path.chmod(0o600)
        if user():
            shutil.chown(path, user())
    files = {f"ssl_{name}_file": str(server.folder / f"other.{ext}") for name, ext in (("cert", "pem"), ("key", "key"))}
    trusting = dataclasses.replace(target, tls=Tls(ca=tmp_path / "ca.pem"))
    with altered(server, **files):
        if not said:
            assert await asked(trusting, "SELECT 1") == 1
            return
        error = await refused(trusting)
    assert isinstance(error, IdentityChangedError)
    assert said in error.message


async def test_a_server_without_tls_gets_no_password(server: Postgres, target: PostgresTarget) -> None:
    with altered(server, ssl="off"):
        without = await refused(target)
    assert isinstance(without, UsageError)
    assert "the server has no TLS" in without.message


async def test_a_server_that_lets_only_encrypted_connections_in(target: PostgresTarget) -> None:
    assert isinstance(await refused(dataclasses.replace(target, tls=None)), RefusedError)


async def test_a_server_that_asks_for_a_certificate(server: Postgres, target: PostgresTarget, tmp_path: Path) -> None:
    certificate, key = client_certificate()
    own = Tls(ca=server.ca_file, certificate=tmp_path / "m8.pem", key=tmp_path / "m8.key")
    (tmp_path / "m8.pem").write_text(certificate)
    (tmp_path / "m8.key").write_text(key)
    authority, hba = server.folder / "clients-ca.pem", server.data / "pg_hba.conf"
    authority.write_text(certificate)
    authority.chmod(0o644)
    rules = hba.read_text()
    hba.write_text(rules.replace("scram-sha-256", "scram-sha-256 clientcert=verify-ca"))
    try:
        with altered(server, ssl_ca_file=str(authority)):
            assert isinstance(await refused(target), RefusedError)
            assert await asked(dataclasses.replace(target, tls=own), "SELECT 1") == 1
    finally:
        hba.write_text(rules)
        server.restart()


async def test_nothing_and_something_else_at_the_port(target: PostgresTarget, unused_tcp_port: int) -> None:
    nobody = await refused(dataclasses.replace(target, hosts=(("127.0.0.1", unused_tcp_port),)))
    assert "nothing listens there" in nobody.message
    unknown = await refused(dataclasses.replace(target, hosts=(("no-such-host.invalid", 5432),)))
    assert "its name is not known" in unknown.message

    async def http(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    async with listening(http) as port:
        for tls in (target.tls, None):
            error = await refused(dataclasses.replace(target, hosts=(("127.0.0.1", port),), tls=tls), host_s=0.3)
            assert isinstance(error, UsageError)
            assert "does not speak PostgreSQL's protocol" in error.message


async def test_a_server_that_is_too_old(target: PostgresTarget) -> None:
    async def old(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(struct.unpack("!i", await reader.readexactly(4))[0] - 4)
        version = b"server_version\x0014.22\x00"
        writer.write(b"R" + struct.pack("!ii", 8, 0))
        writer.write(b"S" + struct.pack("!i", 4 + len(version)) + version)
        recovery = b"in_hot_standby\x00off\x00"
        writer.write(b"S" + struct.pack("!i", 4 + len(recovery)) + recovery)
        writer.write(b"K" + struct.pack("!iii", 12, 1, 1) + b"Z" + struct.pack("!i", 5) + b"I")
        await reader.read()
        writer.close()

    async with listening(old) as port:
        error = await refused(dataclasses.replace(target, hosts=(("127.0.0.1", port),), tls=None))
    assert isinstance(error, UsageError)
    assert "older than PostgreSQL 15" in error.message


async def test_a_server_that_takes_no_writes_is_passed_over(server: Postgres, target: PostgresTarget) -> None:
    server.sql(f"ALTER DATABASE {target.database} SET default_transaction_read_only = on")
    error = await refused(target)
    assert type(error) is UnavailableError
    assert "it takes no writes" in error.message


async def test_a_host_that_is_silent_is_passed_over(target: PostgresTarget, monkeypatch: pytest.MonkeyPatch) -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    monkeypatch.setattr(failures, "_DIAGNOSE_S", 0.1)
    async with listening(silent) as port:
        alone = await refused(dataclasses.replace(target, hosts=(("127.0.0.1", port),)), host_s=0.3)
        assert "does not answer in time" in alone.message
        several = dataclasses.replace(target, hosts=(("127.0.0.1", port), *target.hosts))
        connection = await _connected_at_last(several)
        await connection.close()


async def _connected_at_last(target: PostgresTarget) -> connections.Connection:
    """Give the hosts more time at each try, for the bound is one for all of them: a busy server answers late, too."""
    for host_s in (0.3, 3.0):
        with contextlib.suppress(UnavailableError):
            return await connections.connect(target, host_s=host_s)
    return await connections.connect(target, host_s=30.0)


async def test_of_several_hosts_each_is_told_of(target: PostgresTarget, unused_tcp_port: int) -> None:
    hosts = (*target.hosts, ("127.0.0.1", unused_tcp_port))
    error = await refused(dataclasses.replace(target, hosts=hosts, password=lambda: "not-the-one"))
    assert "the password is wrong" in error.for_operators
    assert f"127.0.0.1:{unused_tcp_port}: nothing listens there" in error.for_operators
    assert str(unused_tcp_port) not in error.message


async def test_a_server_whose_connections_are_all_taken(server: Postgres, target: PostgresTarget) -> None:
    server.sql("ALTER ROLE m8 CONNECTION LIMIT 0")
    try:
        error = await refused(target)
    finally:
        server.sql("ALTER ROLE m8 CONNECTION LIMIT -1")
    assert type(error) is UnavailableError
    assert "all of its connections are taken" in error.message


async def test_what_the_role_sets_for_its_sessions_harms_nothing(server: Postgres, target: PostgresTarget) -> None:
    harmful = {
        "statement_timeout": "1ms",
        "lock_timeout": "1ms",
        "idle_session_timeout": "500ms",
        "idle_in_transaction_session_timeout": "1ms",
        "transaction_timeout": "500ms",
        "default_transaction_isolation": "serializable",
        "synchronous_commit": "off",
        "client_min_messages": "error",
    }
    for name, value in harmful.items():
        server.sql(f"ALTER ROLE m8 IN DATABASE {target.database} SET {name} = '{value}'")
    connection = await connections.connect(target)
    try:
        found = {name: await connection.fetchval(f"SHOW {name}") for name in harmful}
    finally:
        await connection.close()
    assert found == {
        "statement_timeout": "0",
        "lock_timeout": "0",
        "idle_session_timeout": "0",
        "idle_in_transaction_session_timeout": "30s",
        "transaction_timeout": "0",
        "default_transaction_isolation": "read committed",
        "synchronous_commit": "on",
        "client_min_messages": "warning",
    }


async def test_a_server_told_not_to_wait_for_its_disk_waits_for_m8(server: Postgres, target: PostgresTarget) -> None:
    """Sessions that are open follow the server's configuration, except in what they have set themselves."""
    connection = await connections.connect(target)
    altered = {"synchronous_commit": "off", "client_min_messages": "error", "work_mem": "5MB"}
    try:
        for name, value in altered.items():
            server.sql(f"ALTER SYSTEM SET {name} = '{value}'")
        server.sql("SELECT pg_reload_conf()")
        async with asyncio.timeout(PATIENCE_S):
            while await connection.fetchval("SHOW work_mem") != "5MB":
                await asyncio.sleep(0.005)
        assert await connection.fetchval("SHOW synchronous_commit") == "on"
        assert await connection.fetchval("SHOW client_min_messages") == "warning"
    finally:
        for name in altered:
            server.sql(f"ALTER SYSTEM RESET {name}")
        server.sql("SELECT pg_reload_conf()")
        await connection.close()


async def is_shared(target: PostgresTarget, *, wait_s: float = 0.5) -> bool:
    """Whether sessions are found to be shared. What is not shared hears of it at once, and may take its time."""
    try:
        async with notifications.checked(target, wait_s=wait_s):
            return False
    except SharedSessionsError:
        return True


async def test_postgresql_itself_is_no_pooler(target: PostgresTarget) -> None:
    async with sockets_closed():
        assert not await is_shared(target, wait_s=PATIENCE_S)


@pytest.mark.parametrize(
    "more", [{}, {"server_round_robin": "1", "min_pool_size": "4", "max_prepared_statements": "0"}]
)
@pytest.mark.parametrize(("mode", "shares"), [("session", False), ("transaction", True), ("statement", True)])
async def test_pgbouncer_is_refused_where_it_shares_sessions(
    server: Postgres, target: PostgresTarget, mode: str, more: dict[str, str], *, shares: bool
) -> None:
    with pgbouncer.pooled(server, target, mode, **more) as pooled:
        # From the first client on, and with an idle pool.
        wait_s = 0.5 if shares else PATIENCE_S
        assert [await is_shared(pooled, wait_s=wait_s) for _ in range(2)] == [shares, shares]


async def test_a_busy_pgbouncer_is_noticed_too(server: Postgres, target: PostgresTarget) -> None:
    with pgbouncer.pooled(server, target, "transaction") as pooled:
        others = [await connections.connect(pooled, cached_statements=0) for _ in range(4)]
        stop = asyncio.Event()

        async def work(connection: connections.Connection) -> None:
            while not stop.is_set():
                async with connection.transaction():
                    await connection.execute("SELECT 1")

        tasks = [asyncio.create_task(work(connection)) for connection in others]
        try:
            assert all([await is_shared(pooled) for _ in range(5)])
        finally:
            stop.set()
            await asyncio.gather(*tasks)
            for connection in others:
                connection.terminate()


@asynccontextmanager
async def listening(
    serve: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
) -> AsyncIterator[int]:
    """Give the port of something that listens and is no PostgreSQL."""
    ended: set[asyncio.StreamWriter] = set()

    async def remember(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ended.add(writer)
        try:
            await serve(reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            writer.close()

    async with await asyncio.start_server(remember, "127.0.0.1", 0) as running:
        yield int(running.sockets[0].getsockname()[1])
        for writer in ended:
            writer.close()


@contextmanager
def altered(server: Postgres, **settings: str) -> Iterator[None]:
    """Change settings of a server for the block; new connections have them."""
    for name, value in settings.items():
        server.sql(f"ALTER SYSTEM SET {name} = '{value}'")
    server.restart()
    try:
        yield
    finally:
        for name in settings:
            server.sql(f"ALTER SYSTEM RESET {name}")
        server.restart()
