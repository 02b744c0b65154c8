"""One real cluster a worker; one of each browser, one user and one `monoctl console` for all tests of this folder.

Browsers and console are started at the first look and end with the last test of the folder that follows another
(`pytest_runtest_teardown`): Playwright's event loop must not run while asynchronous tests of other folders do.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

from monoskope.testing.cluster import ALL_RIGHTS, MOUNT, PREFIX, Cluster, editing
from monoskope.testing.cluster.commands import User
from monoskope.testing.cluster.identities import Identity
from tests.console.firefox import Firefox, started
from tests.console.page import ConsolePage
from tests.e2e.conftest import Team
from tests.support import browser
from tests.support.console import Console

SILENT = "silent"
"""A store of the cluster that no reactor serves."""


IDLE = "idle"
"""A store of the cluster that no administrator activated."""


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """m8, OpenBao, the stores `vault` (which may copy to both) and `local`, and `SILENT` and `IDLE`.

    The reactor of `local` lets nobody compare a secret twice, and takes 4,096 bytes.
    """
    with Cluster(tmp_path_factory.mktemp("console")) as cluster:
        cluster.start_m8()
        cluster.start_openbao()
        cluster.make_vault_reactor("vault", readable=True)
        cluster.make_local_reactor("local")
        with editing(cluster.folder / "reactor-local" / "reactor.toml") as table:
            table["limits"] = {"compares_per_hour_per_uri": 1, "max_plaintext": 4_096}
        for store in ("local", "vault"):
            cluster.allow_copy("vault", store)
        cluster.share_fingerprint_key("reactor-vault", "reactor-local")
        for store in ("vault", "local"):
            cluster.add_store(store)
        for store in (SILENT, IDLE):
            cluster.identities[store] = Identity().shown
            words = ("--type", "age", "--identity", cluster.identities[store])
            cluster.must("monoctl", "create", "secret-store", store, *words, user=cluster.administrator)
        cluster.must("monoctl", "activate", "secret-store", SILENT, user=cluster.administrator)
        cluster.start_reactor("vault")
        cluster.start_reactor("local")
        yield cluster


@pytest.fixture(scope="session")
def team(cluster: Cluster) -> Team:
    """A team whose user may do everything below its name, and has agreed to all stores. Each test has its own paths."""
    prefixes = [f"{store}://desk" for store in ("vault", "local", SILENT, IDLE)]
    return Team("desk", cluster.add_user("user-of-desk", prefixes=prefixes, rights=(*ALL_RIGHTS, "list")), cluster)


class Shared:
    """The browsers, a console, and a page that tests hand on as they found it."""

    def __init__(self) -> None:
        self._last = contextlib.ExitStack()
        self._chromium: browser.Chromium | None = None
        self._firefox: Firefox | None = None
        self._console: Console | None = None
        self._tab = contextlib.ExitStack()
        self._page: tuple[Console, ConsolePage] | None = None
        self._watched = browser.Watched()

    def chromium(self) -> browser.Chromium:
        if self._chromium is None:
            self._chromium = self._last.enter_context(browser.chromium())
        return self._chromium

    def firefox(self) -> Firefox:
        if self._firefox is None:
            self._firefox = self._last.enter_context(started())
        return self._firefox

    def console(self, user: User) -> Console:
        if self._console is None or self._console.has_ended():
            self._console = self._last.enter_context(Console(user))
        return self._console

    @contextlib.contextmanager
    def page(self, user: User) -> Iterator[ConsolePage]:
        """The page of the console of `user`, at its beginning; another one if the last test could not leave it so."""
        console = self.console(user)
        if self._page is None or self._page[0] is not console:
            self._page = (console, self._open(console))
        page, seen = self._page[1], len(self._watched.wrong)
        try:
            yield page
        finally:
            if not page.is_left_as_found():
                self._page = None
            assert not self._watched.wrong[seen:], f"{self._watched.wrong}, and answers {self._watched.refused}"

    def _open(self, console: Console) -> ConsolePage:
        self._tab.close()
        self._watched = browser.Watched()
        tab = self._tab.enter_context(self.chromium().visit(watched=self._watched))
        return ConsolePage.begin(tab, console.next_address())

    def close(self) -> None:
        self._chromium = self._firefox = self._console = self._page = None
        self._tab.close()
        self._last.close()


_SHARED = Shared()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(nextitem: pytest.Item | None) -> Generator[None]:
    """End what is shared, if the next test is none of this folder."""
    yield
    if nextitem is None or Path(__file__).parent not in nextitem.path.parents:
        _SHARED.close()


@pytest.fixture(scope="session")
def shared() -> Iterator[Shared]:
    yield _SHARED
    _SHARED.close()


@pytest.fixture
def chromium(shared: Shared) -> browser.Chromium:
    return shared.chromium()


@pytest.fixture
def console(shared: Shared, team: Team) -> Console:
    """The console of the team's user; `press_enter` makes the next address."""
    return shared.console(team.user)


@pytest.fixture
def firefox(shared: Shared) -> Iterator[Firefox]:
    """A Firefox that tests hand on, at an empty page."""
    found = shared.firefox()
    yield found
    logged = [*found.logged]
    found.open("about:blank")
    found.logged.clear()
    assert logged == []


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
def page(shared: Shared, team: Team) -> Iterator[ConsolePage]:
    """The console in a page that earlier tests may have used, at its beginning."""
    with shared.page(team.user) as opened:
        yield opened


def upstream(cluster: Cluster, path: str) -> dict[str, str]:
    """What OpenBao itself holds at a path of the store `vault`, read with its own root token."""
    data: dict[str, str] = cluster.bao.call("GET", f"{MOUNT}/data/{PREFIX}/{path}")["data"]["data"]
    return data
