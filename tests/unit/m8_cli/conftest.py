"""What the tests of m8's commands share."""

from __future__ import annotations

import gc
import warnings
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def _collected_sockets(request: pytest.FixtureRequest) -> Iterator[None]:
    """Forget the sockets of connections that PostgreSQL refused, before they are told as leaks of another test.

    The driver ends TLS in good order there and does not wait for it. A command, which runs in this process here, ends.
    """
    yield
    if "postgres" in request.fixturenames:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)
            gc.collect()
