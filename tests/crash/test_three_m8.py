"""Three m8 on one log, two reactors, and users with the list of all three: whichever m8 goes, users notice nothing."""

from __future__ import annotations

import asyncio
import functools
import json
import tomllib
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from monoskope.client import Client
from monoskope.client.settings import ClientSettings
from monoskope.exit_codes import ExitCode
from monoskope.m8.background.presence import Replica, replicas
from monoskope.m8.cli.common import opened
from monoskope.testing.cluster.commands import User
from monoskope.testing.cluster.replicas import ReplicaCluster
from monoskope.testing.engines.postgres import Postgres
from monoskope.testing.parts import POLL_S, READY_S, Part, listens, wait_until
from tests.crash.auditor import Auditor
from tests.crash.breaking import Crash, sessions
from tests.faults.logbook import Logbook
from tests.faults.parts import M8_TIMINGS, database_settings, shorten, shorten_reactor
from tests.faults.table import FAULTS
from tests.ha.puts import Puts
from tests.support.engines import AgeEngine

CLIENTS = 4
PAUSE_S = 0.1
"""Between two puts of a client: what goes wrong is seen by those under way, not by how many there are."""
STORE = "local"
FOLDERS = ("reactor-local", "reactor-local-2", "reactor-local-3")
OPENED = {"requested": 30.0, "granted_grace": 1.0}
"""No test waits for these; a machine under load must not run into them."""


def set_up(cluster: ReplicaCluster) -> None:
    """Start three m8, and a store of age files with two reactors; a third can be started."""
    cluster.must("m8", "init", "folder", "--dir", "m8", "--listen", cluster.server)
    shorten(cluster.folder / "m8" / "m8.toml", timings={**M8_TIMINGS, **OPENED})
    cluster.start_m8()
    for folder in FOLDERS:
        cluster.make_local_reactor(STORE, folder=folder)
    cluster.share_fingerprint_key(*FOLDERS)
    cluster.add_store(STORE)
    # All of them serve the files of the first.
    engine = tomllib.loads((cluster.folder / FOLDERS[0] / "reactor.toml").read_text(encoding="utf-8"))["engine"]
    for folder in FOLDERS:
        shorten_reactor(cluster.folder / folder, **engine)
    for folder in FOLDERS[:2]:
        cluster.start_reactor(STORE, folder=folder)


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ReplicaCluster]:
    with ReplicaCluster(tmp_path_factory.mktemp("three")) as cluster:
        set_up(cluster)
        yield cluster


@pytest.fixture(scope="module")
def on_postgres(tmp_path_factory: pytest.TempPathFactory, postgres: Postgres) -> Iterator[ReplicaCluster]:
    folder = tmp_path_factory.mktemp("three-on-postgres")
    database = database_settings(postgres.target(postgres.create_database()), folder)
    with ReplicaCluster(folder, settings=database) as cluster:
        set_up(cluster)
        yield cluster


@pytest.fixture(scope="module")
def user(three: ReplicaCluster) -> User:
    return user_of(three)


def user_of(cluster: ReplicaCluster) -> User:
    """The cluster's user, made at the first look."""
    known = User("user", cluster.folder / "user", cluster)
    return known if known.home.exists() else cluster.add_user("user", prefixes=[f"{STORE}://crash"])


@pytest.fixture(params=["on_postgres", pytest.param("three", marks=pytest.mark.soak)])
def each(request: pytest.FixtureRequest) -> ReplicaCluster:
    """Three m8 on each engine of the log."""
    cluster = request.getfixturevalue(request.param)
    assert isinstance(cluster, ReplicaCluster)
    return cluster


def dialling(three: ReplicaCluster, user: User, *servers: str) -> ClientSettings:
    """The settings of a client that tries these servers in order."""
    return ClientSettings(
        servers=servers,
        token=user.token_file.read_text().strip(),
        ca_file=three.folder / "m8" / "ca.crt",
        store_identities=three.identities,
    )


def _is_gone(part: Part) -> bool:
    return part.pid is None


async def until(done: Callable[[], bool]) -> None:
    """Ask `done` until it says yes. Raises `TimeoutError`."""
    async with asyncio.timeout(READY_S):
        while not done():
            await asyncio.sleep(POLL_S)


async def under_load(three: ReplicaCluster, user: User, name: str, *, kill: bool) -> Puts:
    """Let each m8 go and come back, one after the other, while clients put."""
    puts = Puts(three, user, f"crash/{name}", store=STORE, clients=CLIENTS, pause_s=PAUSE_S)
    async with puts.running():
        await puts.each_goes_on()
        for number, part in enumerate(three.m8s):
            if kill:
                part.kill()
            part.ask_to_stop()
            await until(functools.partial(_is_gone, part))
            # Not in another thread: what a thread started dies with it.
            part.start()
            await until(functools.partial(listens, three.servers[number]))
            await puts.each_goes_on()
    assert puts.failures == []
    return puts


def log_of(three: ReplicaCluster) -> list[dict[str, str]]:
    """Every event, as the log has it."""
    found: list[dict[str, str]] = three.must("m8", "events", "--dir", "m8", "--limit", "100000", "-o", "json").json()
    return found


def shown_by(watch: Part) -> list[int]:
    """The positions that a watching command has printed."""
    said = watch.log.read_text().splitlines(keepends=True)
    # Its last line may be half written.
    return [json.loads(line)["position"] for line in said if line.startswith("{") and line.endswith("\n")]


async def test_what_one_acknowledged_all_show(each: ReplicaCluster) -> None:
    """Also through an m8 to which no reactor is attached: it hears of grants and receipts from the log."""
    user = user_of(each)
    clients = [Client(dialling(each, user, server), notify=lambda _: None) for server in each.servers]
    for client in clients:
        await client.__aenter__()
    try:
        for turn in range(6):
            uri = f"{STORE}://crash/seen/{turn}"
            put = await clients[turn % 3].put_secret(uri, {"password": b"a value"})
            shown = await asyncio.gather(*(client.get_secret(uri) for client in clients))
            assert [secret.upstream_version for secret in shown] == [put.upstream_version] * 3
            ended = await asyncio.gather(*(client.get_upload(put.request_id, wait=True) for client in clients))
            assert {upload.outcome for upload in ended} == {"UPLOADED"}
    finally:
        for client in clients:
            await client.__aexit__(None, None, None)


@pytest.mark.parametrize("kill", [False, pytest.param(True, marks=pytest.mark.soak)], ids=["stop", "kill"])
async def test_nobody_notices_that_each_m8_is_restarted(each: ReplicaCluster, *, kill: bool) -> None:
    three, user = each, user_of(each)
    name = "killed" if kill else "rolled"
    begin = len(log_of(three))
    words = ("monoctl", "get", "events", "--watch", "--after", str(begin), "-o", "json", "--prefix", f"{STORE}://crash")
    watch = user.background(*words, log=f"{name}.jsonl")
    try:
        puts = await under_load(three, user, name, kill=kill)
        events = [event for event in log_of(three)[begin:] if event["stream"].startswith("upload/")]
        # The watcher has seen every event once and in order, over the breaks.
        positions = [int(event["position"]) for event in events]
        wait_until(lambda: shown_by(watch)[-1:] == positions[-1:], what="the watcher has seen the last event")
        assert shown_by(watch) == positions
    finally:
        watch.stop()
    kinds = Counter((event["stream"], event["type"]) for event in events)
    assert max(kinds.values()) == 1
    ends = Counter(event["type"] for event in events)
    assert ends["SecretUploadKeyProvided"] == ends["SecretUploaded"] == len(puts.done)
    assert len(three.attached(STORE)) == 2
    for part in three.m8s:
        assert '"level": "error"' not in part.log.read_text()


async def said(three: ReplicaCluster) -> list[Replica]:
    """What each m8 says of itself, read past m8."""
    async with opened(three.folder / "m8") as (_, log):
        return replicas(await log.beats(), await log.beat_notes())


def keepers(three: ReplicaCluster) -> list[str]:
    """Where the m8 that say that they keep the time listen."""
    return [replica.note.address for replica in asyncio.run(said(three)) if "timekeeper" in replica.note.leases]


def another_than(three: ReplicaCluster, *former: str) -> str:
    """Wait until one m8 keeps the time, and not one of these, and return it."""
    # What a killed one said of itself stands until it is forgotten.
    wait_until(lambda: len(now := keepers(three)) == 1 and now[0] not in former, what="another m8 keeps the time")
    return keepers(three)[0]


def test_one_m8_keeps_the_time_and_another_does_once_it_is_gone(each: ReplicaCluster) -> None:
    first = another_than(each)
    each.m8s[each.servers.index(first)].kill()
    second = another_than(each, first)
    each.start_one(each.servers.index(first))
    # One that stands still past its lease finds another in its place, and gives way.
    with FAULTS["stop"].breaks(each.m8s[each.servers.index(second)]):
        third = another_than(each, second)
    wait_until(lambda: len(listed(each)) == len(each.servers), what="all three are listed")
    # What the one that stood still says of itself is from before until it says more.
    wait_until(lambda: keepers(each) == [third], what="one keeps the time, and it is the third")


def listed(three: ReplicaCluster) -> list[str]:
    """Where the m8 listen of which one says that they serve the log, and are heard."""
    rows = three.must("m8", "replicas", "--dir", "m8-2", "-o", "json").json()
    return [row["address"] for row in rows if row["heard"] == "yes"]


def test_an_m8_with_another_signing_key_does_not_start_beside_the_others(each: ReplicaCluster) -> None:
    each.must("m8", "init", "folder", "--dir", "stranger", "--listen", "127.0.0.1:0")
    home = each.folder / "stranger"
    each.share_log(home)
    ran = each.run("m8", "serve", "--dir", "stranger")
    assert ran.code == ExitCode.REFUSED, ran.err
    assert "serves this log with another token signing key" in ran.err
    assert "Copy token-signing.key" in ran.err
    with_another_audience(home, each.folder / "m8")
    ran = each.run("m8", "serve", "--dir", "stranger")
    assert ran.code == ExitCode.REFUSED, ran.err
    assert "another audience: m8; ours is elsewhere" in ran.err


def with_another_audience(home: Path, like: Path) -> None:
    """Give a server the signing key of another one, and an audience of its own."""
    (home / "token-signing.key").write_bytes((like / "token-signing.key").read_bytes())
    text = (home / "m8.toml").read_text(encoding="utf-8")
    (home / "m8.toml").write_text(f'audience = "elsewhere"\n{text}', encoding="utf-8")


@pytest.fixture
def crash(three: ReplicaCluster, user: User) -> Iterator[Crash]:
    """All three reactors, armed as a test says, and two of them as before afterwards."""
    engine = AgeEngine(three.folder / FOLDERS[0])
    crash = Crash(three, user, Auditor(Logbook(three.folder / "m8"), {STORE: engine}, user), team="three")
    yield crash
    three.reactors[FOLDERS[2]].kill()
    crash.start_reactors("", *FOLDERS[:2])


@pytest.mark.soak
@pytest.mark.parametrize(
    ("place", "code", "versions"),
    [
        ("after-write", ExitCode.OK, 1),
        ("after-grant", ExitCode.OUTCOME_UNKNOWN, 0),
        ("before-open", ExitCode.OUTCOME_UNKNOWN, 0),
        ("after-started", ExitCode.OUTCOME_UNKNOWN, 0),
        ("before-write", ExitCode.OUTCOME_UNKNOWN, 0),
        ("after-receipt", ExitCode.OK, 1),
    ],
)
def test_of_three_reactors_the_one_that_gave_the_key_dies(
    crash: Crash, place: str, code: ExitCode, versions: int
) -> None:
    parts = crash.start_reactors(f"reactor.{place}=kill", *FOLDERS)
    put = crash.put(uri=f"{STORE}://crash/three/{place}", background=True)
    wait_until(lambda: any(part.pid is None for part in parts), what="the reactor that gave the key dies")
    crash.check(put, code)
    assert crash.versions(put) == versions
    [request] = crash.audit.requests(put.uri).values()
    assert request.types.count("SecretUploadKeyProvided") == 1
    assert sum(part.pid is None for part in parts) == 1
    assert all(sessions(part) for part in parts)
