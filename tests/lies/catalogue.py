"""The whole catalogue."""

from __future__ import annotations

from tests.lies import about_copies, about_deliveries, about_ends, about_keys, about_questions, about_refusals, about_sending, about_stores, about_time
from tests.lies.lie import Lie

CATALOGUE: tuple[Lie, ...] = (
    *about_stores.LIES,
    *about_keys.LIES,
    *about_sending.LIES,
    *about_ends.LIES,
    *about_refusals.LIES,
    *about_time.LIES,
    *about_deliveries.LIES,
    *about_copies.LIES,
    *about_questions.LIES,
)
