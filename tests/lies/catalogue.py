"""The whole catalogue."""

from __future__ import annotations

from tests.lies import about_ends, about_keys, about_sending, about_stores
from tests.lies.lie import Lie

CATALOGUE: tuple[Lie, ...] = (
    *about_stores.LIES,
    *about_keys.LIES,
    *about_sending.LIES,
    *about_ends.LIES,
)
