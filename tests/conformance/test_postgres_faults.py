"""What is acknowledged is recorded, whatever happens to the connection, the server or the other writers."""

from __future__ import annotations

import asyncio
import gc
import math
import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace

import asyncpg
import pytest
import pytest_asyncio

from monoskope.errors import UnavailableError
from monoskope.m8.log.event_log import (
    Change,
    ExpectedVersionError,
    Lookup,
    NewEvent,
    Put,
    RecordedEvent,
    UnknownAppendError,
)
from monoskope.m8.log.failures import closed
from monoskope.m8.log.group import Group
from monoskope.m8.log.postgres import connections, records, writer
from monoskope.m8.log.postgres.connections import Connection
from monoskope.m8.log.postgres.log import PostgresLog
from monoskope.m8.log.postgres.target import PostgresTarget
from monoskope.testing.engines.postgres import Postgres
from monoskope.testing.logs import ledger, some_time
from monoskope.testing.parts import wait_until
from tests.faults.tcp_proxy import Link, proxy
from tests.support.failures import failure

PATIENCE_S = 180

ACTOR = b"cut here"
"""By whose name a link knows an append: its bind message carries it."""


def an_event(text: bytes = b"data") -> list[NewEvent]:
    return [NewEvent("Happened", text)]


@pytest.fixture(scope="module")
def plain() -> Iterator[Postgres]:
    """A server that takes connections without TLS, too: the proxy has to see what passes."""
    with Postgres(fsync=False) as server:
        with (server.data / "pg_hba.conf").open("a", encoding="ascii") as rules:
            rules.write("host all all 127.0.0.1/32 scram-sha-256\n")
        server.sql("SELECT pg_reload_conf()")
        yield server


def through(link: Link, target: PostgresTarget) -> PostgresTarget:
    """Return how a database is reached by a link: without TLS; the password is never sent in plain text (SCRAM)."""
    return replace(target, hosts=(("127.0.0.1", link.port),), tls=None)


@pytest_asyncio.fixture
async def behind(plain: Postgres) -> AsyncIterator[tuple[Link, PostgresLog, PostgresLog]]:
    """A link that sees what passes, a log behind it, and the same log without it."""
    target = plain.target(plain.create_database())
    async with proxy(plain.port) as link:
        log = await PostgresLog.open(through(link, target), clock=some_time, projector=ledger)
        direct = await PostgresLog.open(target, clock=some_time, projector=ledger)
        yield link, log, direct
        await log.close()
        await direct.close()


async def test_an_append_whose_answer_is_lost_is_acknowledged(behind: tuple[Link, PostgresLog, PostgresLog]) -> None:
    """It is there once, and the next one follows it."""
    link, log, direct = behind
    await log.append("a", 0, an_event(), actor="ann")
    link.cut_at(ACTOR, arrives=True)
    [event] = await log.append("a", 1, an_event(), actor=ACTOR.decode())
    assert await direct.read(after=1, limit=10) == [event]
    assert await direct.get("counts", "a") == b"2"
    await log.append("a", 2, an_event(), actor="ann")
    assert await direct.check_chain() == 3


async def test_an_append_that_arrives_late_is_not_acknowledged(behind: tuple[Link, PostgresLog, PostgresLog]) -> None:
    """The caller hears that it failed; when its bytes come in at last, they change nothing."""
    link, log, direct = behind
    await log.append("a", 0, an_event(), actor="ann")
    link.cut_at(ACTOR, arrives=False)
    caught = await failure(UnavailableError, log.append("a", 1, an_event(b"late"), actor=ACTOR.decode()))
    assert not isinstance(caught, UnknownAppendError)
    assert log.write_failure is caught
    assert await direct.head() == 1
    for upstream, late in link.held:
        upstream.write(late)
        await upstream.drain()
    [event] = await log.append("a", 1, an_event(b"next"), actor="ann")
    assert (event.position, event.data) == (2, b"next")
    assert await direct.check_chain() == 2


async def test_a_connection_that_is_cut_between_two_messages_of_one_statement_is_a_lost_one(
    behind: tuple[Link, PostgresLog, PostgresLog], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A read on a kept connection is repeated on another one; where that is cut, too, the log is away."""
    _, log, _ = behind
    await log.append("a", 0, an_event(), actor="ann")
    prepare, cuts = getattr(asyncpg.Connection, "_get_statement"), 1  # noqa: B009 - it has no type

    async def prepared(self: Connection, *args: object, **named: object) -> object:
        nonlocal cuts
        statement = await prepare(self, *args, **named)
        if cuts and "asked.place" in str(args[0]):
            cuts -= 1
            self.terminate()
        return statement

    monkeypatch.setattr(asyncpg.Connection, "_get_statement", prepared)
    assert await log.head() == 1
    assert len(await log.read_stream("a")) == 1
    cuts = 2
    with pytest.raises(UnavailableError):
        await log.read_stream("a")


async def test_an_append_of_which_nobody_can_tell_says_so(
    behind: tuple[Link, PostgresLog, PostgresLog], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is neither called recorded nor refused; the log works again once the database does."""
    monkeypatch.setattr(writer, "RESOLVE_S", 0.0)
    link, log, direct = behind
    await log.append("a", 0, an_event(), actor="ann")
    link.cut_at(ACTOR, arrives=True)
    link.refuses = True
    await failure(UnknownAppendError, log.append("a", 1, an_event(), actor=ACTOR.decode()), "may be recorded")
    link.refuses = False
    head = await direct.head()
    await log.append("b", 0, an_event(), actor="ann")
    assert await direct.check_chain() == head + 1


async def test_a_log_of_a_silent_database_is_closed_in_time(plain: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever waits then is told so: what was sent may be recorded, and what waited behind it is not."""
    monkeypatch.setattr(connections, "CLOSE_S", 0.0)
    monkeypatch.setattr(writer, "RESOLVE_S", math.inf)
    target = plain.target(plain.create_database())
    async with proxy(plain.port) as between:
        log = await PostgresLog.open(through(between, target), clock=some_time, projector=ledger)
        async with aclosing(log.subscribe(after=0)) as events:
            await log.append("a", 0, an_event(), actor="ann")
            assert (await anext(events)).position == 1
            between.passes.clear()
            appends = [asyncio.create_task(log.append("a", 1, an_event(), actor="ann"))]
            await asyncio.sleep(0)  # the writer takes it, and sends it
            await asyncio.sleep(0)
            appends += [asyncio.create_task(log.append(name, 0, an_event(), actor="ann")) for name in "bc"]
            beats = [asyncio.create_task(log.beat(f"m8/{number}", 1)) for number in range(100)]
            await asyncio.sleep(0)
            async with asyncio.timeout(PATIENCE_S):
                await log.close()
        sent, *behind = await asyncio.gather(*appends, return_exceptions=True)
        assert isinstance(sent, UnknownAppendError)
        assert [str(end) for end in behind] == [str(closed())] * 2
        between.passes.set()
        ends = await asyncio.gather(*beats, return_exceptions=True)
        told = {str(end) for end in ends if end is not None}
        assert str(closed()) in told
        # What was sent before the end may hear that the database does not answer.
        assert all("does not answer in time" in end for end in told - {str(closed())})


@asynccontextmanager
async def silent() -> AsyncIterator[tuple[int, asyncio.Event]]:
    """A server that takes a connection, sets the event, and says nothing until the block ends."""
    came, gone = asyncio.Event(), asyncio.Event()

    async def serve(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        came.set()
        await gone.wait()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1], came
        gone.set()


async def test_a_dead_link_leaves_no_traceback_of_whoever_gave_up(plain: Postgres) -> None:
    """A caller that hangs up, and a limit that ends it again while it waits, leave nothing to be told by asyncio."""
    told: list[str] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: told.append(context["message"]))
    before = asyncio.all_tasks()
    target = plain.target(plain.create_database())
    async with proxy(plain.port) as between, silent() as (port, came):
        log = await PostgresLog.open(through(between, target), clock=some_time, projector=ledger)
        await log.beat("m8/1", 1)
        between.passes.clear()
        dead = replace(target, hosts=(("127.0.0.1", port),), tls=None)
        given_up = [asyncio.create_task(log.beat("m8/1", 2)), asyncio.create_task(connections.connect(dead))]
        await came.wait()
        for task in given_up * 2:
            task.cancel()
            await asyncio.sleep(0)
        await asyncio.wait(given_up)
    # The links are cut now, and what was left of both fails.
    await log.close()
    async with asyncio.timeout(PATIENCE_S):
        while left := asyncio.all_tasks() - before:
            await asyncio.wait(left)
    del given_up, task, left
    gc.collect()
    assert told == []


@pytest.mark.parametrize("severity", ["FATAL", "PANIC"])
async def test_an_append_whose_server_breaks_down_at_the_commit_is_looked_for(
    postgres: Postgres, monkeypatch: pytest.MonkeyPatch, severity: str
) -> None:
    """A server that cannot force its log to the disk panics, and may find the commit there when it starts again."""
    log = await PostgresLog.open(postgres.target(postgres.create_database()), clock=some_time, projector=ledger)
    real = records.append

    async def append(connection: Connection, group: Group) -> bool:
        monkeypatch.setattr(records, "append", real)
        assert await real(connection, group)
        raise asyncpg.PostgresError.new({"S": severity, "V": severity, "C": "58030", "M": "could not fsync"})

    await log.append("a", 0, an_event(), actor="ann")
    monkeypatch.setattr(records, "append", append)
    [event] = await log.append("a", 1, an_event(), actor="ann")
    assert await log.read(after=1, limit=10) == [event]
    await log.close()


async def test_a_heartbeat_not_stored_counts_as_an_append(postgres: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    """An m8 without puts notices a full disk by its own heartbeats."""
    log = await PostgresLog.open(postgres.target(postgres.create_database()), clock=some_time)
    await log.beat("m8/1", 1)
    before = log.write_failure

    async def full(*_: object) -> None:
        raise asyncpg.DiskFullError("no room")

    with monkeypatch.context() as broken:
        broken.setattr(asyncpg.Connection, "execute", full)
        caught = await failure(UnavailableError, log.beat("m8/1", 2), "its disk is full")
    assert (before, log.write_failure) == (None, caught)
    await log.close()


async def test_what_the_database_refuses_for_what_it_is_makes_no_m8_unready(postgres: Postgres) -> None:
    """A key too long for an index is refused on the best of days, and a user may have chosen it."""

    def too_long(event: RecordedEvent, _lookup: Lookup) -> list[Change]:
        return [Put("keys", secrets.token_hex(20_000), b"")] if event.type == "Long" else []

    log = await PostgresLog.open(postgres.target(postgres.create_database()), clock=some_time, projector=too_long)
    await log.append("a", 0, an_event(), actor="ann")
    await failure(UnavailableError, log.append("a", 1, [NewEvent("Long", b"")], actor="ann"), "54000")
    await failure(ExpectedVersionError, log.append("a", 0, an_event(), actor="ann"))
    assert log.write_failure is None
    [event] = await log.append("a", 1, an_event(), actor="ann")
    assert event.position == 2
    new = [an_event(), an_event(), [NewEvent("Long", b"")], an_event()]
    appends = [log.append(f"of {n}", 0, events, actor="ann") for n, events in enumerate(new)]
    ends = await asyncio.gather(*appends, return_exceptions=True)
    assert [index for index, end in enumerate(ends) if isinstance(end, Exception)] == [2], "it is refused alone"
    assert await log.check_chain() == 5
    await log.close()


_WAIT_FOR_A_STANDBY = "SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND usename = 'm8'"


async def test_a_commit_without_a_standby_is_not_acknowledged(plain: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wait for a standby that is cancelled ends in success and a warning. At a failover such a commit is lost.

    Neither the append counts then, nor the look for it, which is a commit, too.
    """
    monkeypatch.setattr(writer, "RESOLVE_S", math.inf)
    log = await PostgresLog.open(plain.target(plain.create_database()), clock=some_time, projector=ledger)
    await log.append("a", 0, an_event(), actor="ann")

    def waiting(after: set[str]) -> set[str]:
        """Wait until a session waits for a standby that none of these is, and return those that do."""
        found: set[str] = set()

        def more() -> bool:
            found.update(plain.sql(_WAIT_FOR_A_STANDBY).split())
            return bool(found - after) or append.done()

        wait_until(more, what="a commit waits for a standby", seconds=PATIENCE_S)
        return found

    plain.sql("ALTER SYSTEM SET synchronous_standby_names = 'missing'")
    plain.sql("SELECT pg_reload_conf()")
    # A session that begins with it begins after all others were told.
    wait_until(lambda: plain.sql("SHOW synchronous_standby_names") == "missing", what="the setting counts")
    append = asyncio.create_task(log.append("a", 1, an_event(), actor="ann"))
    try:
        seen: set[str] = set()
        for _ in ("the append", "the first look", "the second look"):
            seen |= await asyncio.to_thread(waiting, seen)
            assert not append.done()
            plain.sql(f"SELECT pg_cancel_backend(pid) FROM ({_WAIT_FOR_A_STANDBY}) AS waiting")
    finally:
        plain.sql("ALTER SYSTEM RESET synchronous_standby_names")
        plain.sql("SELECT pg_reload_conf()")
    async with asyncio.timeout(PATIENCE_S):
        [event] = await append
    assert await log.read(after=1, limit=10) == [event]
    await log.close()


async def test_waiting_appends_are_recorded_in_few_calls(postgres: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    """More bytes than the database takes within the deadline of one call would fail again and again."""
    monkeypatch.setattr(writer, "MAX_BYTES", 1_000)
    groups: list[int] = []
    target = postgres.target(postgres.create_database())
    log = await PostgresLog.open(target, clock=some_time, measured=lambda appends, _s: groups.append(appends))
    appends = [log.append(f"s{number}", 0, an_event(bytes(100)), actor="ann", sealed=bytes(200)) for number in range(9)]
    await asyncio.gather(*appends, log.append("large", 0, an_event(bytes(5_000)), actor="ann"))
    assert groups == [4, 4, 1, 1]
    await log.close()


async def positions(log: PostgresLog, *, upto: int) -> list[int]:
    """What a subscriber from the beginning gets."""
    seen: list[int] = []
    async with aclosing(log.subscribe(after=0)) as events:
        async for event in events:
            seen.append(event.position)
            if event.position == upto:
                break
    return seen


async def test_an_append_that_fails_leaves_those_beside_it_alone_over_several_logs(postgres: Postgres) -> None:
    """Three m8 append at once to the same streams: each version is given once, and the documents count every event.

    A subscriber of each of them gets every position, in order.
    """
    target = postgres.target(postgres.create_database())
    logs = [await PostgresLog.open(target, clock=some_time, projector=ledger) for _ in range(3)]
    followers = [asyncio.create_task(positions(log, upto=120)) for log in logs]
    kinds = ["Broken" if number % 5 == 0 else "Happened" for number in range(150)]
    outcomes = await asyncio.gather(
        *(
            logs[number % 3].append(f"s{number % 7}", None, [NewEvent(kind, b"")], actor="ann")
            for number, kind in enumerate(kinds)
        ),
        return_exceptions=True,
    )
    recorded = [outcome[0] for outcome in outcomes if isinstance(outcome, list)]
    assert len(recorded) == kinds.count("Happened")
    assert sorted(event.position for event in recorded) == list(range(1, len(recorded) + 1))
    async with asyncio.timeout(PATIENCE_S):
        assert await asyncio.gather(*followers) == [list(range(1, 121))] * 3
    streams = {event.stream for event in recorded}
    for stream in streams:
        versions = sorted(event.version for event in recorded if event.stream == stream)
        assert versions == list(range(1, len(versions) + 1))
        assert await logs[0].get("counts", stream) == b"%d" % len(versions)
    assert await logs[1].check_chain() == len(recorded)
    for log in logs:
        await log.close()
