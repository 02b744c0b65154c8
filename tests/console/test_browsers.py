"""The browsers of these tests are as people have them: with their sandbox, and without rights."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import psutil

from tests.support.browser import Chromium, unprivileged


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
