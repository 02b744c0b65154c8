"""The event log's database, and what it knows: the clock, stores with their reactors, other m8, the witnessed log."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from monoskope.api.gateway.v1 import reactor_pb2, views_pb2
from monoskope.checks.check import Check
from monoskope.checks.clock import clock_check
from monoskope.checks.log import LogSeen, WitnessSeen, log_checks
from monoskope.checks.store import StoreSeen, store_check
from monoskope.errors import Error, docs_page
from monoskope.m8.background.presence import Replica, heard, replicas
from monoskope.m8.doctor.witnessed import Looked, look
from monoskope.m8.log.event_log import EventLog
from monoskope.m8.log.opening import need_driver
from monoskope.m8.log.postgres.target import PostgresTarget
from monoskope.m8.log.sqlite import file
from monoskope.m8.opened import opened_log
from monoskope.m8.readmodels.stores import STORES, with_beats
from monoskope.m8.settings import ServerSettings
from monoskope.m8.tree.witnesses import asked
from monoskope.text import counted

if TYPE_CHECKING:
    from monoskope.m8.log.postgres.facts import Facts  # asyncpg is an extra

DATABASE, PROCESSES = "database", "m8 processes"
"""Names of checks."""

_PREPARE = f"Prepare it as shown: {docs_page('operate/postgresql.md#prepare-the-database')}"
_ENGINES = {
    reactor_pb2.ENGINE_HEALTH_OK: "ok",
    reactor_pb2.ENGINE_HEALTH_UNAVAILABLE: "unavailable",
    reactor_pb2.ENGINE_HEALTH_REFUSED: "refused",
}


async def database_checks(loaded: ServerSettings, clock: Callable[[], int]) -> list[Check]:
    """Return the checks of the database and of what stands in it. Nothing is made or changed there."""
    found: list[Check] = []
    try:
        if loaded.database is None:
            is_empty = await _of_file(loaded, found)
        else:
            is_empty = await _of_postgres(loaded.database, clock, found)
        if is_empty:
            said = "It holds no event log yet: the first start of m8 makes it."
            return [*found, Check.warn("event log", said, f"m8 serve --dir {loaded.folder}")]
        async with opened_log(loaded) as log, asked(loaded.witnesses, loaded.folder, clock) as witnesses:
            looked = await look(log, loaded.folder, witnesses, clock)
            return [*found, *await _inside(loaded, log, looked, clock)]
    except Error as error:
        return [*(row for row in found if row.name != DATABASE), Check.failed(DATABASE, error)]


async def _inside(loaded: ServerSettings, log: EventLog, looked: Looked, clock: Callable[[], int]) -> list[Check]:
    beats, notes = await log.beats(), await log.beat_notes()
    there = heard(replicas(beats, notes), clock(), loaded.file.timings.issuer_gone)
    stores = [views_pb2.SecretStore.FromString(body) async for _, body in log.scan_all(STORES)]
    return [
        process_check(there, loaded),
        *log_checks(_seen(looked), clock(), more=f"{counted(await log.head(), 'event')} in all."),
        *(_store(with_beats(store, beats, notes)) for store in stores),
    ]


async def _of_file(loaded: ServerSettings, found: list[Check]) -> bool:
    """Add the check of the SQLite file, and return whether there is no log in it."""
    found.append(Check.ok(DATABASE, f"The file {loaded.event_log.name}, by SQLite {sqlite3.sqlite_version}."))
    exists = loaded.event_log.exists()
    return not exists or await asyncio.to_thread(file.schema_state, loaded.event_log) == "empty"


async def _of_postgres(target: PostgresTarget, clock: Callable[[], int], found: list[Check]) -> bool:
    """Add the checks of a PostgreSQL, what m8's role may do there and its clock; return whether there is no log in it.

    Raises:
        Error: it cannot be reached, is too old, or others than m8's role may make functions there.
    """
    need_driver()
    from monoskope.m8.log.postgres import connections, facts, schema  # noqa: PLC0415 - asyncpg is an extra

    connection = await connections.connect(target)
    try:
        with connections.explained(target):
            await schema.check_owner(connection, target)
            before_ms = clock()
            said = await facts.facts(connection)
            apart_s = (before_ms + clock()) / 2_000 - said.now_s
    finally:
        connection.terminate()
    found.append(clock_check(apart_s, "the database"))
    found.append(postgres_check(said, target))
    return said.is_empty


def postgres_check(facts: Facts, target: PostgresTarget) -> Check:
    """Return the check of a PostgreSQL, of what m8's role may do there, and of who else may."""
    said = f"PostgreSQL {facts.version}, {target}."
    if not facts.may_write:
        return Check.fail(DATABASE, f"{said} m8's role may not write into all of its tables.", _PREPARE)
    if facts.changers is not None:
        who, fix = facts.changers
        return Check.warn(DATABASE, f"{said} {who}", fix)
    if facts.is_superuser:
        return Check.warn(DATABASE, f"{said} m8's role is a superuser, and needs a schema of its own alone.", _PREPARE)
    return Check.ok(DATABASE, f"{said} m8's role may write there, and no other role may make anything.")


def process_check(there: Sequence[Replica], loaded: ServerSettings) -> Check:
    """Return which m8 serve the log, as their heartbeats say."""
    if not there:
        within_s = loaded.file.timings.issuer_gone
        return Check.warn(PROCESSES, f"None was heard in the last {within_s:g} s.", "Start m8.")
    names = ", ".join(f"{one.note.address} on {one.note.host} ({one.note.version})" for one in there)
    if len({one.note.version for one in there}) > 1:
        return Check.warn(PROCESSES, f"They have different versions: {names}.", "Upgrade those that are behind.")
    return Check.ok(PROCESSES, f"Heard: {names}.")


def _store(store: views_pb2.SecretStore) -> Check:
    engines = [_ENGINES.get(one.engine, "unknown") for one in store.reactors if one.attached]
    trouble = any(one.attached and one.signers_trouble for one in store.reactors)
    return store_check(StoreSeen(store.name, store.active, engines, bool(store.reactors), trouble))


def _seen(looked: Looked) -> LogSeen:
    log, seen = looked.log, looked.seen
    return LogSeen(
        origin="" if seen.named is None else seen.named.origin,
        size=seen.size,
        signed_at_ms=0 if seen.newest is None else seen.newest.at_ms,
        trouble=log.trouble(seen),
        quorum=0 if log.cosigners is None else log.cosigners.quorum,
        quorum_trouble=log.quorum_trouble(seen),
        witnesses=[WitnessSeen(one.vkey.partition("+")[0], one.at_s * 1000, one.trouble) for one in seen.witnesses],
    )
