"""What the page leaves in a browser: nothing; and what it keeps of a value: nothing beyond its field."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Error as PlaywrightError
from playwright.sync_api import Page, expect

from monoskope.testing.parts import wait_until
from monoskope.testing.search import Wanted, look_below
from tests.console.conftest import Visit
from tests.console.page import ConsolePage
from tests.console.safety.foreign import foreign_page
from tests.e2e.conftest import Team
from tests.support.browser import Chromium, Watched, browser_folder
from tests.support.console import Console

VALUE = "a value of the console that stays nowhere: 7c1e93"
CONTROL = "a text that a page stored in the browser: 51ab0e"

STORED = """async () => ({
  address: location.href,
  local: localStorage.length,
  session: sessionStorage.length,
  cookies: document.cookie,
  databases: (await indexedDB.databases()).length,
  caches: (await caches.keys()).length,
  workers: (await navigator.serviceWorker.getRegistrations()).length,
})"""

NOTHING = {"local": 0, "session": 0, "cookies": "", "databases": 0, "caches": 0, "workers": 0}


def stored(page: Page) -> dict[str, object]:
    """What the page has stored in the browser, and its address."""
    found: dict[str, object] = page.evaluate(STORED)
    return found


@pytest.fixture
def profile() -> Iterator[Path]:
    folder = browser_folder("chromium-profile-")
    yield folder
    shutil.rmtree(folder)


def test_the_page_stores_nothing_and_its_address_never_changes(page: ConsolePage, team: Team) -> None:
    origin = page.page.url
    assert "#" not in origin
    form = page.open_put().to("vault", f"{team.name}/stored").value("password", VALUE)
    expect(form.sent("Put the secret")).to_contain_text("Uploaded")
    form.press("Close")
    page.show(team.uri("vault", "stored"))
    assert stored(page.page) == {"address": origin, **NOTHING}
    assert VALUE not in page.page.content()
    page.page.go_back()
    expect(page.heading("Secrets")).to_be_visible()
    assert page.page.url == origin


def test_neither_a_value_nor_a_path_nor_the_session_is_in_the_profile_on_disk(
    chromium: Chromium, console: Console, team: Team, profile: Path
) -> None:
    watched = Watched()
    address = console.next_address()
    with foreign_page() as origin, chromium.with_profile(profile, watched) as tab:
        tab.goto(origin)
        tab.evaluate("text => localStorage.setItem('kept', text)", CONTROL)
        with tab.expect_request("**/api/live") as live:
            page = ConsolePage.begin(tab, address)
        session = live.value.headers["authorization"].removeprefix("Bearer ")
        form = page.open_put().to("local", f"{team.name}/profile").value("password", VALUE)
        expect(form.sent("Put the secret")).to_contain_text("Uploaded")
        form.press("Back to the form")
        form.value("password", VALUE)  # and leave it unsent
    assert watched.wrong == []
    secrets = {"value": VALUE, "path": f"{team.name}/profile", "session": session}
    wanted = [
        Wanted.of(f"{name} as {encoding}", text.encode(encoding))
        for name, text in secrets.items()
        for encoding in ("utf-8", "utf-16-le")
    ]
    control = [Wanted.of("control", CONTROL.encode()), Wanted.of("control, as text", CONTROL.encode("utf-16-le"))]
    found = [result for result in look_below(profile, [*wanted, *control]) if result.searched]
    assert sum(result.total(one.name) for result in found for one in control)
    # The link is there, as docs/console.md says; whoever finds it begins nothing with it (test_links.py).
    assert {(result.place, one.name) for result in found for one in wanted if result.total(one.name)} == set()


@pytest.mark.soak
def test_a_value_is_not_in_the_profile_after_the_browser_was_killed(
    chromium: Chromium, console: Console, team: Team, profile: Path
) -> None:
    address = console.next_address()
    folder = f"--user-data-dir={profile}".encode()
    is_gone = False
    with contextlib.suppress(PlaywrightError), chromium.with_profile(profile, Watched()) as tab:
        page = ConsolePage.begin(tab, address)
        form = page.open_put().to("local", f"{team.name}/killed").value("password", VALUE)
        expect(form.sent("Put the secret")).to_contain_text("Uploaded")
        form.press("Back to the form")
        form.value("password", VALUE)  # and leave it unsent
        browsers = [file.parent for file in Path("/proc").glob("[0-9]*/cmdline") if folder in command_line(file)]
        assert browsers
        for process in browsers:
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(process.name), signal.SIGKILL)
        wait_until(lambda: not any(process.exists() for process in browsers), what="the browser is gone")
        is_gone = True
    assert is_gone
    wanted = [Wanted.of("value", VALUE.encode()), Wanted.of("value, as text", VALUE.encode("utf-16-le"))]
    # Its address stands there, also with the link that counts no more: so the search can see.
    control = Wanted.of("address", address.partition("#")[0].encode())
    found = [result for result in look_below(profile, [*wanted, control]) if result.searched]
    assert sum(result.total("address") for result in found)
    assert {result.place for result in found for one in wanted if result.total(one.name)} == set()


def command_line(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError:
        return b""


def test_a_value_leaves_its_field_when_it_is_sent_and_when_the_form_is_left(page: ConsolePage, team: Team) -> None:
    form = page.open_put().to("vault", f"{team.name}/field").value("password", VALUE)
    expect(form.sent("Put the secret")).to_contain_text("Uploaded")
    form.press("Back to the form")
    assert set(form.values()) <= {""}
    form.value("password", VALUE)
    form.press("Cancel")
    page.page.get_by_role("button", name="Leave", exact=True).click()
    assert set(page.open_put().values()) <= {""}


def test_a_value_leaves_its_field_two_minutes_after_the_last_key(visit: Visit, team: Team) -> None:
    with visit() as page:
        page.page.clock.install()
        form = page.open_put().to("vault", f"{team.name}/late").value("password", VALUE)
        page.page.clock.fast_forward("01:50")
        assert VALUE in form.values()
        form.field("the value of password").press("End")
        page.page.clock.fast_forward("01:50")
        assert VALUE in form.values()
        page.page.clock.fast_forward("00:11")
        expect(form.panel.get_by_text("cleared after two minutes")).to_be_visible()
        assert set(form.values()) <= {""}
