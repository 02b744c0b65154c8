"""What holds for every test."""

from __future__ import annotations

import fcntl
import gc
import os
import signal
import sys
import termios
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, settings

from monoskope import operating_log
from monoskope.testing.cluster.commands import Commands
from monoskope.testing.parts import Part
from tests.support import disk, warm
from tests.support.absent import pytest_runtest_makereport  # noqa: F401 - a hook
from tests.support.folders import ByFileOrFolder, longest_first

if TYPE_CHECKING:
    from monoskope.testing.engines.postgres import Postgres

# A shell starts background jobs with these ignored, and programs under test would inherit that.
for number, handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGQUIT, signal.SIG_DFL)):
    if signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, handler)


# `jsonschema` would load this one to check formats that no test asks for: a compiler of grammars, which takes seconds.
sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]

disk.never_wait()

pytest.register_assert_rewrite("monoskope.testing.drivers")

# How long an example takes only says how busy the machine is. In CI, too, each run makes examples of its own, where
# Hypothesis by itself would try the same ones for ever: `make test SEED=7` makes those of a run again.
settings.register_profile(
    "any machine",
    settings.get_profile("default"),
    deadline=None,
    max_examples=20,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("many", settings.get_profile("any machine"), max_examples=500)  # `make soak`
settings.load_profile("any machine")

gc.disable()  # until all tests are collected: what that makes stays

# Clusters run thousands of commands and start hundreds of servers; loading a program takes most of the time of each.
Commands.execute = staticmethod(warm.run)
Part.spawn = staticmethod(warm.spawn)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Heed the marker before any fixture starts a program."""
    warm.new_interpreters = item.get_closest_marker("new_interpreters") is not None


@pytest.fixture(autouse=True)
def strict_operating_log() -> None:
    """A field that the operating log would drop fails the test."""
    operating_log.STRICT = True  # without `monkeypatch`, which would then be undone after all other fixtures
    operating_log.set_up(sys.stderr)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL server, one a worker: each test has a database of its own, and changes nothing of the server."""
    from monoskope.testing.engines.postgres import Postgres  # noqa: PLC0415 - most tests need none of it

    with Postgres(fsync=False) as server:
        yield server


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByFileOrFolder | None:
    """Keep tests that share a slow start together, too, where `--dist loadfile` keeps those of a file together."""
    return ByFileOrFolder(config, log) if config.getoption("dist") == "loadfile" else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the tests in their order."""
    longest_first(items)


def pytest_collection_finish() -> None:
    """Let collections of garbage pass over the tests themselves: reactors collect for each request, also in here."""
    gc.collect()
    gc.freeze()
    gc.enable()


def _leave_terminal() -> None:
    """Have no controlling terminal, nor any program that a test starts: who runs the tests is not to be asked.

    Ctrl-C goes on to reach this process, and what is printed goes on to be shown.
    """
    try:
        terminal = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY)
    except OSError:
        return
    if os.getsid(0) != os.getpid():  # whoever leads the session would end it for all others
        fcntl.ioctl(terminal, termios.TIOCNOTTY)
    os.close(terminal)


_leave_terminal()
