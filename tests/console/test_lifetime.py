"""How a console goes on while m8 does not, and how it ends."""

from __future__ import annotations

import os
import signal
import sys

from playwright.sync_api import expect

from tests.console.page import ConsolePage
from tests.e2e.conftest import Team
from tests.support.browser import Chromium, Watched
from tests.support.console import Console

VALUE = "a value after the break: 11fe"

PATIENCE_MS = 5_000
"""How long a page waits for a sign of life, as console/src/api/failures.ts has it."""

# The program itself, with a minute that becomes shorter when it is told so: a page takes its time to begin.
HURRIED = """
import signal
from monoskope.monoctl.console import session as sessions
signal.signal(signal.SIGUSR1, lambda *_: setattr(sessions, "GONE_S", 0.5))
from monoskope.monoctl.__main__ import main
main()
"""


def test_m8_goes_away_and_comes_back_and_nothing_is_lost(page: ConsolePage, team: Team) -> None:
    form = page.open_put().to("vault", f"{team.name}/break").value("password", VALUE)
    team.cluster.m8.kill()
    expect(page.page.get_by_text("m8 does not answer").first).to_be_visible()
    team.cluster.start_m8()
    expect(page.page.get_by_text("m8 answers again").first).to_be_visible()
    expect(form.sent("Put the secret")).to_contain_text("Uploaded")


def test_the_console_ends_when_its_last_page_is_gone(team: Team, chromium: Chromium) -> None:
    with Console(team.user, starts=(sys.executable, "-c", HURRIED)) as running:
        with chromium.visit() as tab:
            ConsolePage.begin(tab, running.next_address())
            assert not running.has_ended()
            os.kill(running.pid, signal.SIGUSR1)
        assert running.end() == 0


def test_ctrl_c_ends_the_console_and_the_page_says_so(team: Team, chromium: Chromium) -> None:
    watched = Watched()  # the requests that nobody answers are told there
    with Console(team.user) as running, chromium.visit(watched=watched) as tab:
        tab.clock.install()
        ConsolePage.begin(tab, running.next_address())
        with tab.expect_event("requestfailed"):
            running.interrupt()
        assert running.end() == 0
        tab.clock.run_for(PATIENCE_MS)
        expect(tab.get_by_role("heading", level=1)).to_have_text("monoctl console has ended")
