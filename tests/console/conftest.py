"""One real cluster a worker, one browser and one `monoctl console` a module, and for each test a page of its own."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from monoskope.testing.cluster import ALL_RIGHTS, MOUNT, PREFIX, Cluster
from tests.console.page import ConsolePage
from tests.e2e.conftest import Team
from tests.support import browser
from tests.support.console import Console

SILENT = "silent"
"""A store of the cluster that no reactor serves."""


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """m8, OpenBao, and the stores `vault` (which may copy to `local`), `local` and `SILENT`."""
    with Cluster(tmp_path_factory.mktemp("console")) as cluster:
        cluster.start_m8()
        cluster.start_openbao()
        cluster.make_vault_reactor("vault", readable=True)
        cluster.make_local_reactor("local")
        cluster.make_local_reactor(SILENT)
        cluster.allow_copy("vault", "local")
        cluster.share_fingerprint_key("reactor-vault", "reactor-local")
        for store in ("vault", "local", SILENT):
            cluster.add_store(store)
        cluster.start_reactor("vault")
        cluster.start_reactor("local")
        yield cluster


_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def team(cluster: Cluster) -> Team:
    """A team that no other module knows; its user may do everything below its name, and has agreed to all stores."""
    name = f"desk-{next(_numbers)}"
    prefixes = [f"{store}://{name}" for store in ("vault", "local", SILENT)]
    user = cluster.add_user(f"user-of-{name}", prefixes=prefixes, rights=(*ALL_RIGHTS, "list"))
    return Team(name, user, cluster)


@pytest.fixture(scope="module")
def chromium() -> Iterator[browser.Chromium]:
    """A browser for all tests of a module. It ends with the module, and Playwright's event loop with it."""
    with browser.chromium() as running:
        yield running


@pytest.fixture(scope="module")
def console(team: Team) -> Iterator[Console]:
    """One console of the team's user; `press_enter` makes the next address."""
    with Console(team.user) as running:
        yield running


Visit = Callable[..., contextlib.AbstractContextManager[ConsolePage]]


@pytest.fixture
def visit(chromium: browser.Chromium, console: Console) -> Visit:
    """Open the console in a browser without a past, as often as wanted.

    Its words are `address`, by default a new one, `begins`, whether that one still counts, and those of
    `Chromium.visit`.
    """

    @contextlib.contextmanager
    def open_page(*, address: str = "", begins: bool = True, **words: Any) -> Iterator[ConsolePage]:
        with chromium.visit(**words) as page:
            page.goto(address or console.next_address())
            opened = ConsolePage(page)
            if begins:
                opened.has_begun()
            yield opened

    return open_page


@pytest.fixture
def page(visit: Visit) -> Iterator[ConsolePage]:
    """The console in a browser without a past."""
    with visit() as opened:
        yield opened


def upstream(cluster: Cluster, path: str) -> dict[str, str]:
    """What OpenBao itself holds at a path of the store `vault`, read with its own root token."""
    data: dict[str, str] = cluster.bao.call("GET", f"{MOUNT}/data/{PREFIX}/{path}")["data"]["data"]
    return data
