"""Databases that m8 cannot serve from, or not now: newer, not ours, another m8's, full, slow, gone for a while."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import resource
import secrets
import shutil
import sqlite3
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from monoskope.api.gateway.v1 import commands_pb2, views_pb2
from monoskope.errors import UnavailableError, UsageError
from monoskope.exit_codes import ExitCode
from monoskope.host_port import HostPort
from monoskope.m8.cli.events import erasable
from monoskope.m8.init import lay_out
from monoskope.m8.log.event_log import MAX_DATA, Change, Lookup, NewEvent, Put, RecordedEvent
from monoskope.m8.log.folder import Noted
from monoskope.m8.log.postgres.log import PostgresLog
from monoskope.m8.log.sqlite import SqliteLog
from monoskope.m8.log.sqlite.disk import ROOM, SIZE, Reserve
from monoskope.m8.readmodels.documents import project
from monoskope.m8.readmodels.uploads import ENDED
from monoskope.m8.settings import ServerSettings, load
from monoskope.testing.engines import pgbouncer
from monoskope.testing.engines.postgres import Postgres, user
from monoskope.testing.parts import wait_until
from tests.faults.tcp_proxy import proxy
from tests.support.disk import fill, mounted
from tests.support.http_calls import CallError
from tests.support.operations import address_of, asked, prometheus, samples
from tests.support.programs import m8
from tests.unit.m8_cli.sealed_log import document
from tests.unit.m8_cli.served import PATIENCE_S, Server, administrator, laid_out, refuse, served

BOUND_S = 30.0
"""Far above each time limit of m8's own: something that takes longer is not bounded."""


@pytest.fixture
def settings(postgres: Postgres, tmp_path: Path) -> ServerSettings:
    return with_database(postgres, tmp_path / "m8", postgres.create_database())


def with_database(postgres: Postgres, folder: Path, database: str, *, port: int = 0) -> ServerSettings:
    password = folder.with_suffix(".password")
    password.write_text(postgres.password)
    password.chmod(0o600)
    table = {
        "database": f"postgresql://m8@127.0.0.1:{port or postgres.port}/{database}",
        "database_ca": str(postgres.ca_file),
        "database_password_file": str(password),
    }
    return laid_out(folder, database=table)


def database_of(settings: ServerSettings) -> str:
    assert settings.database is not None
    return settings.database.database


def tokens(settings: ServerSettings, *, code: int = 0) -> str:
    """Ask for the tokens, as any command does that opens the log, and return what is said."""
    ended = m8("token", "list", "--dir", str(settings.folder), "-o", "json", home=settings.folder, code=code)
    return ended.stdout + ended.stderr


def test_a_database_of_a_newer_m8_is_refused(postgres: Postgres, settings: ServerSettings) -> None:
    tokens(settings)
    postgres.sql("UPDATE meta SET value = '99' WHERE name = 'schema'", database=database_of(settings))
    assert "schema 99" in tokens(settings, code=ExitCode.USAGE)


def test_a_database_of_something_else_is_refused_and_not_changed(postgres: Postgres, settings: ServerSettings) -> None:
    name = database_of(settings)
    postgres.sql("CREATE TABLE meta (theirs text)", database=name)
    assert "is no event log of m8" in tokens(settings, code=ExitCode.USAGE)
    listed = "SELECT string_agg(relname, ',') FROM pg_class WHERE relnamespace = 'public'::regnamespace"
    assert postgres.sql(listed, database=name) == "meta"


def test_another_m8s_database_waits_for_its_name(postgres: Postgres, settings: ServerSettings, tmp_path: Path) -> None:
    other = with_database(postgres, tmp_path / "other", postgres.create_database())
    administrator(other)
    tokens(settings)
    toml = settings.folder / "m8.toml"
    toml.write_text(toml.read_text().replace(database_of(settings), database_of(other)))
    theirs = other.log_id.read_text().strip()
    assert f"holds the log {theirs}" in tokens(settings, code=ExitCode.CONFLICT)
    m8("events", "adopt", theirs, "--dir", str(settings.folder), home=tmp_path)
    assert json.loads(tokens(settings)) == json.loads(tokens(other))


def test_a_pgbouncer_that_shares_is_refused(postgres: Postgres, settings: ServerSettings, tmp_path: Path) -> None:
    assert settings.database is not None
    for mode, code in (("transaction", ExitCode.USAGE), ("session", ExitCode.OK)):
        with pgbouncer.pooled(postgres, settings.database, mode) as pooled:
            [(_, port)] = pooled.hosts
            behind = with_database(postgres, tmp_path / mode, database_of(settings), port=port)
            said = tokens(behind, code=code)
            if code:
                assert "pool_mode = session" in said
                refuse(behind, code, "transaction or statement mode")
            else:
                with served(behind) as server:
                    assert server.get_server(administrator(behind)).subject == "anna"


def cut_off(postgres: Postgres, database: str) -> None:
    """End every session of a database, as a failover does."""
    postgres.sql(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database}'")


def test_no_connection_is_left_and_then_there_are_some(postgres: Postgres, settings: ServerSettings) -> None:
    name = database_of(settings)
    token = administrator(settings)
    with served(settings) as server:
        server.until_ready()
        postgres.sql(f"ALTER DATABASE {name} CONNECTION LIMIT 0")
        cut_off(postgres, name)
        assert "all of its connections are taken" in refusal_of_a_store(server, token)
        server.until_ready(is_ready=False)
        assert "all of its connections are taken" in tokens(settings, code=ExitCode.UNAVAILABLE)
        postgres.sql(f"ALTER DATABASE {name} CONNECTION LIMIT -1")
        server.until_ready()
        assert server.get_server(token).subject == "anna"


@pytest.fixture
def small_disk(postgres: Postgres) -> Iterator[Path]:
    """A file system of its own, with room for a database and little else."""
    with mounted(postgres.folder / f"small_disk_{secrets.token_hex(4)}", 16 << 20) as disk:
        if user():
            shutil.chown(disk, user())
        yield disk
    disk.rmdir()


def test_a_full_database_says_so_and_answers_queries(postgres: Postgres, small_disk: Path, tmp_path: Path) -> None:
    """m8 is unready once, however many writes fail meanwhile, and the night shift is called."""
    tablespace = small_disk.name
    name = postgres.create_database()
    postgres.sql(f"CREATE TABLESPACE {tablespace} LOCATION '{small_disk}'")
    postgres.sql(f"ALTER DATABASE {name} SET TABLESPACE {tablespace}")
    settings = with_database(postgres, tmp_path / "m8", name)
    token = administrator(settings)
    alert = ("M8LogNotWritable", "")
    with served(settings) as server:
        m8_itself = address_of(settings.folder)
        server.until_ready()
        with prometheus(tmp_path / "prometheus", {"m8": m8_itself}) as running:
            junk = fill(small_disk)
            assert "its disk is full" in refusal_of_a_store(server, token)
            server.until_ready(is_ready=False)
            wait_until(lambda: alert in running.firing(), what="the alert fires")
            for _ in range(10):
                assert "its disk is full" in refusal_of_a_store(server, token)
                status, said = asked(m8_itself, "/readyz")
                assert (status, json.loads(said)["checks"]["log"]) == (503, "not writable")
                assert samples(asked(m8_itself, "/metrics")[1])["m8_database_writable", frozenset()] == 0
            wait_until(lambda: alert in running.firing(), what="the alert fires still")
            assert server.get_server(token).subject == "anna"
            assert "anna" in tokens(settings)
            junk.unlink()
            server.until_ready()
            wait_until(lambda: alert not in running.firing(), what="the alert ends")
        told = [json.loads(line)["event"] for line in server.stop().splitlines()]
    assert [line for line in told if line.startswith("the event log can")] == [
        "the event log cannot be written",
        "the event log can be written again",
    ]
    postgres.drop_database(name)
    postgres.sql(f"DROP TABLESPACE {tablespace}")


def told_over_https(server: Server, token: str) -> str:
    """Create a store at the HTTP door until that fails because of the log, and return the answer."""
    body = json.dumps({"name": f"s{secrets.token_hex(8)}", "type": "age", "identity": f"SHA256:{'0' * 43}"})
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    while True:
        with closing(server.https()) as door:
            door.request("POST", "/monoskope.api.gateway.v1.SecretCommandService/CreateSecretStore", body, headers)
            answer = door.getresponse()
            said = answer.read().decode()
        if answer.status == 503:
            return said
        assert answer.status in {200, 409}, said


def test_users_are_told_what_fails_and_not_where(postgres: Postgres, settings: ServerSettings, tmp_path: Path) -> None:
    """The database's address, and the path of a file, are no business of whoever may call m8."""
    with served(settings) as server:
        token = administrator(settings)
        postgres.drop_database(database_of(settings))
        said = told_over_https(server, token)
        assert "there is no such database" in said
        for place in (database_of(settings), str(postgres.port), "127.0.0.1"):
            assert place not in said
        while "the event log cannot be written" not in (line := server.line()):
            continue
        assert f"{database_of(settings)} at 127.0.0.1:{postgres.port}" in line

    on_file = lay_out(folder=tmp_path / "sqlite", listen=HostPort("127.0.0.1", 0))
    with served(on_file) as server:
        token = administrator(on_file)
        limits = resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
        said = told_over_https(server, token)
        assert "the event log cannot be read or written" in said
        assert str(tmp_path) not in said
        assert "log.db" not in said
        while "the event log cannot be written" not in (line := server.line()):
            continue
        assert str(on_file.event_log) in line
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, limits)


def refusal_of_a_store(server: Server, token: str) -> str:
    """Add stores until that fails, and return what m8 says then."""
    with closing(server.https()) as connection:
        for _ in range(10_000):
            identity = f"SHA256:{secrets.randbelow(10**43):043}"
            request = commands_pb2.CreateSecretStoreRequest(
                name=f"s{secrets.token_hex(8)}", type="age", identity=identity
            )
            try:
                server.call(request, token, over=connection)
            except CallError as error:
                return error.message
    raise AssertionError("every store was added")


@pytest.mark.soak
async def test_a_database_that_stops_answering_ends_a_call_in_bounded_time(postgres: Postgres) -> None:
    target = postgres.target(postgres.create_database())
    async with proxy(postgres.port) as between:
        slow = replace(target, hosts=(("127.0.0.1", between.port),))
        log = await PostgresLog.open(slow, clock=lambda: 1)
        between.delay_s = 0.02
        [event] = await log.append("a", 0, [NewEvent("t", b"slow")], actor="ann")
        assert event.position == 1
        between.passes.clear()
        async with asyncio.timeout(BOUND_S):
            with pytest.raises(UnavailableError):
                await log.read(after=0, limit=1)
        between.passes.set()
        between.delay_s = 0.0
        assert [event.position for event in await log.read(after=0, limit=1)] == [1]
        await log.close()


SEALED = 6
"""How many secrets of a megabyte are in the log."""


def test_m8_is_not_ready_from_a_write_that_failed_until_one_works(tmp_path: Path) -> None:
    with served(laid_out(tmp_path / "m8")) as server:
        server.until_ready()
        limits = resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
        server.until_ready(is_ready=False)
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, limits)
        server.until_ready()
        said = [json.loads(line)["event"] for line in server.stop().splitlines()]
    assert said.index("the event log cannot be written") < said.index("the event log can be written again")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own with room for the log, its reserve and little else."""
    with mounted(tmp_path / "disk", ROOM + SIZE + (SEALED + 2) * 1_048_576) as disk:
        yield disk


async def seal(settings: ServerSettings) -> None:
    """Record requests that have ended, each with a sealed megabyte."""
    log = await SqliteLog.open(settings.event_log, clock=lambda: 1, projector=document)
    for _ in range(SEALED):
        sealed = os.urandom(1_048_576)
        digest = hashlib.sha256(sealed).digest()
        view = views_pb2.SecretUpload(state=views_pb2.UPLOAD_STATE_ENDED, changed_at_ms=1, sealed_sha256=digest)
        event = NewEvent("x", view.SerializeToString())
        await log.append(f"{digest.hex()}", 0, [event], actor="m8", sealed=sealed)
    await log.close()


def cut(settings: ServerSettings) -> None:
    """Empty the write-ahead log, so that the next write needs space of the disk."""
    with closing(sqlite3.connect(settings.event_log, timeout=PATIENCE_S)) as connection:
        assert connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0


def erase(settings: ServerSettings) -> tuple[str, str]:
    ended = m8("events", "--dir", str(settings.folder), "erase-sealed", home=settings.folder.parent)
    return ended.stdout, ended.stderr


def test_erasing_works_on_a_full_disk_and_makes_m8_ready_again(disk: Path) -> None:
    settings = laid_out(disk / "m8")
    asyncio.run(seal(settings))
    assert Reserve(settings.event_log).make()
    with served(settings) as server:
        server.until_ready()
        cut(settings)
        junk = fill(disk)
        server.until_ready(is_ready=False)
        size = settings.event_log.stat().st_size
        said, warned = erase(settings)
        assert said == f"Erased {SEALED} sealed secrets.\n"
        assert "reserve" in warned
        # The space is the log's again, and the disk's.
        server.until_ready()
        assert settings.event_log.stat().st_size < size - (SEALED - 1) * 1_048_576
        assert not Reserve(settings.event_log).is_made
        junk.unlink()
        asyncio.run(seal(settings))
        assert erase(settings) == (f"Erased {SEALED} sealed secrets.\n", "")
        assert Reserve(settings.event_log).is_made
    verified = m8("events", "--dir", str(settings.folder), "verify", home=disk, env={}).stdout
    assert f"The log holds: {2 * SEALED} events" in verified


async def test_a_disk_with_room_for_little_is_full_until_it_has_room_for_the_largest_event(disk: Path) -> None:
    """And what shows that takes hardly any of the room in which sealed bytes are erased meanwhile."""
    log = await SqliteLog.open(disk / "log.db", clock=lambda: 1, projector=document)
    await log.append("a", 0, [NewEvent("x", b"")], actor="m8")
    junk = fill(disk)
    os.truncate(junk, junk.stat().st_size - 1_048_576)
    await log.append("a", 1, [NewEvent("x", b"")], actor="m8")
    with pytest.raises(UnavailableError, match="the disk is full"):
        await log.try_write(os.urandom(MAX_DATA))
    os.truncate(junk, junk.stat().st_size - 2 * MAX_DATA)
    before = log_bytes(disk)
    await log.try_write(os.urandom(MAX_DATA))
    assert log_bytes(disk) - before < 1_048_576
    await log.close()


def log_bytes(disk: Path) -> int:
    return sum(path.stat().st_size for path in disk.glob("log.db*"))


def test_erasing_works_on_a_full_disk_when_m8_cannot_even_start(disk: Path) -> None:
    settings = laid_out(disk / "m8")
    asyncio.run(seal(settings))
    assert Reserve(settings.event_log).make()
    fill(disk)
    m8("token", "list", "--dir", str(settings.folder), home=disk, code=7)
    assert erase(settings)[0] == f"Erased {SEALED} sealed secrets.\n"
    m8("token", "list", "--dir", str(settings.folder), home=disk)


def test_an_m8_that_may_open_no_more_files_says_that_and_speaks_of_no_other_log(tmp_path: Path) -> None:
    """`log.checkpoint` cannot be read then, which says nothing of the log."""
    said: list[dict[str, str]] = []
    settings = laid_out(tmp_path / "m8")
    with served(settings) as server:
        administrator(settings)
        # So it has read the log, and what was signed, for which it keeps files open.
        wait_until((settings.folder / "log.checkpoint").exists, what="m8 has signed a checkpoint")
        limits = resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, (3, limits[1]))
        while not said or "is not compared" not in said[-1]["event"]:
            said.append(json.loads(server.line()))
            assert "not the one that was signed" not in said[-1]["event"]
        assert "Too many open files" in said[-1]["message"]
        assert "LimitNOFILE" in said[-1]["message"]
        resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, limits)
        while "is compared" not in said[-1]["event"]:
            said.append(json.loads(server.line()))
            assert "not the one that was signed" not in said[-1]["event"]


SECRET = b"sealed long ago"
IS_ENDED, WRITING = views_pb2.UPLOAD_STATE_ENDED, views_pb2.UPLOAD_STATE_WRITING


@pytest.fixture
async def log(tmp_path: Path) -> AsyncIterator[SqliteLog]:
    opened = await SqliteLog.open(tmp_path / "log.db", clock=lambda: 0, projector=document)
    yield opened
    await opened.close()


async def upload(log: SqliteLog, name: str, sealed: bytes, state: views_pb2.UploadState, changed_at_ms: int) -> bytes:
    digest = hashlib.sha256(sealed).digest() if sealed else b""
    view = views_pb2.SecretUpload(state=state, changed_at_ms=changed_at_ms, sealed_sha256=digest)
    await log.append(name, 0, [NewEvent("x", view.SerializeToString())], actor="m8", sealed=sealed or None)
    return digest


async def test_only_requests_that_ended_long_enough_ago(log: SqliteLog) -> None:
    old = await upload(log, "old", b"a", IS_ENDED, 10)
    await upload(log, "young", b"b", IS_ENDED, 11)
    await upload(log, "writing", b"c", WRITING, 5)
    await upload(log, "refused before it was sealed", b"", IS_ENDED, 5)
    assert await erasable(log, 10) == {old}


async def test_bytes_that_another_request_still_needs_stay(log: SqliteLog) -> None:
    await upload(log, "ended", b"same", IS_ENDED, 1)
    await upload(log, "sent again", b"same", WRITING, 2)
    assert await erasable(log, 10) == set()


async def test_more_requests_than_a_page_are_all_found(log: SqliteLog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("monoskope.m8.log.event_log.SCAN_PAGE", 2)
    digests = {await upload(log, str(number), str(number).encode(), IS_ENDED, 1) for number in range(5)}
    assert await erasable(log, 10) == digests
    assert await log.erase_sealed(digests) == 5
    assert await log.sealed(next(iter(digests))) is None
    assert await log.check_chain() == 5


@pytest.fixture
def erasing(tmp_path: Path) -> ServerSettings:
    return laid_out(tmp_path / "m8", toml="erase_sealed_after_days = 1\n[timings]\ntick = 0.1\n")


def ended(event: RecordedEvent, _lookup: Lookup) -> Iterable[Change]:
    return [Put(ENDED, f"{event.recorded_at_ms:013}\n{event.data.hex()}", b"")]


async def record(settings: ServerSettings) -> bytes:
    log = await SqliteLog.open(settings.event_log, clock=lambda: 1, projector=ended)
    digest = hashlib.sha256(SECRET).digest()
    recorded = await log.append("x", 0, [NewEvent("x", digest)], actor="m8", sealed=SECRET)
    await log.close()
    return recorded[-1].hash


async def until_erased(settings: ServerSettings) -> None:
    log = await SqliteLog.open(settings.event_log, clock=lambda: 1, projector=project)
    async with asyncio.timeout(PATIENCE_S):
        while await log.sealed(hashlib.sha256(SECRET).digest()) is not None:
            await asyncio.sleep(0.02)
    await log.close()


def test_it_erases_what_is_old_and_notes_the_last_position(erasing: ServerSettings) -> None:
    last = asyncio.run(record(erasing))
    with served(erasing) as server:
        asyncio.run(until_erased(erasing))
        server.stop()
    found = Noted.find(erasing.folder)
    assert found is not None
    assert (found.position, found.hash) == (1, last)
    assert "holds: 1 event," in m8("events", "--dir", str(erasing.folder), "verify", home=erasing.folder).stdout


def test_a_database_that_ends_before_what_was_noted_is_noticed(erasing: ServerSettings) -> None:
    asyncio.run(record(erasing))
    older = erasing.event_log.read_bytes()
    home = erasing.folder
    administrator(erasing)
    with served(erasing) as server:
        assert "the event log lacks what was noted" not in server.said_before + server.stop()
    for path in home.glob("log.db*"):
        path.unlink()
    erasing.event_log.write_bytes(older)
    erasing.event_log.chmod(0o600)
    (home / "log-id").unlink()
    with served(erasing) as server:
        assert "the event log lacks what was noted" in server.said_before
        server.stop()
    # A restore still shows that the database lacks an event.
    found = Noted.find(home)
    assert found is not None
    assert found.position == 2


@pytest.mark.parametrize("days", ["-1", "36501", '"30"'])
def test_a_number_of_days_that_is_none_is_refused(erasing: ServerSettings, days: str) -> None:
    toml = erasing.folder / "m8.toml"
    toml.write_text(toml.read_text().replace("erase_sealed_after_days = 1", f"erase_sealed_after_days = {days}"))
    with pytest.raises(UsageError, match="erase_sealed_after_days"):
        load(erasing.folder)
