"""The console in Firefox: it begins, a secret is put, and the table shows it."""

from __future__ import annotations

from tests.console.conftest import upstream
from tests.e2e.conftest import Team
from tests.support.console import Console
from tests.support.firefox import firefox

VALUE = "a value from Firefox: 6be1"

HEADING = "() => document.querySelector('main h1')?.textContent"
PRESS = """words => {
  const all = [...document.querySelectorAll('button')].filter(one => one.textContent.trim() === words);
  const found = all.find(one => !one.closest('[inert]') && one.getAttribute('aria-disabled') !== 'true');
  found?.click();
  return found !== undefined;
}"""
FOCUS = """label => {
  const found = document.querySelector(`dialog [aria-label="${label}"]`)
    ?? [...document.querySelectorAll('dialog label')].find(one => one.textContent === label)?.control;
  found?.focus();
  return found !== null && found !== undefined && document.activeElement === found;
}"""
STORE = "() => document.querySelector('dialog select')?.value === 'vault'"
SAYS = "words => document.body.textContent.includes(words)"
ROW = "uri => [...document.querySelectorAll('main tr')].some(one => one.textContent.includes(uri))"


def test_firefox_puts_a_secret_and_shows_it(console: Console, team: Team) -> None:
    uri = team.uri("vault", "firefox")
    with firefox() as tab:
        tab.open(console.next_address())
        tab.wait_for(f"() => ({HEADING})() === 'Secrets'")
        tab.wait_for(PRESS, "Put a secret")
        tab.wait_for(STORE)  # the form has heard of the stores, and is drawn for the last time
        path = uri.removeprefix("vault://")
        for label, text in (("Path", path), ("Key 1", "password"), ("the value of password", VALUE)):
            tab.wait_for(FOCUS, label)
            tab.press(text)
        tab.wait_for(PRESS, "Put the secret")
        tab.wait_for(SAYS, "Uploaded")
        tab.wait_for(PRESS, "Close")
        tab.wait_for(ROW, uri)
        assert tab.run("() => [localStorage.length, sessionStorage.length, document.cookie]") == [0, 0, ""]
        assert tab.logged == []
    assert upstream(team.cluster, f"{team.name}/firefox") == {"password": VALUE}
