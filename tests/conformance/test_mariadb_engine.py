"""What a MariaDB does with the driver's two procedures: whom they serve, whom they refuse, and what its logs show."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pymysql
import pytest

from monoskope.protocol.payload import Payload
from monoskope.stores.driver import (
    NOTHING,
    CannotReadError,
    DriverError,
    StoreRefusedError,
    StoreUnavailableError,
    UnknownOutcomeError,
    UnsupportedError,
)
from monoskope.stores.mariadb_account.hashes import ed25519
from monoskope.stores.mariadb_account.store import MariadbAccountStore
from monoskope.testing.drivers.harness import tag, told
from monoskope.testing.engines.mariadb import MariaDb
from tests.conformance.account_harness import each_right_less
from tests.conformance.mariadb_harness import MariadbHarness

GOOD = ed25519(b"a-password-that-is-known")


@pytest.fixture
async def harness(mariadb: MariaDb, tmp_path: Path) -> AsyncIterator[MariadbHarness]:
    made = MariadbHarness(mariadb, tmp_path)
    async with made.stores:
        yield made


@pytest.fixture
async def store(harness: MariadbHarness) -> MariadbAccountStore:
    return await harness.opened()


class Stolen:
    """What who has the reactor's credentials can do, past the driver."""

    def __init__(self, connection: pymysql.Connection[Any]) -> None:
        self.connection = connection

    def run(self, statement: str, *arguments: str | None) -> None:
        with self.connection.cursor() as cursor:
            cursor.execute(statement, arguments or None)
            while cursor.nextset():
                pass


@pytest.fixture
def stolen(harness: MariadbHarness) -> Iterator[Stolen]:
    connection = harness.connect(harness.user, harness.password)
    yield Stolen(connection)
    connection.close()


def password() -> str:
    return secrets.token_urlsafe(24)


def payload(text: str) -> Payload:
    return Payload({"password": text.encode()})


async def put(store: MariadbAccountStore, name: str, text: str) -> str:
    return await store.write((name,), payload(text), replacing=None, write_tag=tag())


async def test_a_program_logs_in_with_the_newest_password_alone(
    harness: MariadbHarness, store: MariadbAccountStore
) -> None:
    name, first, second = harness.account(), password(), "".join(map(chr, range(0x21, 0x7F)))
    await put(store, name, first)
    assert await harness.logs_in(name, first)
    await put(store, name, second)
    assert await harness.logs_in(name, second)
    assert not await harness.logs_in(name, first)


async def test_of_one_name_at_two_hosts_one_is_served(harness: MariadbHarness, store: MariadbAccountStore) -> None:
    name, text = harness.account(), password()
    harness.sql(f"CREATE USER '{name}'@'10.0.0.%' IDENTIFIED VIA ed25519 USING '{GOOD}'")
    await put(store, name, text)
    assert await harness.logs_in(name, text)
    assert f"'{GOOD}'" in harness.sql(f"SHOW CREATE USER '{name}'@'10.0.0.%'")


async def test_what_a_dba_locked_stays_locked(harness: MariadbHarness, store: MariadbAccountStore) -> None:
    name = harness.account()
    harness.sql(f"ALTER USER '{name}'@'%' ACCOUNT LOCK")
    await put(store, name, password())
    assert "ACCOUNT LOCK" in harness.sql(f"SHOW CREATE USER '{name}'@'%'")


async def test_a_password_is_compared_whoever_set_it(harness: MariadbHarness, store: MariadbAccountStore) -> None:
    name, text = harness.account(), password()
    assert await store.matches((name,), payload(text)) == (NOTHING, False)
    await put(store, name, text)
    assert (await store.matches((name,), payload(text)))[1]
    assert not (await store.matches((name,), payload(password())))[1]
    theirs = password()
    harness.sql(f"ALTER USER '{name}'@'%' IDENTIFIED VIA ed25519 USING PASSWORD('{theirs}')")
    assert (await store.matches((name,), payload(theirs)))[1]
    harness.sql(f"SET PASSWORD FOR '{name}'@'%' = PASSWORD('{text}')")
    assert (await store.matches((name,), payload(text)))[1], "of ed25519 MariaDB keeps the plugin"
    harness.sql(f"ALTER USER '{name}'@'%' IDENTIFIED BY '{text}'")
    with pytest.raises(CannotReadError):
        await store.matches((name,), payload(text))
    with pytest.raises(CannotReadError):
        await store.read((name,))
    with pytest.raises(UnsupportedError):
        await store.write((name,), payload(text), replacing=NOTHING, write_tag=tag())


# --- whom the database serves ---

HOLES = {
    "every right": "GRANT ALL ON *.* TO '{0}'@'%'",
    "one right everywhere": "GRANT SELECT ON *.* TO '{0}'@'%'",
    "makes accounts": "GRANT CREATE USER ON *.* TO '{0}'@'%'",
    "where accounts lie": "GRANT SELECT ON mysql.* TO '{0}'@'%'",
    "by a pattern": "GRANT UPDATE ON `my%`.* TO '{0}'@'%'",
    "at another host": "CREATE USER '{0}'@'10.%'; GRANT SELECT ON mysql.* TO '{0}'@'10.%'",
    "one table of accounts": "GRANT UPDATE ON mysql.global_priv TO '{0}'@'%'",
    "one column of accounts": "GRANT UPDATE (Priv) ON mysql.global_priv TO '{0}'@'%'",
    "these procedures": "GRANT EXECUTE ON PROCEDURE `{1}`.`replace` TO '{0}'@'%'",
    "the schema of these": "GRANT ALTER ROUTINE ON `{1}`.* TO '{0}'@'%'",
    "acts as another": "GRANT PROXY ON 'root'@'localhost' TO '{0}'@'%'",
    "a role": "CREATE ROLE {0}_r; GRANT CREATE USER ON *.* TO {0}_r; GRANT {0}_r TO '{0}'@'%'",
    "a role of a role": "CREATE ROLE {0}_r; CREATE ROLE {0}_s; GRANT FILE ON *.* TO {0}_s; GRANT {0}_s TO {0}_r;"
    "GRANT {0}_r TO '{0}'@'%'",
}


async def test_who_could_become_more_is_no_account(
    harness: MariadbHarness, store: MariadbAccountStore, stolen: Stolen
) -> None:
    """Nothing is told of it, and nothing is changed."""
    for hole, statement in HOLES.items():
        with told(hole):
            name, text = harness.account(), password()
            await put(store, name, text)
            harness.sql(statement.format(name, harness.schema))
            with pytest.raises(StoreRefusedError, match="rights that no account"):
                await store.read_version((name,))
            with pytest.raises(StoreRefusedError, match="rights that no account"):
                await put(store, name, password())
            with pytest.raises(pymysql.Error, match="rights that no account"):
                stolen.run(f"CALL `{harness.schema}`.`replace`(%s, %s)", name, GOOD)
            assert await harness.logs_in(name, text)


async def test_what_everybody_may_an_account_may_too(harness: MariadbHarness, store: MariadbAccountStore) -> None:
    name = harness.account()
    harness.sql("GRANT SELECT ON *.* TO PUBLIC")
    try:
        with pytest.raises(StoreRefusedError, match="rights that no account"):
            await put(store, name, password())
    finally:
        harness.sql("REVOKE SELECT ON *.* FROM PUBLIC")
    await put(store, name, password())


async def test_rights_on_its_own_schemas_are_an_accounts(harness: MariadbHarness, store: MariadbAccountStore) -> None:
    name, text = harness.account(), password()
    harness.sql(f"CREATE SCHEMA {name}; GRANT ALL ON {name}.* TO '{name}'@'%'")
    harness.sql(f"CREATE ROLE {name}_r; GRANT SELECT ON {name}.* TO {name}_r; GRANT {name}_r TO '{name}'@'%'")
    await put(store, name, text)
    assert await harness.logs_in(name, text)


@pytest.mark.parametrize(
    "login",
    [
        "VIA unix_socket",
        f"VIA ed25519 USING '{GOOD}' OR unix_socket",
        f"VIA ed25519 USING '{GOOD}' OR mysql_native_password USING 'invalid'",
    ],
)
async def test_who_logs_in_by_other_means_too_keeps_them(
    harness: MariadbHarness, store: MariadbAccountStore, login: str
) -> None:
    name = harness.account()
    harness.sql(f"ALTER USER '{name}'@'%' IDENTIFIED {login}")
    before = harness.sql(f"SHOW CREATE USER '{name}'@'%'")
    with pytest.raises(StoreRefusedError, match="other means"):
        await put(store, name, password())
    assert harness.sql(f"SHOW CREATE USER '{name}'@'%'") == before


STRANGERS = ["root", "own", "xapp_a", "billing2", "APP_a", "app_a;x", "app_'a", "app_a\n", "app_a ", "app_ä", "", None]


async def test_who_is_not_listed_is_refused_by_the_database_itself(harness: MariadbHarness, stolen: Stolen) -> None:
    for stranger in STRANGERS:
        with told(repr(stranger)):
            name = harness.user if stranger == "own" else stranger
            mode = "'NO_BACKSLASH_ESCAPES,ANSI_QUOTES'" if name == "xapp_a" else "DEFAULT"
            stolen.run(f"SET SESSION sql_mode = {mode}")
            for call in ("state", "replace"):
                with pytest.raises(pymysql.Error, match="no account of the store"):
                    stolen.run(f"CALL `{harness.schema}`.`{call}`(%s, %s)", name, GOOD)


async def test_the_reactors_own_account_is_refused_even_if_it_is_listed(
    harness: MariadbHarness, stolen: Stolen
) -> None:
    harness.sql(harness.policy(["m8_*", "app_*"]))
    with pytest.raises(pymysql.Error, match="no account of the store"):
        stolen.run(f"CALL `{harness.schema}`.`replace`(%s, %s)", harness.user, GOOD)
    store = await harness.opened()
    with pytest.raises(StoreRefusedError, match="never be one of the store"):
        store.check((harness.user,), None)


BAD = {
    "nothing": None,
    "no text": "",
    "a password": "a-password-that-is-known",
    "a line more": GOOD + "\n",
    "padding": GOOD + "=",
    "another spelling": GOOD[:-1] + "B",
    "no such sign": GOOD[:-2] + "'" + GOOD[-1],
    "never": "invalid",
}


async def test_the_database_takes_nothing_but_a_hash(
    harness: MariadbHarness, store: MariadbAccountStore, stolen: Stolen
) -> None:
    for bad, given in BAD.items():
        with told(bad):
            name, text = harness.account(), password()
            await put(store, name, text)
            with pytest.raises(pymysql.Error, match="no hash of ed25519"):
                stolen.run(f"CALL `{harness.schema}`.`replace`(%s, %s)", name, given)
            assert await harness.logs_in(name, text)
            stolen.run(f"CALL `{harness.schema}`.`replace`(%s, %s)", name, GOOD)
            assert await harness.logs_in(name, "a-password-that-is-known")


async def test_an_account_that_is_gone_is_named_as_that(harness: MariadbHarness, store: MariadbAccountStore) -> None:
    name = harness.account()
    harness.sql(f"DROP USER '{name}'@'%'")
    for asked in (store.read_version((name,)), put(store, name, password())):
        with pytest.raises(StoreRefusedError, match="has no such account"):
            await asked


# --- rights ---


async def test_each_right_less_is_too_little(harness: MariadbHarness, store: MariadbAccountStore) -> None:
    """A new reactor does not start, and the health of one that runs says so. The suite shows that all is enough."""
    for taken in (*each_right_less(harness.policy()), f"DROP SCHEMA `{harness.schema}`"):
        harness.sql(taken)
        with pytest.raises(StoreRefusedError, match="may not execute"):
            await harness.opened()
        with pytest.raises(StoreRefusedError, match="may not execute"):
            await store.health()
        harness.sql(harness.policy())
        assert await store.health()


async def test_the_reactors_account_may_do_nothing_else(harness: MariadbHarness, stolen: Stolen) -> None:
    name = harness.account()
    for statement in (
        "SELECT Priv FROM mysql.global_priv",
        f"ALTER USER '{name}'@'%' IDENTIFIED BY 'x'",
        f"SHOW CREATE USER '{name}'@'%'",
        "CREATE USER another",
        f"CREATE PROCEDURE `{harness.schema}`.more() SELECT 1",
        f"ALTER PROCEDURE `{harness.schema}`.`replace` SQL SECURITY INVOKER",
        f"DROP PROCEDURE `{harness.schema}`.`state`",
    ):
        with pytest.raises(pymysql.Error, match="denied"):
            stolen.run(statement)


@pytest.mark.parametrize("right", ["", "GRANT EXECUTE ON *.* TO '{0}'@'%'", "GRANT EXECUTE ON `{1}`.* TO '{0}'@'%'"])
async def test_everybody_else_may_do_nothing_with_the_procedures(
    harness: MariadbHarness, store: MariadbAccountStore, right: str
) -> None:
    name, text, victim = harness.account(), password(), harness.account()
    await put(store, name, text)
    if right:
        harness.sql(right.format(name, harness.schema))
    with contextlib.closing(harness.connect(name, text)) as connection:
        for call in (f"`state`('{victim}', '-')", f"`replace`('{victim}', '{GOOD}')"):
            with pytest.raises(pymysql.Error, match=r"denied|no account of the store"):
                Stolen(connection).run(f"CALL `{harness.schema}`.{call}")


# --- the logs ---


async def test_no_password_is_in_the_servers_logs_whatever_it_logs(
    harness: MariadbHarness, store: MariadbAccountStore
) -> None:
    """In the log of all statements and in the binary log; what is put to an account is there as its hash."""
    name, texts = harness.account(), [password() for _ in range(3)]
    await put(store, name, texts[0])
    await store.matches((name,), payload(texts[1]))
    with pytest.raises(StoreRefusedError):
        await put(store, f"{name}x", texts[2])
    harness.sql("FLUSH BINARY LOGS; FLUSH GENERAL LOGS")
    logged = {file.name: file.read_bytes() for file in harness.server.folder.iterdir() if file.is_file()}
    assert ed25519(texts[0].encode()).encode() in logged["general.log"]
    assert any(name.encode() in content for file, content in logged.items() if file.startswith("binary."))
    assert [text for text in texts if any(text.encode() in content for content in logged.values())] == []


# --- what breaks ---


async def test_a_lost_answer_is_an_unknown_end_and_the_same_again_repairs_it(harness: MariadbHarness) -> None:
    """The write waits for a lock of the DBA's, and its answer is not waited for."""
    store, name, text = await harness.opened(timeout_s=0.5), harness.account(), password()
    dba = pymysql.connect(unix_socket=str(harness.server.folder / "socket"), user="root", ssl_disabled=True)
    Stolen(dba).run("FLUSH TABLES WITH READ LOCK")
    with pytest.raises(UnknownOutcomeError):
        await put(store, name, text)
    dba.close()
    async with asyncio.timeout(60):
        while not (await store.matches((name,), payload(text)))[1]:
            await put(store, name, text)
    assert await harness.logs_in(name, text)


async def test_a_server_that_takes_its_writes_from_another_one_takes_none_here(
    harness: MariadbHarness, store: MariadbAccountStore
) -> None:
    """MariaDB would let the administrator write whose rights the procedures have."""
    name, text = harness.account(), password()
    await put(store, name, text)
    harness.sql("SET GLOBAL read_only = ON")
    try:
        with pytest.raises(StoreUnavailableError, match="takes no writes now"):
            await put(store, name, password())
    finally:
        harness.sql("SET GLOBAL read_only = OFF")
    assert await harness.logs_in(name, text)


async def test_a_server_that_takes_no_hashes_is_told_with_its_fix(
    harness: MariadbHarness, store: MariadbAccountStore
) -> None:
    name, text = harness.account(), password()
    await put(store, name, text)
    harness.sql("INSTALL SONAME 'simple_password_check'")
    try:
        with pytest.raises(StoreRefusedError, match="takes no hashes") as refused:
            await put(store, name, password())
        harness.sql("SET GLOBAL strict_password_validation = OFF")
        assert "strict_password_validation = OFF" in refused.value.fix
        await put(store, name, other := password())
    finally:
        harness.sql("UNINSTALL SONAME 'simple_password_check'; SET GLOBAL strict_password_validation = ON")
    assert await harness.logs_in(name, other)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"ca_file": None}, "certificate of the database is not trusted"),
        ({"host": "localhost.invalid:1"}, "does not answer"),
        ({"user": "nobody"}, "does not let the reactor's account in"),
    ],
)
async def test_what_is_wrong_at_the_start_is_told(harness: MariadbHarness, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(DriverError, match=said) as refused:
        await harness.opened(**changes)
    assert harness.password not in f"{refused.value!r} {refused.value.__context__!r}"
    assert refused.value.__context__ is None


async def test_over_a_socket_no_tls_is_needed(harness: MariadbHarness) -> None:
    harness.sql(f"ALTER USER '{harness.user}'@'%' REQUIRE NONE")
    name, text = harness.account(), password()
    await put(await harness.opened(host=str(harness.server.folder / "socket"), ca_file=None), name, text)
    assert await harness.logs_in(name, text)
