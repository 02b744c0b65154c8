"""The attack: everything that m8 has, searched for values that travelled through it, and for a control."""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from functools import partial

import pytest

from monoskope.testing.cluster import Cluster
from monoskope.testing.search import FORMS, Result, Wanted, look_below, look_in_rows, write_form
from monoskope.testing.search.memory import is_closed, look_in_memory
from tests.e2e.conftest import Team
from tests.e2e.ran import ok
from tests.support.absent import need_memory, need_tracing
from tests.support.what_stays import what_stays

PLACES = {"m8/log.db", "m8/log.db-wal", "m8/m8.log", "rows", "memory"}


def a_value() -> bytes:
    return f"value-{secrets.token_hex(12)}~?>".encode()


def a_control() -> bytes:
    """A random text whose base64 is a valid path segment."""
    while True:
        control = secrets.token_urlsafe(18).encode()
        if all(write_form(control, form).isalnum() for form in FORMS):
            return control


def everything_m8_has(cluster: Cluster, wanted: list[Wanted]) -> list[Result]:
    """Its folder, file by file; every cell of its database; its memory; and the log files of all the others."""
    home, pid = cluster.folder / "m8", cluster.m8.pid
    assert pid is not None
    with closing(sqlite3.connect(home / "log.db", timeout=60)) as connection:
        connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
    found = [look_in_memory(pid, wanted, place="memory"), look_in_rows(home / "log.db", wanted, place="rows")]
    files = look_below(cluster.folder, wanted)
    found += [file for file in files if file.place.startswith("m8/") or file.place.endswith((".log", ".jsonl"))]
    return found


@contextmanager
def nothing_overwritten(cluster: Cluster) -> Iterator[None]:
    """Keep what stands in the write-ahead log of m8's database, as long as the block runs.

    Once all of it is copied, SQLite writes over it from its beginning, unless somebody reads what was there.
    """
    with closing(sqlite3.connect(cluster.folder / "m8" / "log.db", timeout=60, isolation_level=None)) as connection:
        connection.execute("BEGIN")
        connection.execute("SELECT count(*) FROM events").fetchone()
        yield
        connection.execute("COMMIT")


def over_http(team: Team) -> tuple[str, ...]:
    """The options that lead through m8's HTTP door."""
    return ("--server", team.cluster.server, "--token-file", str(team.user.token_file))


def test_m8_never_holds_a_value_whatever_becomes_of_the_request(team: Team) -> None:
    cluster = team.cluster
    uploaded, unwelcome, guess, sent_twice, over_https, binary, large = (a_value() for _ in range(7))
    binary = b"\xff\x00" + binary
    large = secrets.token_hex(40_000).encode()
    ok(team.put(team.uri("vault"), team.uri("local"), value=uploaded))
    assert team.put(team.uri("vault"), "--expect", "absent", value=unwelcome).code == 6
    assert team.compare(team.uri("vault"), value=guess).code == 12
    for _ in range(2):
        ok(team.put(team.uri("local", "twice"), value=sent_twice))
    ok(team.put(team.uri("vault", "door"), *over_http(team), value=over_https))
    assert team.put(team.uri("vault", "bytes"), value=binary).code == 3
    ok(team.put(team.uri("local", "large"), value=large))

    control = a_control()
    path = "/".join(dict.fromkeys(write_form(control, form) for form in FORMS))
    watch = ("get", "events", "--watch", "--after", "0", "--prefix", team.uri("local", path), "-o", "json")
    watcher = team.user.background("monoctl", *watch, log=f"{team.user.name}/watch.out")
    with ExitStack() as reading:
        reading.callback(watcher.stop)
        with nothing_overwritten(cluster):
            ok(team.put(team.uri("local", path), value=b"nothing to hide"))
            reading.enter_context(nothing_overwritten(cluster))
        watcher.wait_for(lambda: watcher.log.read_text().count("\n") >= 5)
        values = [uploaded, unwelcome, guess, sent_twice, over_https, binary, large]
        wanted = [Wanted.of(f"value {number}", value) for number, value in enumerate(values)]
        wanted.append(Wanted.of("fingerprint key", (cluster.folder / "reactor-vault" / "fingerprint.key").read_bytes()))
        results = everything_m8_has(cluster, [*wanted, Wanted.of("control", control)])

    assert {result.place for result in results} >= PLACES
    for result in results:
        if result.place == "memory" and is_closed():
            continue
        assert result.searched, result.reason
        for one in wanted:
            assert result.total(one.name) == 0, (result.place, one.name, result.hits[one.name])
        if result.place in PLACES:
            blind = [form for form, count in result.hits["control"].items() if count == 0]
            assert not blind, (result.place, blind)
    need_memory()


def test_a_reactor_keeps_nothing_of_a_value_that_it_wrote(team: Team) -> None:
    """Its memory still tells which secret it was, so the search can see; the value itself is gone.

    A reactor is not dumpable: only root may look.
    """
    need_tracing()
    values = [a_value(), secrets.token_hex(2_000).encode(), secrets.token_hex(30_000).encode()]
    path = secrets.token_hex(8)
    for value in values:
        ok(team.put(team.uri("vault", path), team.uri("local", path), value=value))
    values.append(a_value())
    ok(team.put(team.uri("vault", path), *over_http(team), value=values[-1]))
    wanted = [Wanted.of(f"value {number}", value) for number, value in enumerate(values)]
    for name in ("reactor-vault", "reactor-local"):
        assert what_stays(partial(left_in, team, name, wanted, path)) == [], name


def left_in(team: Team, reactor: str, values: list[Wanted], path: str) -> list[str]:
    """The values that are in a reactor's memory, in which its secrets' path must be."""
    pid = team.cluster.reactors[reactor].pid
    assert pid is not None
    result = look_in_memory(pid, [*values, Wanted.of("path", path.encode())])
    assert result.searched, result.reason
    assert result.total("path", "raw") > 0
    return [one.name for one in values if result.total(one.name)]


def test_m8_did_carry_what_it_could_not_read(team: Team) -> None:
    """The sealed bytes of an upload lie in m8's database, as long as the padded value and the overhead of suite 1."""
    before = sealed_sizes(team.cluster)
    ok(team.put(team.uri("local"), value=a_value()))
    assert sealed_sizes(team.cluster) == [*before, 1120 + 512 + 16]


def sealed_sizes(cluster: Cluster) -> list[int]:
    with closing(sqlite3.connect(cluster.folder / "m8" / "log.db")) as connection:
        return [size for (size,) in connection.execute("SELECT length(body) FROM sealed ORDER BY rowid")]


def test_two_seals_of_one_value_have_nothing_in_common(team: Team) -> None:
    value = a_value()
    ok(team.put(team.uri("vault"), team.uri("local"), value=value))
    with closing(sqlite3.connect(team.cluster.folder / "m8" / "log.db")) as connection:
        rows = connection.execute("SELECT body FROM sealed ORDER BY rowid DESC LIMIT 2").fetchall()
    first, second = (bytes(body) for (body,) in rows)
    pieces = {first[at : at + 8] for at in range(len(first) - 8)}
    assert not pieces & {second[at : at + 8] for at in range(len(second) - 8)}


@pytest.mark.parametrize("kept", ["token-signing.key", "tls.key", "log.db"])
def test_what_m8_keeps_private_is_for_its_owner_alone(cluster: Cluster, kept: str) -> None:
    assert (cluster.folder / "m8" / kept).stat().st_mode & 0o077 == 0
