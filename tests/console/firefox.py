"""A Firefox without rights, driven by WebDriver BiDi (https://www.w3.org/TR/webdriver-bidi/), and what it is asked."""

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

from websockets.sync.client import ClientConnection, connect

from monoskope.errors import UnavailableError
from monoskope.testing.parts import STOP_S, dying_with_us, needed, wait_until
from tests.support.browser import as_unprivileged, browser_folder, environment

_LISTENS = re.compile(r"WebDriver BiDi listening on (ws://\S+)")
_WAIT_S = 60.0
_PAGE = "() => document.body.innerText"

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

        try:
            wait_until(done, what=f"{script} with {arguments} in Firefox")
        except UnavailableError as error:
            raise UnavailableError(f"{error} The page says: {self.run(_PAGE)}") from None
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
def started() -> Iterator[Firefox]:
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


HEADING = "() => document.querySelector('main h1')?.textContent"
PRESS = """words => {
  const all = [...document.querySelectorAll('button')].filter(one => one.textContent.trim() === words);
  const found = all.find(one => !one.closest('[inert]') && one.getAttribute('aria-disabled') !== 'true');
  found?.click();
  return found !== undefined;
}"""
SAYS = "words => document.body.textContent.includes(words)"
