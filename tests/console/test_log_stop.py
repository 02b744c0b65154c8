"""m8's log is rewritten while a console runs: its page stops, shows both notes, and asks nothing more."""

from __future__ import annotations

import base64
from collections.abc import Iterator

import pytest
from playwright.sync_api import Request, expect

from tests.console.conftest import Shared
from tests.console.page import ConsolePage
from tests.support.browser import Watched
from tests.support.console import Console
from tests.support.log_world import LogCluster, rewritten


@pytest.fixture
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LogCluster]:
    """An m8 of this test's own: nobody else could use it afterwards."""
    world = LogCluster(tmp_path_factory.mktemp("stop"))
    with world.cluster:
        world.start()
        world.covered(world.anna)
        yield world


def test_a_log_that_was_rewritten_is_a_full_stop_with_both_notes_and_nothing_more_is_asked(
    world: LogCluster, shared: Shared
) -> None:
    known = (world.anna.known_stores.parent / "known_logs").read_text(encoding="utf-8").split()
    asked: list[str] = []

    def sent(request: Request) -> None:
        if "/api/" in request.url and not request.url.endswith("/api/live"):
            asked.append(request.url)

    with Console(world.anna) as running, shared.chromium().visit(watched=Watched()) as tab:
        page = ConsolePage.begin(tab, running.next_address())
        tab.on("request", sent)
        world.cluster.m8.stop()
        world.copy("honest")
        rewritten(world)

        stop = tab.get_by_role("alertdialog")
        expect(stop.get_by_role("heading", name="Stop. m8 shows another log than before.")).to_be_visible()
        expect(stop).to_contain_text("has two different trees of")
        notes = stop.locator("pre").all_text_contents()
        assert [note.startswith("monoskope/") and note.count("\n— monoskope/") for note in notes] == [2, 2]
        assert notes[0] == base64.b64decode(known[-1]).decode()
        assert notes[0].splitlines()[:2] == notes[1].splitlines()[:2]
        assert notes[0].splitlines()[2] != notes[1].splitlines()[2]

        assert stop.evaluate("one => one.scrollWidth <= innerWidth")

        before = len(asked)
        stop.get_by_role("button", name="Leave").click()
        expect(tab.get_by_text("Nothing more is sent from this page.")).to_be_visible()
        page.go("Stores")
        expect(tab.get_by_role("main").get_by_text("has two different trees of").first).to_be_visible()
        page.open_put()
        expect(tab.get_by_text("The stores are not known:").first).to_be_attached()
        tab.keyboard.press("Escape")
        tab.get_by_role("button", name="Show why").click()
        expect(stop).to_be_visible()
        assert asked[before:] == []
