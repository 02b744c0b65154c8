"""What holds for every test."""

from __future__ import annotations

import signal
import sys

import pytest

from monoskope import operating_log

# A shell starts background jobs with SIGINT ignored, and programs under test would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def strict_operating_log() -> None:
    """A field that the operating log would drop fails the test."""
    operating_log.STRICT = True  # without `monkeypatch`, which would then be undone after all other fixtures
    operating_log.set_up(sys.stderr)
