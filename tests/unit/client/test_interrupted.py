"""Ctrl-C at any line of the blocking client: it is never lost, and whatever was sent by then was told of before."""

from __future__ import annotations

import gc
import itertools
import random
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from monoskope.client.runtime import blocking, left
from monoskope.client.walk.task import Progress, Stage
from monoskope.testing.scripted.client import pinned, settings_for
from monoskope.testing.scripted.m8 import ScriptedM8
from tests.support.clocks import blocking_client

OURS = str(Path(blocking.__file__).parents[1])
SAMPLES = 40


class Interrupting:
    """Counts the lines of ours that run, and interrupts at one of them."""

    numbers = itertools.count()

    def __init__(self, at: int = 0) -> None:
        self.at, self.lines = at, 0
        self.uri = f"vault://app/put{next(self.numbers)}"

    @property
    def is_reached(self) -> bool:
        return 0 < self.at <= self.lines

    def __call__(self, frame: FrameType, event: str, _: object) -> Callable[..., Any] | None:
        if not frame.f_code.co_filename.startswith(OURS):
            return None
        if event == "line":
            self.lines += 1
            if self.lines == self.at:
                raise KeyboardInterrupt
        return self


@pytest.fixture
def m8(tmp_path: Path) -> Iterator[ScriptedM8]:
    with ScriptedM8().serving_in_thread(tmp_path) as m8:
        pinned(m8, tmp_path)
        yield m8


def put(m8: ScriptedM8, folder: Path, interrupting: Interrupting) -> list[Progress]:
    """Put one secret with tracing on; returns what was told, also if it was interrupted, as it must be at its line."""
    told: list[Progress] = []
    uri = interrupting.uri

    async def work() -> None:
        settings = settings_for(m8, folder)
        client = blocking_client(settings, system_known_stores=folder / "none", observe=told.append, pause_s=0.001)
        async with client:
            sys.settrace(interrupting)
            try:
                await client.put_secret(uri, {"password": b"correct horse"}, timeout=20)
            finally:
                sys.settrace(None)

    before = sys.gettrace()
    is_interrupted = False
    try:
        blocking.run(work())
    except KeyboardInterrupt:
        is_interrupted = True
    finally:
        sys.settrace(before)
    assert is_interrupted is interrupting.is_reached
    assert left(1e9) == 1e9, "the deadline of a call that was interrupted is left for the next one"
    return told


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # what was just being made
def test_a_ctrl_c_at_any_line_is_never_lost_and_nothing_was_sent_untold(m8: ScriptedM8, tmp_path: Path) -> None:
    put(m8, tmp_path, Interrupting())  # loads everything
    counted = Interrupting()
    assert put(m8, tmp_path, counted)[-1].succeeded
    chosen, lines = random.Random(7), counted.lines
    for _ in range(SAMPLES):
        while True:
            at = chosen.randrange(1, lines)
            told = put(m8, tmp_path, interrupting := Interrupting(at))
            if interrupting.is_reached:
                break
            lines = interrupting.lines  # answers came in fewer pieces than before
        if any(attempt.sealed for attempt in m8.attempts if str(attempt.request.uri) == interrupting.uri):
            assert any(progress.stage is Stage.SENT for progress in told), f"at line {at} of {counted.lines}"
    gc.collect()  # what is ignored here is told of here
