"""Who else may hold a console's link or its port: what they get, and how its user learns of it."""

from __future__ import annotations

import os
import signal
from urllib.parse import urlsplit

from playwright.sync_api import expect

from monoskope.monoctl.console.serving.application import SECOND
from tests.console.conftest import Visit
from tests.console.page import ConsolePage
from tests.console.thief import thief
from tests.e2e.conftest import Team
from tests.support.browser import Chromium, Watched
from tests.support.console import Console

VALUE = "a value that a thief waits for: 77d0"


def test_who_takes_the_port_of_a_console_that_was_killed_gets_no_value_and_the_page_says_that_it_ended(
    chromium: Chromium, team: Team
) -> None:
    watched = Watched()  # the broken stream is told there
    with Console(team.user) as running, chromium.visit(watched=watched) as tab:
        address = running.next_address()
        page = ConsolePage.begin(tab, address)
        form = page.open_put().to("vault", f"{team.name}/thief").value("password", VALUE)
        fields = form.panel.locator("textarea").element_handles()
        os.kill(running.pid, signal.SIGKILL)
        running.end()
        with thief(urlsplit(address).port or 0) as loot:
            form.try_to_press("Put the secret")
            expect(tab.get_by_role("heading", level=1)).to_have_text("monoctl console has ended")
        assert [field.evaluate("one => one.value") for field in fields] == [""] * len(fields)
        assert VALUE not in tab.content()
        got = b"".join(loot.bodies) + "".join(loot.heads).encode()
    for secret in (VALUE, team.name, "password", urlsplit(address).fragment):
        assert secret.encode() not in got
    for body in loot.bodies:  # sealed, so that nobody can read anything of it
        assert b'"' not in body[:2]


def test_who_uses_a_stolen_link_first_loses_the_session_when_its_user_comes_and_the_terminal_tells_of_it(
    visit: Visit, console: Console
) -> None:
    address = console.next_address()
    told = console.terminal().count(SECOND)
    with visit(address=address) as stranger, visit(address=address, begins=False) as user:
        expect(user.page.get_by_role("heading", level=1)).to_have_text("This link was used before")
        expect(user.page.get_by_text("If that was not you, somebody else has read it")).to_be_visible()
        expect(stranger.page.get_by_role("heading", level=1)).to_have_text("The session of this page has ended")
        expect(stranger.page.get_by_text("Press Enter in the terminal")).to_be_visible()
        expect(stranger.page.get_by_role("button", name="Put a secret")).to_have_count(0)
    assert " ".join(console.terminal().split()).count(SECOND) == told + 1


def test_a_reloaded_page_says_what_to_do_and_enter_opens_a_new_one(visit: Visit, console: Console) -> None:
    with visit() as page:
        page.page.reload()
        expect(page.page.get_by_role("heading", level=1)).to_have_text("This page was reloaded")
        expect(page.page.get_by_text("Press Enter in the terminal")).to_be_visible()
        ConsolePage.begin(page.page, console.next_address())
