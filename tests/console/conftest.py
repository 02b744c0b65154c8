"""One real cluster and one real browser for the tests of `monoctl console`, and a team of its own for each module."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support import browser


@pytest.fixture(scope="module")
def chromium() -> Iterator[browser.Chromium]:
    """A browser for all tests of a module. It ends with the module, and Playwright's event loop with it."""
    with browser.chromium() as running:
        yield running
