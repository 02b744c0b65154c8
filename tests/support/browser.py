"""Debian's Chromium with its sandbox on, never as root, and pages that tell of everything that went wrong in them.

Playwright's `sync_api` has an event loop of its own that runs as long as `chromium()` is entered: enter it in a fixture
of one module, so that asynchronous tests of others find none.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shlex
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, sync_playwright

from monoskope.testing.parts import needed

WAIT_MS = 60_000
"""How long a page may take for whatever is waited for: two busy cores are slow."""

REBOUND = "rebound.example"
"""A name that Chromium takes for 127.0.0.1, as after DNS rebinding."""

# An answer of 400 and more is in `refused`.
_NOT_WRONG = ("Failed to load resource",)

_STAY = "setpriv --reuid={uid} --regid={gid} --clear-groups --inh-caps=-all --bounding-set=-all --pdeathsig=KILL -- "
_WRAPPER = """#!/bin/sh
for word; do case "$word" in --user-data-dir=*) {give} "${{word#*=}}";; esac; done
exec {drop}{program} "$@"
"""


def unprivileged() -> pwd.struct_passwd | None:
    """As whom browsers run: `nobody` if root runs the tests, else None for the user of the tests."""
    return pwd.getpwnam("nobody") if os.geteuid() == 0 else None


def browser_folder(prefix: str) -> Path:
    """Make a private folder for a browser, which belongs to the user as whom it runs. Whoever asks removes it."""
    folder = Path(tempfile.mkdtemp(prefix=prefix))
    if owner := unprivileged():
        os.chown(folder, owner.pw_uid, owner.pw_gid)
    return folder


def as_unprivileged(program: str, folder: Path) -> Path:
    """Write a program into `folder` that starts the one at the path `program` without rights.

    A folder that Playwright made for Chromium's profile is given to the user as whom it runs.
    """
    owner = unprivileged()
    drop = _STAY.format(uid=owner.pw_uid, gid=owner.pw_gid) if owner else ""
    give = f"chown {owner.pw_uid}:{owner.pw_gid}" if owner else ":"
    wrapper = folder / Path(program).name
    wrapper.write_text(_WRAPPER.format(give=give, drop=drop, program=shlex.quote(program)))
    wrapper.chmod(0o755)
    return wrapper


def environment(home: Path) -> dict[str, str | float | bool]:
    return {"PATH": os.environ.get("PATH", os.defpath), "HOME": str(home), "LANG": "C.UTF-8", "TMPDIR": str(home)}


class Watched:
    """What went wrong in the pages of one context: a test fails if anything did that it did not name."""

    def __init__(self) -> None:
        self.wrong: list[str] = []
        """Errors on the page's console (a broken Content-Security-Policy is one), exceptions, requests that failed."""
        self.refused: list[str] = []
        """Answers of 400 and more, as `STATUS path`. A refusal is an answer."""

    def watch(self, context: BrowserContext) -> None:
        """Listen to all pages of `context`, also those that open later."""
        context.on("page", self._watch_page)
        for page in context.pages:
            self._watch_page(page)

    def _watch_page(self, page: Page) -> None:
        page.set_default_timeout(WAIT_MS)
        page.on("console", self._said)
        page.on("pageerror", lambda error: self.wrong.append(f"exception: {error}"))
        page.on("requestfailed", self._failed)
        page.on("response", lambda answer: self._answered(answer.status, answer.url))

    def _said(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"} and not message.text.startswith(_NOT_WRONG):
            self.wrong.append(f"{message.type}: {message.text}")

    def _failed(self, request: Request) -> None:
        if request.failure != "net::ERR_ABORTED":  # what the page itself no longer wants
            self.wrong.append(f"request: {request.url} {request.failure}")

    def _answered(self, status: int, url: str) -> None:
        if status >= 400:
            self.refused.append(f"{status} {url.partition('//')[2].partition('/')[2]}")


class Chromium:
    """One running browser. A `visit` is somebody's: nothing is shared with other visits."""

    def __init__(self, browser: Browser, program: Path) -> None:
        self.browser = browser
        self._program = program

    @contextlib.contextmanager
    def visit(
        self,
        *,
        width: int = 1280,
        height: int = 900,
        colors: Literal["light", "dark"] = "light",
        bypass_csp: bool = False,
        watched: Watched | None = None,
        **more: Any,
    ) -> Iterator[Page]:
        """Open a page without a past, and fail at its end if anything went wrong in it.

        Args:
            bypass_csp: Whether the page's policy does not count, for scripts that a test brings.
            watched: For a test that wants to see what went wrong, and then decides itself.
            more: As Playwright's `new_context` has it.
        """
        watching = watched or Watched()
        context = self.browser.new_context(
            viewport={"width": width, "height": height}, color_scheme=colors, bypass_csp=bypass_csp, **more
        )
        try:
            watching.watch(context)
            yield context.new_page()
        finally:
            context.close()
        if watched is None:
            assert not watching.wrong, f"{watching.wrong}, and answers {watching.refused}"

    @contextlib.contextmanager
    def with_profile(self, profile: Path, watched: Watched) -> Iterator[Page]:
        """Start another browser, which keeps its profile on disk, as people's do, and leave the profile there.

        Args:
            profile: From `browser_folder`.
        """
        context = self.browser.browser_type.launch_persistent_context(
            profile,
            executable_path=self._program,
            headless=True,
            chromium_sandbox=True,
            env=environment(profile),
        )
        try:
            watched.watch(context)
            yield context.pages[0]
        finally:
            context.close()


@contextlib.contextmanager
def chromium() -> Iterator[Chromium]:
    """Start Chromium; without it, tests are skipped, but fail in CI."""
    program = needed("chromium", "chromium chromium-sandbox")
    with contextlib.ExitStack() as last:
        folder = Path(last.enter_context(tempfile.TemporaryDirectory(prefix="chromium-")))
        folder.chmod(0o755)
        home = browser_folder("chromium-home-")
        last.callback(home.rename, folder / "home")  # removed with the folder, whoever owns what is in it
        wrapper = as_unprivileged(program, folder)
        playwright = last.enter_context(sync_playwright())
        browser = playwright.chromium.launch(
            executable_path=wrapper,
            headless=True,
            chromium_sandbox=True,
            env=environment(home),
            args=[f"--host-resolver-rules=MAP {REBOUND} 127.0.0.1"],
        )
        last.callback(browser.close)
        yield Chromium(browser, wrapper)
