"""One real cluster a worker, its long waits shortened, whose parts can be made to break at a named place."""

from __future__ import annotations

import itertools
import tomllib
from collections.abc import Iterator

import pytest

from monoskope.testing.cluster import Cluster
from tests.crash.auditor import Auditor
from tests.crash.breaking import FIRST, SECOND, Crash
from tests.faults.logbook import Logbook
from tests.faults.parts import ENGINE_TIMEOUTS, M8_TIMINGS, shorten, shorten_reactor
from tests.support.engines import AgeEngine, Engine, OpenBaoEngine


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """m8, OpenBao and the store `vault` with two reactor folders. The second does not run."""
    with Cluster(tmp_path_factory.mktemp("crash")) as cluster:
        cluster.must("m8", "init", "folder", "--dir", "m8", "--listen", cluster.server)
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
