"""What became of a driver's promises. A plugin of pytest.

One line for each that is kept or broken, with a fix; and one for each reason why others were not checked.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Generator, Sequence

import click
import pytest

from monoskope.errors import Error
from monoskope.testing.drivers.harness import Path
from monoskope.testing.store_check.suite import Checked


class Report:
    """Prints while the suite runs.

    Args:
        checked: What is checked.
        verbose: Whether to show where a promise broke, and which were not checked.
    """

    def __init__(self, checked: Checked, *, verbose: bool) -> None:
        self._checked = checked
        self._verbose = verbose
        self.kept = 0
        self.broken = 0
        self._unchecked: defaultdict[str, list[str]] = defaultdict(list)
        """The promises that were not checked, by the reason."""

    @pytest.fixture(scope="session")
    def checked(self) -> Checked:
        """What is checked."""
        return self._checked

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Say how one promise came out."""
        report = yield
        if report.failed:
            self.broken += 1
            click.echo(f"broken    {_promise(item)}")
            self._explain(call.excinfo.value if call.excinfo else None, report)
        elif report.skipped:
            self._unchecked[_why(report)].append(_promise(item))
        elif report.when == "call":
            self.kept += 1
            click.echo(f"ok        {_promise(item)}")
        return report

    def _explain(self, error: BaseException | None, report: pytest.TestReport) -> None:
        if isinstance(error, Error):
            click.echo(f"          {type(error).__name__}: {error.message}")
            click.echo(f"          fix: {error.fix or 'Look into the engine and its log.'}")
        else:
            text = str(error).splitlines() or [""]
            click.echo(f"          {type(error).__name__}: {text[0]}")
            click.echo("          fix: --verbose shows what was expected; docs/write-a-driver.md says how to keep it.")
        for note in getattr(error, "__notes__", ()):
            click.echo(f"          {note}")
        if self._verbose:
            click.echo(report.longreprtext)

    def finish(self, left: Sequence[Path]) -> None:
        """Say how all came out, and what could not be removed."""
        for why, promises in self._unchecked.items():
            click.echo(f"unchecked {len(promises)}: {why}")
            for promise in promises if self._verbose else ():
                click.echo(f"          {promise}")
        unchecked = sum(map(len, self._unchecked.values()))
        click.echo(f"\n{self.kept} kept, {self.broken} broken, {unchecked} not checked.")
        if left:
            place = f"{self._checked.settings.store}://{'/'.join(self._checked.below)}"
            click.echo(f"{len(left)} secrets could not be deleted: remove in the engine what lies below {place}.")


def _promise(item: pytest.Item) -> str:
    name = item.name.removeprefix("test_")
    words, bracket, case = name.partition("[")
    return f"{words.replace('_', ' ')}{f' [{case}' if bracket else ''}"


def _why(report: pytest.TestReport) -> str:
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else ""
    return str(reason).removeprefix("Skipped: ")
