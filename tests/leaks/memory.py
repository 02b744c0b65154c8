"""The memory of every process of ours, and the files that each holds open, as they are at one moment."""

from __future__ import annotations

import contextlib
import os
import signal
import stat
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from monoskope.testing.parts import wait_until
from monoskope.testing.search import Wanted, look_in_file
from monoskope.testing.search.memory import look_in_memory
from tests.leaks.found import Found
from tests.leaks.looking import is_stopped, must_be_able_to_look
from tests.leaks.programs import Program
from tests.leaks.world import World

UNREAD_SHARE = 0.01
"""Of a process's memory, which may be gone or cannot be read."""


def processes(world: World, programs: Sequence[Program]) -> dict[str, int]:
    """Return every process of ours that lives long, with its id; what ought to run and does not is missing."""
    ours = {name: pid for name, pid in world.cluster.pids.items() if name != "openbao"}
    ours |= {program.name: program.pid for program in programs}
    return ours | {"console": world.consoles[0].pid}


def search_processes(world: World, programs: Sequence[Program], found: Found) -> None:
    """Stop all at once, search them as they are, and let them go on."""
    ours = processes(world, programs)
    for pid in ours.values():
        must_be_able_to_look(pid)
    with frozen(ours.values()):
        for name, pid in ours.items():
            result = look_in_memory(pid, world.marks.wanted, place=name)
            found.add(f"memory of {name}", result)
            if result.unread > UNREAD_SHARE * result.size:
                found.unsearched.append(f"{name}: {result.unread} bytes of its memory could not be read")
            if name.startswith("reactor-"):
                _search_for_keys(world, found, name, pid)
            for file in open_files(pid):
                found.add("open files without a name", look_in_file(file, world.marks.wanted, place=f"{name}, {file}"))


@contextmanager
def frozen(pids: Iterable[int]) -> Iterator[None]:
    """Let no process run as long as the block does."""
    stopped = list(pids)
    try:
        for pid in stopped:
            os.kill(pid, signal.SIGSTOP)
        for pid in stopped:
            wait_until(lambda pid=pid: is_stopped(pid), what=f"process {pid} stops")  # type: ignore[misc]
        yield
    finally:
        for pid in stopped:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


def open_files(pid: int) -> list[Path]:
    """The files without a name that a process has open: removed ones, and those in memory alone."""
    links = Path(f"/proc/{pid}/fd").iterdir()
    nameless = [link for link in links if str(link.readlink()).endswith(" (deleted)")]
    return [link for link in nameless if stat.S_ISREG(link.stat().st_mode)]


def _search_for_keys(world: World, found: Found, name: str, pid: int) -> None:
    """Look for one-time keys that were used, and for those that the rig keeps alive: so the search can see."""
    keys = {which: world.keys(which, pid) for which in ("used", "alive")}
    result = look_in_memory(pid, [Wanted(which, {"raw": tuple(listed)}) for which, listed in keys.items()], place=name)
    if not keys["used"]:
        found.unsearched.append(f"{name}: it has used no one-time key, or notes none")
    if result.total("used"):
        found.leaks.append(f"memory of {name}: {result.total('used')} copies of one-time keys")
    if result.total("alive") < 3:  # two halves of a seed, and a key of X25519
        found.unsearched.append(f"{name}: the keys that the rig keeps alive are not found")
    found.keys += len(keys["used"])
