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
from pathlib import Path

import pyrage
import pytest

from monoskope.testing.engines.postgres import Postgres
from monoskope.testing.parts import wait_until
from tests.console.page import ConsolePage
from tests.leaks.marks import Marks, must_be_able_to_look
from tests.leaks.places import WITH_NUL, Found, Processes, search
from tests.leaks.ways import Ways
from tests.leaks.world import TEAM, World, running
from tests.support.browser import Watched, browser_folder, chromium
from tests.support.console import Console

pytestmark = [pytest.mark.leaks, pytest.mark.new_interpreters]

EVERYWHERE = {
    "audit lines at a webhook",
    "audit lines in a file",
    "backups",
    "files of m8",
    "files of reactors",
    "memory of console",
    "memory of m8",
    "memory of reactor-local",
    "memory of reactor-vault",
    "temporary files",
    "traces",
    "what commands printed",
    "metrics of m8",
}
"""Where the controls must be found in each form, whatever the database."""
ON_SQLITE = {"files of the database", "rows of the database", "profile of the browser"}
ON_POSTGRES = {"files of the database", "write-ahead log"}


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
        with processes.watched(), holding(marks):
            ways = walked(world, count(0.85))
            ways.given += in_browser(world, profile)
            ways.by_console()
        found = looked(world, profile)
    judge(world, ways, found, processes, EVERYWHERE | ON_SQLITE)


def test_no_canary_is_anywhere_on_postgresql(tmp_path: Path, marks: Marks) -> None:
    processes = Processes(marks)
    with Postgres(fsync=False) as postgres, running(tmp_path, marks, postgres=postgres) as world:
        with processes.watched(), holding(marks):
            ways = walked(world, count(0.15))
            ways.by_console()
        found = looked(world, None)
    judge(world, ways, found, processes, EVERYWHERE | ON_POSTGRES)


def walked(world: World, wanted: int) -> Ways:
    """Go all ways in turn, again and again, until so many canaries went in; each way once at least."""
    ways, rounds = Ways(world), 0
    while ways.given < wanted or not rounds:
        for way in ways.all():
            way()
            if rounds and ways.given >= wanted:
                break
        rounds += 1
    return ways


def in_browser(world: World, profile: Path) -> int:
    """Put a secret on the console's page in a real browser, and leave another one unsent. Return how many."""
    values = [world.marks.values("browser", 2, most=300)["key-00"].decode() for _ in range(2)]
    control = [one.decode("latin-1") for one in world.marks.planted()]
    console = Console(world.user, environment=world.quiet())
    with console, chromium() as browser, browser.with_profile(profile, Watched()) as tab:
        page = ConsolePage.begin(tab, console.next_address())
        form = page.open_put().to("local", f"{TEAM}/browser").value("password", values[0])
        form.sent("Put the secret").wait_for()
        form.press("Back to the form")
        form.value("password", values[1])
        tab.evaluate("all => all.forEach((one, at) => localStorage.setItem(`control-${at}`, one))", control)
    (profile / "control").write_bytes(b"\n".join(world.marks.planted()))
    return len(values)


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


def looked(world: World, profile: Path | None) -> Found:
    """Make backups, plant the controls, and search everything one second after the last value went in."""
    ended = time.monotonic()
    backups = world.folder / "backup"
    backups.mkdir(mode=0o700)
    identity = pyrage.x25519.Identity.generate()
    create = ("m8", "backup", "create", "backup/log.age", "--dir", "m8", "--recipient", str(identity.to_public()))
    world.cluster.must(*create)
    (backups / "log").write_bytes(pyrage.decrypt((backups / "log.age").read_bytes(), [identity]))
    if world.postgres is None:
        world.cluster.must("m8", "backup", "folder", "backup/folder", "--dir", "m8")
    world.hear()
    world.plant()
    with (backups / "log").open("ab") as file:
        file.write(b"\n".join(world.marks.planted()))
    wait_until(lambda: time.monotonic() >= ended + 1, what="a second is over")
    return search(world, profile)


def judge(world: World, ways: Ways, found: Found, processes: Processes, places: set[str]) -> None:
    """Say what was done, and fail for each canary that was found and for each control that was not."""
    forms = set(world.marks.forms)
    print(
        f"{ways.given} canaries by {len(ways.all())} ways into {', '.join(world.stores)};"
        f" {found.size / 1e6:.0f} MB in {len(found.controls)} places searched,"
        f" for {found.keys} parts of one-time keys, too; {processes.looks} looks at processes"
    )
    blind = {place: sorted(forms - found.controls.get(place, set())) for place in places}
    blind |= {place: sorted(forms - WITH_NUL - seen) for place, seen in processes.controls.items()}
    assert {place: left for place, left in blind.items() if left} == {}
    assert found.unsearched == []
    assert found.leaks == []
    assert processes.leaks == set()
