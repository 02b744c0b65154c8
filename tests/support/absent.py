"""What this machine does not have: its tests are skipped, and say how to get it. CI has everything: there they fail."""

from __future__ import annotations

import os
import re
from collections.abc import Generator
from pathlib import Path

import pytest

from monoskope.testing.parts import NotInstalledError
from monoskope.testing.search.memory import is_closed

ABSENT = "MONOSKOPE_ABSENT"
"""Names packages that this release of the system does not have (`.ci/run`): what needs one is skipped in CI, too."""

_SYS_PTRACE = 19
"""The number of this right of Linux (capabilities(7))."""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Skip what met a program that is not installed. In CI, fail what was skipped."""
    report = yield
    if call.excinfo is not None and isinstance(call.excinfo.value, NotInstalledError):
        error = call.excinfo.value
        path, line, _ = item.location
        report.outcome, report.longrepr = "skipped", (path, (line or 0) + 1, f"Skipped: {error.message} {error.fix}")
    words = set(re.findall(r"[\w.+-]+", _reason(report)))
    if os.environ.get("CI") == "true" and words.isdisjoint(os.environ.get(ABSENT, "").split()):
        return not_skipped(report)
    return report


def not_skipped(report: pytest.TestReport) -> pytest.TestReport:
    """Make a failure of a test that was skipped: what was not looked at is not known to hold."""
    if report.skipped:
        report.outcome, report.longrepr = "failed", f"skipped, and so nothing is shown: {_reason(report)}"
    return report


def _reason(report: pytest.TestReport) -> str:
    return report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)


def need_tracing() -> None:
    """Skip a test that looks into a process which hides its memory, where this user may not."""
    status = Path("/proc/self/status")
    rights = re.search(r"CapEff:\s+([0-9a-f]+)", status.read_text(encoding="ascii")) if status.exists() else None
    if rights is None or not int(rights[1], 16) >> _SYS_PTRACE & 1:
        pytest.skip("only root, with CAP_SYS_PTRACE, may look into a process that hides its memory")


def need_memory() -> None:
    """Skip a test that looks into the memory of another process, where this user may not."""
    if is_closed():
        pytest.skip("this user may not look into a process: run it as root, or set kernel.yama.ptrace_scope to 0")
