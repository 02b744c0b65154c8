"""What a PostgreSQL does with the driver's two functions: whom they serve, whom they refuse, and what its log shows."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from monoskope.protocol.payload import Payload
from monoskope.settings import write_private
from monoskope.stores.driver import (
    NOTHING,
    CannotReadError,
    DriverError,
    StoreConflictError,
    StoreRefusedError,
    StoreUnavailableError,
    UnknownOutcomeError,
    UnsupportedError,
)
from monoskope.stores.postgresql_account import scram
from monoskope.stores.postgresql_account.store import PostgresqlAccountStore
from monoskope.stores.shared.trust import trusting
from monoskope.testing.drivers.harness import tag, told
from monoskope.testing.engines.postgres import Postgres
from tests.conformance.account_harness import DATABASE, AccountHarness, each_right_less
from tests.support.certificates import client_certificate
from tests.support.sockets import sockets_closed

GOOD = scram.verifier(b"a-password-that-is-known", bytes(range(16)))


@pytest.fixture
async def harness(accounts: Postgres, tmp_path: Path) -> AsyncIterator[AccountHarness]:
    made = AccountHarness(accounts, tmp_path)
    async with sockets_closed(), made.stores:
        yield made


@pytest.fixture
async def store(harness: AccountHarness) -> PostgresqlAccountStore:
    return await harness.opened()


@pytest.fixture
async def stolen(harness: AccountHarness) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
    """What who has the reactor's credentials can do, past the driver."""
    connection = await asyncpg.connect(
        host="127.0.0.1",
        port=harness.postgres.port,
        user=harness.user,
        password=harness.password,
        database=DATABASE,
        ssl=trusting(str(harness.postgres.ca_file)),
    )
    yield connection
    await connection.close()


def password() -> str:
    return secrets.token_urlsafe(24)


def payload(text: str) -> Payload:
    return Payload({"password": text.encode()})


async def put(store: PostgresqlAccountStore, name: str, text: str, replacing: str | None = None) -> str:
    return await store.write((name,), payload(text), replacing=replacing, write_tag=tag())


# --- what it is for ---


async def test_a_program_logs_in_with_the_newest_password_alone(
    harness: AccountHarness, store: PostgresqlAccountStore
) -> None:
    name, first, second = harness.account(), password(), "".join(map(chr, range(0x21, 0x7F)))
    version = await put(store, name, first, NOTHING)
    assert await harness.logs_in(name, first)
    await put(store, name, second, version)
    assert await harness.logs_in(name, second)
    assert not await harness.logs_in(name, first)


async def test_a_deleted_password_lets_nobody_in_and_sessions_go_on(
    harness: AccountHarness, store: PostgresqlAccountStore
) -> None:
    name, text = harness.account(), password()
    version = await put(store, name, text)
    tls = trusting(str(harness.postgres.ca_file))
    session = await asyncpg.connect(
        host="127.0.0.1", port=harness.postgres.port, user=name, password=text, database="postgres", ssl=tls
    )
    with pytest.raises(UnsupportedError):
        await store.delete((name,), replacing=version, destroy=False)
    await store.delete((name,), replacing=version, destroy=True)
    assert await store.read_version((name,)) == NOTHING
    assert not await harness.logs_in(name, text)
    assert await session.fetchval("SELECT 1") == 1
    await session.close()


@pytest.mark.parametrize(
    ("locking", "unlocking", "shown"),
    [
        ("NOLOGIN", "LOGIN", ",nologin"),
        ("VALID UNTIL '2020-01-01Z'", "VALID UNTIL 'infinity'", ",until=1577836800.000000"),
    ],
)
async def test_a_role_that_is_locked_by_hand_has_drifted_and_no_write_unlocks_it(
    harness: AccountHarness, store: PostgresqlAccountStore, locking: str, unlocking: str, shown: str
) -> None:
    name, text = harness.account(), password()
    version = await put(store, name, password())
    harness.sql(f"ALTER ROLE {name} {locking}")
    assert await store.read_version((name,)) == version + shown
    with pytest.raises(StoreConflictError):
        await put(store, name, text, version)
    assert (await put(store, name, text, version + shown)).endswith(shown)
    with contextlib.suppress(asyncpg.InvalidAuthorizationSpecificationError):
        assert not await harness.logs_in(name, text)
    harness.sql(f"ALTER ROLE {name} {unlocking}")
    assert await harness.logs_in(name, text)


# --- comparing ---


async def test_a_password_is_compared_whoever_set_it(harness: AccountHarness, store: PostgresqlAccountStore) -> None:
    name, text = harness.account(), password()
    assert await store.matches((name,), payload(text)) == (NOTHING, False)
    version = await put(store, name, text)
    assert await store.matches((name,), payload(text)) == (version, True)
    harness.sql(f"ALTER ROLE {name} PASSWORD '{text}'")
    theirs, is_same = await store.matches((name,), payload(text))
    assert (theirs != version, is_same) == (True, True)
    assert await store.matches((name,), payload(password())) == (theirs, False)
    with pytest.raises(CannotReadError):
        await store.read((name,))


async def test_a_role_that_changes_while_it_is_compared_is_looked_at_again(
    harness: AccountHarness, store: PostgresqlAccountStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A candidate with the salt of before would say that the newest password is another one."""
    name, text = harness.account(), password()
    looks = [await put(store, name, password())]
    version = await put(store, name, text)
    real = store.read_version

    async def late(path: tuple[str, ...]) -> str:
        return looks.pop() if looks else await real(path)

    monkeypatch.setattr(store, "read_version", late)
    assert await store.matches((name,), payload(text)) == (version, True)


async def test_what_is_no_verifier_has_a_version_and_is_not_compared(
    harness: AccountHarness, store: PostgresqlAccountStore
) -> None:
    name = harness.account()
    versions = []
    for digit in "ab":
        harness.sql(f"ALTER ROLE {name} PASSWORD 'md5{digit * 32}'")
        versions.append(await store.read_version((name,)))
        with pytest.raises(CannotReadError):
            await store.matches((name,), payload(password()))
    assert len({*versions, NOTHING}) == 3
    with pytest.raises(StoreConflictError):
        await put(store, name, password(), versions[0])
    await put(store, name, password(), versions[1])


# --- whom the database serves ---

HOLES = {
    "superuser": "ALTER ROLE {0} SUPERUSER",
    "createrole": "ALTER ROLE {0} CREATEROLE",
    "replication": "ALTER ROLE {0} REPLICATION",
    "bypassrls": "ALTER ROLE {0} BYPASSRLS",
    "member of a superuser": "GRANT postgres TO {0}",
    "member of a member": "CREATE ROLE {0}_x CREATEROLE; CREATE ROLE {0}_y IN ROLE {0}_x; GRANT {0}_y TO {0}",
    "runs programs": "GRANT pg_execute_server_program TO {0}",
    "reads all verifiers": "GRANT pg_read_all_data TO {0}",
    "could read them": "ALTER ROLE {0} NOINHERIT; GRANT pg_read_all_data TO {0}",
    "reads these alone": "GRANT SELECT (rolpassword) ON pg_authid TO {0}",
    "reads them in a view": "GRANT SELECT ON pg_shadow TO {0}",
}


async def test_who_could_become_more_is_no_account(
    harness: AccountHarness, store: PostgresqlAccountStore, stolen: Any
) -> None:
    """Nothing is told of it, and nothing is changed."""
    for hole, statement in HOLES.items():
        with told(hole):
            name = harness.account()
            state = await put(store, name, password())
            harness.sql(statement.format(name))
            before = harness.sql(f"SELECT rolpassword FROM pg_authid WHERE rolname = '{name}'")
            with pytest.raises(StoreRefusedError, match="rights that no account may have"):
                await store.read_version((name,))
            with pytest.raises(StoreRefusedError, match="rights that no account may have"):
                await put(store, name, password(), state)
            with pytest.raises(asyncpg.PostgresError, match="rights that no account"):
                await stolen.fetchrow(f"SELECT s_{harness.user}.replace($1, $2, $3)", name, state, GOOD)
            assert harness.sql(f"SELECT rolpassword FROM pg_authid WHERE rolname = '{name}'") == before


STRANGERS = ["postgres", "own", "xapp_a", "billing2", "APP_a", "app_a;x", 'app_"a', "app_a\n", "app_ä", None]


async def test_who_is_not_listed_is_refused_by_the_database_itself(harness: AccountHarness, stolen: Any) -> None:
    for stranger in STRANGERS:
        with told(repr(stranger)):
            name = harness.user if stranger == "own" else stranger
            if name == "xapp_a":
                # Neither how texts are read nor what stands in the way of names lets anybody around.
                await stolen.execute("SET standard_conforming_strings = off; SET search_path = pg_temp, public")
            else:
                await stolen.execute("RESET ALL")
            for call, rest in (("state($1, $2)", (None,)), ("replace($1, $2, $3)", ("", GOOD))):
                with pytest.raises(asyncpg.PostgresError, match="no account of the store") as refused:
                    await stolen.fetchrow(f"SELECT s_{harness.user}.{call}", name, *rest)
                assert refused.value.sqlstate == "M8001"


async def test_the_reactors_own_role_is_refused_even_if_it_is_listed(harness: AccountHarness, stolen: Any) -> None:
    harness.grant(harness.policy(["m8_*", "app_*"]))
    with pytest.raises(asyncpg.PostgresError, match="no account of the store"):
        await stolen.fetchrow(f"SELECT s_{harness.user}.state($1, NULL)", harness.user)
    store = await harness.opened()
    with pytest.raises(StoreRefusedError, match="the store itself logs in"):
        store.check((harness.user,), None)


BAD = {
    "nothing": None,
    "a password": "a-password-that-is-known",
    "an old hash": "md5" + "a" * 32,
    "a line more": GOOD + "\n",
    "few iterations": GOOD.replace("$4096:", "$999:"),
    "a sign": GOOD.replace("$4096:", "$+4096:"),
    "a short salt": GOOD.replace("AAECAwQFBgcICQoLDA0ODw==", "AAECAw=="),
    "another spelling": GOOD.replace("Dw==", "Dx=="),
    "one key": GOOD.rpartition(":")[0],
    "small letters": GOOD.replace("SCRAM", "scram"),
}


async def test_the_database_takes_nothing_but_a_verifier(
    harness: AccountHarness, store: PostgresqlAccountStore, stolen: Any
) -> None:
    """PostgreSQL would take the rest for a password, and a plain one would be in its log."""
    for bad, verifier in BAD.items():
        with told(bad):
            name, text = harness.account(), password()
            state = await put(store, name, text)
            assert verifier != GOOD
            with pytest.raises(asyncpg.PostgresError, match="no SCRAM-SHA-256 verifier"):
                await stolen.fetchrow(f"SELECT s_{harness.user}.replace($1, $2, $3)", name, state, verifier)
            assert await harness.logs_in(name, text)
            with pytest.raises(asyncpg.PostgresError, match="another state"):
                await stolen.fetchrow(f"SELECT s_{harness.user}.replace($1, NULL, $2)", name, GOOD)
            assert await harness.logs_in(name, text)
            await stolen.fetchrow(f"SELECT s_{harness.user}.replace($1, $2, $3)", name, state, GOOD)
            assert await harness.logs_in(name, "a-password-that-is-known")


async def test_without_deletable_nobody_deletes(harness: AccountHarness, stolen: Any) -> None:
    harness.grant(harness.policy(deletable=False))
    store, name = await harness.opened(deletable=False), harness.account()
    state = await put(store, name, password())
    assert not store.capabilities.deletable
    with pytest.raises(UnsupportedError):
        await store.delete((name,), replacing=state, destroy=True)
    with pytest.raises(asyncpg.PostgresError, match="no SCRAM-SHA-256 verifier"):
        await stolen.fetchrow(f"SELECT s_{harness.user}.replace($1, $2, '')", name, state)


async def test_a_role_that_is_gone_is_named_as_that(harness: AccountHarness, store: PostgresqlAccountStore) -> None:
    name = harness.account()
    state = await put(store, name, password())
    harness.sql(f"DROP ROLE {name}")
    for asked in (store.read_version((name,)), put(store, name, password(), state)):
        with pytest.raises(StoreRefusedError, match="has no such role"):
            await asked


# --- rights ---


async def test_each_right_less_is_too_little(harness: AccountHarness, store: PostgresqlAccountStore) -> None:
    """A new reactor does not start, and the health of one that runs says so, but for the right to connect.

    The suite shows that all together are enough.
    """
    for taken in (*each_right_less(harness.policy()), f"DROP SCHEMA s_{harness.user} CASCADE"):
        harness.sql(taken)
        with pytest.raises(StoreRefusedError, match="the reactor's role"):
            await harness.opened()
        if "CONNECT" not in taken:
            with pytest.raises(StoreRefusedError, match="may not execute"):
                await store.health()
        harness.grant(harness.policy())
        assert await store.health()


async def test_the_reactors_role_may_do_nothing_else(harness: AccountHarness, stolen: Any) -> None:
    name = harness.account()
    for statement in (
        "SELECT rolpassword FROM pg_authid",
        f"ALTER ROLE {name} PASSWORD 'x'",
        f"SET ROLE {name}",
        "CREATE ROLE another",
        f"CREATE FUNCTION s_{harness.user}.more() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        f"ALTER FUNCTION s_{harness.user}.state OWNER TO {harness.user}",
        "SET log_parameter_max_length = -1",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await stolen.execute(statement)


OTHERS = {
    "who sees the schema": "GRANT USAGE ON SCHEMA {schema} TO {name}",
    "who gets every function": "ALTER DEFAULT PRIVILEGES GRANT EXECUTE ON FUNCTIONS TO {name};"
    " ALTER DEFAULT PRIVILEGES GRANT USAGE ON SCHEMAS TO {name}; {policy}",
    "a member of the reactor's role": "GRANT {role} TO {name}",
}


@pytest.mark.parametrize("others", OTHERS)
async def test_everybody_else_may_do_nothing_with_the_functions(harness: AccountHarness, others: str) -> None:
    name, text, victim = harness.account(), password(), harness.account()
    role, schema = harness.user, f"s_{harness.user}"
    given = OTHERS[others].format(name=name, role=role, schema=schema, policy=harness.policy())
    harness.sql(f"ALTER ROLE {name} PASSWORD '{text}'; GRANT CONNECT ON DATABASE {DATABASE} TO {name}; {given}")
    other = await asyncpg.connect(
        host="127.0.0.1",
        port=harness.postgres.port,
        user=name,
        password=text,
        database=DATABASE,
        ssl=trusting(str(harness.postgres.ca_file)),
    )
    try:
        for call in (f"state('{victim}', NULL)", f"replace('{victim}', '', '{GOOD}')"):
            with pytest.raises(asyncpg.PostgresError, match=r"permission denied|no account of the store"):
                await other.fetchrow(f"SELECT {schema}.{call}")
    finally:
        await other.close()
        harness.sql(
            f"ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM {name};"
            f" ALTER DEFAULT PRIVILEGES REVOKE USAGE ON SCHEMAS FROM {name}"
        )


# --- the log ---


async def test_no_password_is_in_the_servers_log_whatever_it_logs(
    harness: AccountHarness, store: PostgresqlAccountStore
) -> None:
    """`log_statement = all`. With what `policy` sets no verifier either; without it, verifiers."""
    name, texts = harness.account(), [password() for _ in range(4)]
    first = await put(store, name, texts[0])
    await store.matches((name,), payload(texts[1]))
    with pytest.raises(StoreConflictError):
        await put(store, name, texts[2], "nonsense")
    log = harness.postgres.log_file.read_text(encoding="utf-8", errors="replace")
    assert log.count("replace($1::text, $2::text, $3::text)") >= 2
    made = harness.sql(f"SELECT rolpassword FROM pg_authid WHERE rolname = '{name}'")
    assert [text for text in (*texts, made.partition("$")[2]) if text in log] == []
    for setting in ("log_parameter_max_length", "log_parameter_max_length_on_error"):
        harness.sql(f"ALTER ROLE {harness.user} RESET {setting}")
    await put(await harness.opened(), name, texts[3], first)
    log = harness.postgres.log_file.read_text(encoding="utf-8", errors="replace")
    made = harness.sql(f"SELECT rolpassword FROM pg_authid WHERE rolname = '{name}'")
    assert made in log
    assert [text for text in texts if text in log] == []


# --- what breaks ---


async def _locked(harness: AccountHarness, name: str) -> asyncpg.Connection[asyncpg.Record]:
    """A session of the DBA in the middle of changing the role, who has changed nothing yet."""
    connection = await asyncpg.connect(
        host=str(harness.postgres.folder), port=harness.postgres.port, user="postgres", database=DATABASE
    )
    await connection.execute(f"BEGIN; SELECT FROM pg_authid WHERE rolname = '{name}' FOR UPDATE")
    return connection


async def test_a_lost_answer_is_found_by_its_tag(harness: AccountHarness) -> None:
    """The write waits for the DBA's, its connection is cut, and the database writes all the same."""
    store, name, text, write_tag = await harness.opened(timeout_s=0.5), harness.account(), password(), tag()
    dba = await _locked(harness, name)
    with pytest.raises(UnknownOutcomeError):
        await store.write((name,), payload(text), replacing=NOTHING, write_tag=write_tag)
    assert await store.find((name,), write_tag) is None
    await dba.execute("ROLLBACK")
    await dba.close()
    async with asyncio.timeout(60):
        while (version := await store.find((name,), write_tag)) is None:
            await asyncio.sleep(0.01)
    assert version == await store.read_version((name,))
    assert await harness.logs_in(name, text)


async def test_who_changes_the_role_by_hand_at_the_same_time_wins(
    harness: AccountHarness, store: PostgresqlAccountStore
) -> None:
    name, theirs = harness.account(), password()
    version = await put(store, name, password())
    dba = await _locked(harness, name)
    writing = asyncio.create_task(put(store, name, password(), version))
    while harness.sql("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'") == "0":
        await asyncio.sleep(0.01)
    await dba.execute(f"ALTER ROLE {name} PASSWORD '{theirs}'; COMMIT")
    await dba.close()
    with pytest.raises(StoreConflictError):
        await writing
    assert await harness.logs_in(name, theirs)


async def test_a_connection_that_was_ended_while_idle_costs_no_write(
    harness: AccountHarness, store: PostgresqlAccountStore
) -> None:
    name, text = harness.account(), password()
    assert (
        harness.sql(
            f"SELECT count(pg_terminate_backend(pid, 10000)) FROM pg_stat_activity WHERE usename = '{harness.user}'"
        )
        != "0"
    )
    await put(store, name, text, NOTHING)
    assert await harness.logs_in(name, text)


async def test_a_write_whose_backend_ends_has_an_unknown_end(
    harness: AccountHarness, store: PostgresqlAccountStore
) -> None:
    name, write_tag = harness.account(), tag()
    dba = await _locked(harness, name)
    writing = asyncio.create_task(store.write((name,), payload(password()), replacing=NOTHING, write_tag=write_tag))
    ending = f"SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE usename = '{harness.user}'"
    while harness.sql(f"{ending} AND wait_event_type = 'Lock'") == "0":
        await asyncio.sleep(0.01)
    with pytest.raises(UnknownOutcomeError):
        await writing
    await dba.close()
    assert await store.find((name,), write_tag) is None


async def test_a_connection_whose_server_takes_no_writes_any_more_is_given_up(
    harness: AccountHarness, store: PostgresqlAccountStore
) -> None:
    """Before anything is asked over it; and if the server says so only then, afterwards. A new one is not taken."""
    name, text = harness.account(), password()
    database = store._database
    [connection] = database._idle
    await connection.execute("SET default_transaction_read_only = on")
    await put(store, name, text, NOTHING)
    assert await harness.logs_in(name, text)
    assert connection not in database._idle
    harness.sql(
        f"CREATE OR REPLACE FUNCTION s_{harness.user}.replace(account text, expected text, verifier text,"
        " OUT state text) LANGUAGE plpgsql AS 'BEGIN RAISE read_only_sql_transaction; END'"
    )
    with pytest.raises(StoreUnavailableError, match="takes no writes now"):
        await put(store, name, password())
    assert database._idle == []
    harness.sql(f"ALTER ROLE {harness.user} SET default_transaction_read_only = on")
    with pytest.raises(StoreUnavailableError, match="takes no writes now"):
        await store.read_version((name,))


@contextlib.contextmanager
def certificates_alone(postgres: Postgres, user: str, authority: str) -> Iterator[None]:
    """Let `user` in by a certificate that `authority` signed, and by nothing else."""
    file, hba = postgres.folder / "clients-ca.pem", postgres.data / "pg_hba.conf"
    file.write_text(authority)
    file.chmod(0o644)
    rules = hba.read_text()
    hba.write_text(f"hostssl all {user} 127.0.0.1/32 cert\n{rules}")
    postgres.sql(f"ALTER SYSTEM SET ssl_ca_file = '{file}'")
    postgres.restart()
    try:
        yield
    finally:
        hba.write_text(rules)
        postgres.sql("ALTER SYSTEM RESET ssl_ca_file")
        postgres.restart()


async def test_who_shows_the_roles_certificate_needs_no_password(harness: AccountHarness) -> None:
    own = client_certificate(harness.user)

    async def opened(certificate: str, key: str) -> PostgresqlAccountStore:
        files = {"certificate_file": harness.folder / "own.pem", "key_file": harness.folder / "own.key"}
        for file, content in zip(files.values(), (certificate, key), strict=True):
            write_private(file, content.encode(), replace=True)
        return await harness.opened(password_file=None, **{field: str(file) for field, file in files.items()})

    with certificates_alone(harness.postgres, harness.user, own[0]):
        name, text = harness.account(), password()
        await put(await opened(*own), name, text, NOTHING)
        assert await harness.logs_in(name, text)
        with pytest.raises(StoreRefusedError, match="does not let the reactor's role in"):
            await harness.opened()
        with pytest.raises(StoreUnavailableError, match="trusts certificate_file"):
            await opened(*client_certificate(harness.user))
        with pytest.raises(StoreRefusedError, match="do not hold a certificate and its key"):
            await opened(own[0], client_certificate()[1])


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"ca_file": None}, "certificate of the database is not trusted"),
        ({"hosts": ["localhost.invalid:1"]}, "does not answer"),
        ({"database": "nowhere"}, "does not let the reactor's role in"),
        ({"user": "nobody"}, "does not let the reactor's role in"),
    ],
)
async def test_what_is_wrong_at_the_start_is_told(harness: AccountHarness, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(DriverError, match=said) as refused:
        await harness.opened(**changes)
    assert harness.password not in f"{refused.value!r} {refused.value.__context__!r}"


async def test_a_server_without_tls_is_told_nothing(harness: AccountHarness) -> None:
    """Neither the role's name nor its password, but that TLS is asked for."""
    said: list[bytes] = []

    async def no_tls(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        said.append(await reader.readexactly(8))
        writer.write(b"N")
        said.append(await reader.read())
        writer.close()

    async with await asyncio.start_server(no_tls, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(StoreUnavailableError, match="does not answer") as refused:
            await harness.opened(hosts=[f"127.0.0.1:{port}"])
        assert "has TLS" in refused.value.fix
        async with asyncio.timeout(60):
            while len(said) < 2:
                await asyncio.sleep(0.001)
    assert said == [bytes.fromhex("0000000804d2162f"), b""]


async def test_of_several_hosts_the_one_that_answers_is_used(harness: AccountHarness) -> None:
    hosts = ["127.0.0.1:1", *harness.config().hosts]
    name, text = harness.account(), password()
    await put(await harness.opened(hosts=hosts), name, text)
    assert await harness.logs_in(name, text)
