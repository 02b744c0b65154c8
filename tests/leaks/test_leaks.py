"""`make leaks`: marked values through everything, then everything but the stores searched for them.

It prints its seed, by which the marks are made. It fails, and does not skip, where it cannot look.
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pyrage
import pytest

from monoskope.testing.engines.postgres import Postgres
from monoskope.testing.parts import wait_until
from tests.console.page import ConsolePage
from tests.leaks.breaks import breaking
from tests.leaks.looking import Found, must_be_able_to_look, search_files, search_processes
from tests.leaks.marks import WITH_NUL, Marks
from tests.leaks.programs import KINDS, Program
from tests.leaks.watching import Processes
from tests.leaks.ways import Ways
from tests.leaks.world import TEAM, LeakCluster, running
from tests.support.browser import Watched, browser_folder, chromium
from tests.support.console import Console

pytestmark = [pytest.mark.leaks, pytest.mark.new_interpreters]

EVERYWHERE = {
    "audit lines at a webhook",
    "audit lines in a file",
    "backups",
    "files of m8",
    "files of reactors",
    "files of the database",
    "memory of asynchronous SDK",
    "memory of console",
    "memory of m8",
    "memory of synchronous SDK",
    "metrics of m8",
    "metrics of reactor-local",
    "metrics of reactor-vault",
    "open files without a name",
    "temporary files",
    "terminals",
    "traces",
    "what commands printed",
    "write-ahead log",
}
"""Where the controls must be found in each form, besides the memory of the reactor of each store."""
ON_SQLITE = {
    "files of the store pass",
    "profile of the browser",
    "rows of the database",
    "write-ahead log of a killed m8",
}
NAMED = {
    "audit lines at a webhook",
    "audit lines in a file",
    "backups",
    "files of the database",
    "files of the syslog server",
    "memory of m8",
    "what commands printed",
}
"""Where the names of secrets must be found, which nobody plants."""


@pytest.fixture
def marks() -> Marks:
    seed = int(os.environ.get("LEAKS_SEED") or random.SystemRandom().randrange(2**32))
    print(f"\nseed {seed}")
    return Marks.of(seed)


@pytest.fixture
def profile() -> Iterator[Path]:
    folder = browser_folder("leaks-profile-")
    yield folder
    shutil.rmtree(folder)


def count(share: float) -> int:
    return int(int(os.environ.get("LEAKS_COUNT") or 10_000) * share)


def test_no_canary_is_anywhere_on_sqlite(tmp_path: Path, marks: Marks, profile: Path) -> None:
    must_be_able_to_look(os.getppid())
    processes = Processes(marks)
    with running(tmp_path, marks) as world:
        ways = Ways(world)
        with processes.watched(), holding(marks):
            breaking(ways)
            ways.walk(count(0.85))
            in_browser(world, profile, ways)
            found = looked(world, profile, ways)
    judge(world, ways, found, processes, EVERYWHERE | ON_SQLITE, NAMED | {"rows of the database"})


def test_no_canary_is_anywhere_on_postgresql(tmp_path: Path, marks: Marks) -> None:
    processes = Processes(marks)
    with Postgres(fsync=False) as postgres, running(tmp_path, marks, postgres=postgres) as world:
        ways = Ways(world)
        with processes.watched(), holding(marks):
            breaking(ways)
            ways.walk(count(0.15))
            found = looked(world, None, ways)
    judge(world, ways, found, processes, EVERYWHERE, NAMED | {"dump of the database"})


def in_browser(world: LeakCluster, profile: Path, ways: Ways) -> None:
    """Put a secret on the console's page in a real browser, and leave another one unsent."""
    values = [one.decode() for one in ways.values("browser", 2, most=300).values()]
    control = [one.decode("latin-1") for one in world.marks.planted()]
    console = Console(world.user, environment=world.quiet())
    with console, chromium() as browser, browser.with_profile(profile, Watched()) as tab:
        page = ConsolePage.begin(tab, console.next_address())
        form = page.open_put().to("local", f"{TEAM}/browser").value("password", values[0])
        form.sent("Put the secret").wait_for()
        form.press("Back to the form")
        form.value("password", values[1])
        tab.evaluate("all => all.forEach((one, at) => localStorage.setItem(`control-${at}`, one))", control)
    world.terminals.append(console.terminal().encode())
    (profile / "control").write_bytes(b"\n".join(world.marks.planted()))


class holding:  # noqa: N801 - used as a context manager alone
    """A process that has the controls among its arguments and in its environment, for the search to see."""

    def __init__(self, marks: Marks) -> None:
        texts = [one.decode() for form, one in zip(marks.forms, marks.planted(), strict=True) if form not in WITH_NUL]
        self._command = ["sh", "-c", "read line", *texts]
        self._environment = {"PATH": os.environ["PATH"]} | {f"CONTROL_{at}": one for at, one in enumerate(texts)}

    def __enter__(self) -> None:
        self._process = subprocess.Popen(self._command, env=self._environment, stdin=subprocess.PIPE)

    def __exit__(self, *_: object) -> None:
        self._process.communicate()


def looked(world: LeakCluster, profile: Path | None, ways: Ways) -> Found:
    """Search all memory one second after the last values went in, then all that was written."""
    found = Found()
    with ExitStack() as last:
        programs = [last.enter_context(Program(world, kind)) for kind in KINDS]
        ways.by_console()
        for program in programs:
            ways.count(program.put())
        ended = time.monotonic()
        wait_until(lambda: time.monotonic() >= ended + 1, what="a second is over")
        search_processes(world, programs, found)
    world.keep_database("as-it-lay")
    world.plant_in_database()
    back_up(world)
    world.hear()
    world.plant()
    search_files(world, profile, found)
    return found


def back_up(world: LeakCluster) -> None:
    """Make the backups that m8 makes; what is encrypted is opened."""
    backups = world.folder / "backup"
    backups.mkdir(mode=0o700)
    identity = pyrage.x25519.Identity.generate()
    create = ("m8", "backup", "create", "backup/log.age", "--dir", "m8", "--recipient", str(identity.to_public()))
    world.cluster.must(*create)
    opened = pyrage.decrypt((backups / "log.age").read_bytes(), [identity])
    (backups / "log").write_bytes(opened + b"\n".join(world.marks.planted()))


def judge(  # noqa: PLR0917 - all that there is to judge
    world: LeakCluster, ways: Ways, found: Found, processes: Processes, places: set[str], named: set[str]
) -> None:
    """Say what was done, and fail for each canary that was found and for each control that was not."""
    forms, places = set(world.marks.forms), places | {f"memory of reactor-{store}" for store in world.stores}
    print(
        f"{ways.given} canaries into {', '.join(world.stores)};"
        f" {found.size / 1e6:.0f} MB in {len(found.controls)} places searched,"
        f" for {found.keys} parts of one-time keys, too; {processes.looks} looks at processes"
    )
    blind = {place: sorted(forms - found.controls.get(place, set())) for place in places}
    blind |= {place: sorted(forms - WITH_NUL - seen) for place, seen in processes.controls.items()}
    assert {place: left for place, left in blind.items() if left} == {}
    assert named - found.names == set()
    assert found.unsearched == []
    assert found.leaks == []
    assert processes.leaks == set()
