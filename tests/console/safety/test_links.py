"""Links that count no more: what a page says, and how its user learns that somebody else has used one."""

from __future__ import annotations

from playwright.sync_api import expect

from monoskope.monoctl.console.server import SECOND
from tests.console.conftest import Visit
from tests.console.page import ConsolePage
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
