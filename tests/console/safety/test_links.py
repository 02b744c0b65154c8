"""Links that count no more, and a port that another program takes: what a page says, and what it does not tell."""

from __future__ import annotations

from urllib.parse import urlsplit

from playwright.sync_api import expect

from monoskope.monoctl.console.server import SECOND
from tests.console.conftest import Visit
from tests.console.page import ConsolePage
from tests.console.safety.thief import thief
from tests.e2e.conftest import Team
from tests.support.browser import Chromium, Watched
from tests.support.console import Console


def test_who_uses_a_stolen_link_first_loses_the_session_when_its_user_comes_and_the_terminal_tells_of_it(
    visit: Visit, console: Console
) -> None:
    address = console.next_address()
    told = console.terminal().count(SECOND)
    with visit(address=address) as stranger, visit(address=address, begins=False) as user:
        expect(user.page.get_by_role("heading", level=1)).to_have_text("This link was used before")
        expect(user.page.get_by_text("If that was not you, a stranger has read it")).to_be_visible()
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


VALUE = "a value that nobody may have: 0c41d7"


def test_who_takes_the_port_of_a_console_that_has_ended_reads_nothing_and_is_not_believed(
    team: Team, chromium: Chromium
) -> None:
    watched = Watched()  # the broken stream is told there
    with Console(team.user) as running, chromium.visit(watched=watched) as tab:
        address = running.next_address()
        place, token = urlsplit(address), urlsplit(address).fragment
        page = ConsolePage.begin(tab, address)
        form = page.open_put().to("vault", f"{team.name}/stolen").value("password", VALUE)
        # What the page asks from now on waits in the browser until the test looks at the page: then the thief is there.
        tab.route("**/api/**", lambda route: route.continue_())
        running.interrupt()
        assert running.end() == 0
        with thief(place.port or 0) as heard:
            expect(tab.get_by_role("heading", level=1)).to_have_text("monoctl console has ended")
            assert [operation for operation, _ in heard.bodies] == ["live"]
            for body in (body for _, body in heard.bodies):
                assert not body.isascii()
            for secret in (VALUE, token, team.name, "password"):
                assert secret.encode() not in heard.everything
            assert VALUE not in tab.content()
            assert set(form.values()) <= {""}
            expect(tab.get_by_text("Stolen")).to_have_count(0)
            expect(tab.get_by_text("Uploaded")).to_have_count(0)
            asked = len(heard.bodies)
            tab.keyboard.press("Enter")
            tab.evaluate("() => new Promise(done => requestAnimationFrame(done))")
            assert len(heard.bodies) == asked


def test_a_browser_without_webcrypto_is_told_so_in_words(team: Team, chromium: Chromium) -> None:
    with Console(team.user) as running, chromium.visit() as tab:
        tab.add_init_script("delete Crypto.prototype.subtle")
        tab.goto(running.next_address())
        expect(tab.get_by_role("heading", level=1)).to_have_text("This browser lacks what the console needs")
        expect(tab.get_by_text("no WebCrypto")).to_be_visible()
        expect(tab.get_by_text("another browser")).to_be_visible()
        assert "#" not in tab.url
