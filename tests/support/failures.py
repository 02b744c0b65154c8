"""Calls that are to fail."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TypeVar

import pytest

E = TypeVar("E", bound=BaseException)


async def failure(kind: type[E], call: Awaitable[object], match: str | None = None) -> E:
    """Await a call that raises `kind` with such a message, and return the error."""
    with pytest.raises(kind, match=match) as caught:
        await call
    return caught.value
