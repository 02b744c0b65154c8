"""One real cluster a worker, its long waits shortened, whose parts can be made to break at a named place."""

from __future__ import annotations

import itertools
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import tomli_w

from monoskope.settings import write_private
from monoskope.testing.cluster import Cluster
from tests.crash.auditor import Auditor
from tests.crash.breaking import FIRST, SECOND, Crash
from tests.crash.logbook import Logbook
from tests.support.engines import AgeEngine, Engine, OpenBaoEngine

M8_TIMINGS = {
    "requested": 20.0,  # a reactor that was killed before its grant starts anew in it, on a busy machine too
    "granted_grace": 1.0,
    "issuer_gone": 2.5,
    "silence": 2.2,
    "heartbeat": 1,
    "tick": 0.1,
}
REACTOR_TIMINGS = {
    "write_window": 2.0,
    "issuer_gone": 0.5,
    "settle": 2.5,
    "lookups": [0.0, 0.5],
    "lookup_retry": 0.5,
    "lookup_tries": 3,
    "tick": 0.1,
    "backoff_least": 0.1,
    "backoff_most": 0.3,
    "append_retry": 0.3,
    "drain": 3.0,
}
ENGINE_TIMEOUTS = {"timeout_s": 1.25, "connect_timeout_s": 1.25}
LIFETIME_S = 30
"""The shortest that the protocol allows."""


def shorten(file: Path, **tables: dict[str, object]) -> None:
    """Put more into the tables of a settings file."""
    known = tomllib.loads(file.read_text(encoding="utf-8"))
    changed = {name: {**known.get(name, {}), **table} for name, table in tables.items()}
    write_private(file, tomli_w.dumps(known | changed).encode(), replace=True)


def shorten_reactor(home: Path, **engine: object) -> None:
    """Shorten what a reactor waits for."""
    shorten(home / "reactor.toml", timings=dict(REACTOR_TIMINGS), limits={"lifetime_s": LIFETIME_S}, engine=engine)


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """m8, OpenBao and the store `vault` with two reactor folders. The second does not run."""
    with Cluster(tmp_path_factory.mktemp("crash")) as cluster:
        cluster.must("m8", "init", "--dir", "m8", "--listen", cluster.server)
        shorten(cluster.folder / "m8" / "m8.toml", timings=dict(M8_TIMINGS))
        cluster.start_m8()
        cluster.start_openbao()
        cluster.make_vault_reactor("vault", readable=True)
        cluster.add_store("vault")
        cluster.make_vault_reactor("vault", folder=SECOND, readable=True, server=cluster.server)
        cluster.share_fingerprint_key(FIRST, SECOND)
        for home in (FIRST, SECOND):
            shorten_reactor(cluster.folder / home, **ENGINE_TIMEOUTS)
        yield cluster


@pytest.fixture(scope="session")
def whole(cluster: Cluster) -> Crash:
    """What breaks the cluster, with a user whose prefixes are in each store."""
    user = cluster.add_user("user", prefixes=["vault://crash", "local://crash"])
    engines: dict[str, Engine] = {
        "vault": OpenBaoEngine(cluster.bao),
        "local": AgeEngine(cluster.folder / "reactor-local"),
    }
    crash = Crash(cluster, user, Auditor(Logbook(cluster.folder / "m8"), engines, user))
    crash.reactor()
    return crash


_teams = itertools.count(1)


@pytest.fixture
def crash(whole: Crash) -> Iterator[Crash]:
    """Paths of its own for a test, and everything running and attached again afterwards."""
    whole.team = f"t{next(_teams)}"
    yield whole
    whole.again()


@pytest.fixture(scope="session")
def local(whole: Crash) -> Crash:
    """The store `local`, of age files, with two reactor folders for the same files, the second not running."""
    cluster = whole.cluster
    cluster.make_local_reactor("local")
    cluster.make_local_reactor("local", folder="reactor-local-2")
    cluster.share_fingerprint_key(FIRST, "reactor-local", "reactor-local-2")
    cluster.add_store("local")
    cluster.pin_all(whole.user)
    cluster.allow_copy("vault", "local")
    engine = tomllib.loads((cluster.folder / "reactor-local" / "reactor.toml").read_text())["engine"]
    for home in ("reactor-local", "reactor-local-2"):
        shorten_reactor(cluster.folder / home, **engine)
    whole.reactor(folder="reactor-local")
    return whole
