"""The browsers of these tests have their sandbox and no rights, and Firefox puts a secret and shows it.

Firefox is driven by WebDriver BiDi (https://www.w3.org/TR/webdriver-bidi/).
"""

from __future__ import annotations

import contextlib
import itertools
import json
import re
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
from websockets.sync.client import ClientConnection, connect

from monoskope.testing.parts import STOP_S, dying_with_us, needed, wait_until
from tests.console.conftest import upstream
from tests.e2e.conftest import Team
from tests.support.browser import Chromium, as_unprivileged, browser_folder, environment, unprivileged
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


_LISTENS = re.compile(r"WebDriver BiDi listening on (ws://\S+)")
_WAIT_S = 60.0

# It asks nobody, fetches nothing of its own accord, and tells nobody.
_PREFERENCES = """
user_pref("browser.shell.checkDefaultBrowser", false);
user_pref("browser.startup.homepage_override.mstone", "ignore");
user_pref("datareporting.policy.dataSubmissionEnabled", false);
user_pref("toolkit.telemetry.reportingpolicy.firstRun", false);
user_pref("app.normandy.enabled", false);
user_pref("network.captive-portal-service.enabled", false);
user_pref("network.connectivity-service.enabled", false);
user_pref("extensions.update.enabled", false);
user_pref("remote.prefs.recommended", true);
"""


class Firefox:
    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._numbers = itertools.count(1)
        self.logged: list[str] = []
        """What pages wrote to the console at the level `error`, and exceptions that nobody caught."""
        self._call("session.new", capabilities={})
        self._call("session.subscribe", events=["log.entryAdded"])
        (tab,) = self._call("browsingContext.getTree")["contexts"]
        self._tab = str(tab["context"])

    def open(self, address: str) -> None:
        self._call("browsingContext.navigate", context=self._tab, url=address, wait="complete")

    def run(self, script: str, *arguments: str) -> Any:
        """Call a JavaScript function with texts; return what it or its promise returns, if JSON can say it."""
        answer = self._call(
            "script.callFunction",
            functionDeclaration=f"async (...all) => JSON.stringify(await ({script})(...all)) ?? 'null'",
            arguments=[{"type": "string", "value": text} for text in arguments],
            target={"context": self._tab},
            awaitPromise=True,
            userActivation=True,
        )
        assert answer["type"] == "success", answer
        return json.loads(answer["result"]["value"])

    def wait_for(self, script: str, *arguments: str) -> Any:
        """Call a function until it returns something that counts as true, and return that."""
        found: list[Any] = []

        def done() -> bool:
            found[:] = [self.run(script, *arguments)]
            return bool(found[0])

        wait_until(done, what=f"{script} with {arguments} in Firefox")
        return found[0]

    def press(self, text: str) -> None:
        """Press a key for each character, as a keyboard does; the focus decides where they go."""
        keys = [{"type": kind, "value": key} for key in text for kind in ("keyDown", "keyUp")]
        self._call("input.performActions", context=self._tab, actions=[{"type": "key", "id": "keys", "actions": keys}])

    def _call(self, method: str, **parameters: Any) -> dict[str, Any]:
        number = next(self._numbers)
        self._connection.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            message = json.loads(self._connection.recv(_WAIT_S))
            if message.get("id") == number:
                assert message["type"] == "success", f"{method}: {message}"
                return dict(message["result"])
            if message.get("method") == "log.entryAdded" and message["params"]["level"] == "error":
                self.logged.append(str(message["params"]["text"]))


@contextlib.contextmanager
def firefox() -> Iterator[Firefox]:
    """Start Firefox without rights and with an empty profile; without it, tests are skipped, but fail in CI."""
    program = needed("firefox-esr", "firefox-esr")
    with contextlib.ExitStack() as last:
        folder = Path(last.enter_context(tempfile.TemporaryDirectory(prefix="firefox-")))
        folder.chmod(0o755)
        profile = browser_folder("firefox-profile-")
        (profile / "user.js").write_text(_PREFERENCES, encoding="utf-8")
        (profile / "user.js").chmod(0o644)
        last.callback(profile.rename, folder / "profile")  # removed with the folder, whoever owns what is in it
        wrapper = as_unprivileged(program, folder)
        log = folder / "log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                dying_with_us(
                    [str(wrapper), "--headless", "--no-remote", "--remote-debugging-port=0", "--profile", str(profile)]
                ),
                env={name: str(value) for name, value in environment(profile).items()},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        last.callback(process.wait, STOP_S)
        last.callback(process.terminate)
        wait_until(lambda: _LISTENS.search(log.read_text("utf-8", "replace")) is not None, what="Firefox listens")
        found = _LISTENS.search(log.read_text("utf-8", "replace"))
        assert found is not None
        connection = last.enter_context(connect(f"{found[1]}/session", max_size=None, proxy=None))
        yield Firefox(connection)


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
