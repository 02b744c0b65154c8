"""A few examples of the state machine, the same each time; `make model` runs more, from other seeds."""

from __future__ import annotations

import pytest

from monoskope.m8.log.sqlite import records as sqlite_readers
from tests.model.machine import POLL_S, run


def test_two_m8_and_their_reactors_do_what_the_decision_record_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_readers, "POLL_S", POLL_S)
    tally = run(1, examples=4, steps=30)
    restored = {"rollback done", "undelete done", "copy done"}
    assert restored & set(tally), f"nothing was brought back or copied, so the examples show little: {tally}"
