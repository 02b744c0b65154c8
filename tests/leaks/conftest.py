"""What holds for the rig that looks for leaks: nothing is skipped."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from tests.support.absent import not_skipped


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    return not_skipped((yield))
