"""The browsers of these tests are as people have them: with their sandbox, and without rights."""

from __future__ import annotations

import psutil

from tests.support.browser import Chromium, unprivileged


def test_chromium_runs_in_its_sandbox_and_not_as_root(chromium: Chromium) -> None:
    with chromium.visit() as page:
        page.goto("chrome://sandbox")
        assert "You are adequately sandboxed." in page.inner_text("body")
    browsers = [
        process
        for process in psutil.Process().children(recursive=True)
        if process.status() != psutil.STATUS_ZOMBIE and "chromium" in process.name()
    ]
    assert browsers
    assert not any("--no-sandbox" in process.cmdline() for process in browsers)
    if owner := unprivileged():
        assert {process.uids().real for process in browsers} == {owner.pw_uid}
