"""The browsers of these tests have their sandbox and no rights, and Firefox puts a secret and shows it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import psutil

from tests.console.conftest import upstream
from tests.console.firefox import HEADING, PRESS, SAYS, Firefox
from tests.e2e.conftest import Team
from tests.support.browser import Chromium, unprivileged
from tests.support.console import Console


def test_chromium_runs_in_its_sandbox_and_not_as_root(chromium: Chromium) -> None:
    with chromium.visit() as page:
        page.goto("chrome://sandbox")
        assert "You are adequately sandboxed." in page.inner_text("body")
        browsers = list(running())
    assert browsers
    assert not any("--no-sandbox" in words for words, _ in browsers)
    if owner := unprivileged():
        assert {uid for _, uid in browsers} == {owner.pw_uid}


def running() -> Iterator[tuple[list[str], int]]:
    """The command lines and the users of Chromium's processes; some may end meanwhile."""
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            if "chromium" in process.name():
                yield process.cmdline(), process.uids().real


VALUE = "a value from Firefox: 6be1"

FOCUS = """label => {
  const found = document.querySelector(`dialog [aria-label="${label}"]`)
    ?? [...document.querySelectorAll('dialog label')].find(one => one.textContent === label)?.control;
  found?.focus();
  return found !== null && found !== undefined && document.activeElement === found;
}"""
FORM = f"""words => {{
  if (document.querySelector('dialog') === null) ({PRESS})(words);
  return document.querySelector('dialog select')?.value === 'vault';
}}"""
"""Opens the form as often as something closes it, until it has heard of the stores and is drawn for the last time."""
ROW = "uri => [...document.querySelectorAll('main tr')].some(one => one.textContent.includes(uri))"


def test_firefox_puts_a_secret_and_shows_it(firefox: Firefox, console: Console, team: Team) -> None:
    uri = team.uri("vault", "firefox")
    firefox.open(console.next_address())
    firefox.wait_for(f"() => ({HEADING})() === 'Secrets'")
    firefox.wait_for(FORM, "Put a secret")
    path = uri.removeprefix("vault://")
    for label, text in (("Path", path), ("Key 1", "password"), ("the value of password", VALUE)):
        firefox.wait_for(FOCUS, label)
        firefox.press(text)
    firefox.wait_for(PRESS, "Put the secret")
    firefox.wait_for(SAYS, "Uploaded")
    firefox.wait_for(PRESS, "Close")
    firefox.wait_for(ROW, uri)
    assert firefox.run("() => [localStorage.length, sessionStorage.length, document.cookie]") == [0, 0, ""]
    assert upstream(team.cluster, f"{team.name}/firefox") == {"password": VALUE}
