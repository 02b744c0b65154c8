"""What a search saw in the memory of every process of ours, its open files, and every place where no value may be.

Where the rig cannot look, it fails.
"""

from __future__ import annotations

import contextlib
import os
import signal
import stat
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from monoskope.testing.engines.postgres import USER, Postgres, run
from monoskope.testing.parts import wait_until
from monoskope.testing.search import Result, Wanted, look, look_below, look_in_file, look_in_rows
from monoskope.testing.search.memory import look_in_memory
from tests.leaks.marks import CANARIES, CONTROLS, NAMES
from tests.leaks.programs import Program
from tests.leaks.stores import PASSWORDS
from tests.leaks.world import LeakCluster


def must_be_able_to_look(pid: int) -> None:
    """Fail, with what is missing, where this process cannot look into another one."""
    if not Path("/proc/self/mem").exists():
        pytest.fail("there is no /proc here: the memory, arguments and environments of processes cannot be searched")
    try:
        os.close(os.open(f"/proc/{pid}/mem", os.O_RDONLY))
    except (ProcessLookupError, FileNotFoundError):
        pytest.fail(f"process {pid} ended before its memory was searched")
    except OSError as error:
        pytest.fail(f"no right to trace process {pid} ({error.strerror}): run this as root, or with CAP_SYS_PTRACE")


def is_stopped(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0] == "T"


@dataclass
class Found:
    """What a search saw: places with canaries, and the forms of the controls by place."""

    leaks: list[str] = field(default_factory=list)
    controls: dict[str, set[str]] = field(default_factory=dict)
    names: set[str] = field(default_factory=set)
    """Places where a secret's name was found."""
    unsearched: list[str] = field(default_factory=list)
    size: int = 0
    keys: int = 0
    """Parts of one-time keys that were looked for."""

    def add(self, place: str, result: Result) -> None:
        """Count what one result says of `place`."""
        if not result.searched:
            self.unsearched.append(f"{result.place}: {result.reason}")
            return
        self.size += result.size
        if hits := {form: count for form, count in result.hits[CANARIES].items() if count}:
            self.leaks.append(f"{place}, {result.place}: {hits}")
        if result.total(NAMES):
            self.names.add(place)
        self.controls.setdefault(place, set()).update(form for form, n in result.hits[CONTROLS].items() if n)


UNREAD_SHARE = 0.01
"""Of a process's memory, which may be gone or cannot be read."""


def processes(world: LeakCluster, programs: Sequence[Program]) -> dict[str, int]:
    """Return every process of ours that lives long, with its id; what ought to run and does not is missing."""
    ours = {name: pid for name, pid in world.cluster.pids.items() if name != "openbao"}
    ours |= {program.name: program.pid for program in programs}
    return ours | {"console": world.consoles[0].pid}


def search_processes(world: LeakCluster, programs: Sequence[Program], found: Found) -> None:
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


def _search_for_keys(world: LeakCluster, found: Found, name: str, pid: int) -> None:
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


FOLDERS = {"audit": "audit lines in a file", "tmp": "temporary files", "as-it-lay": "files of the database"}
KILLED = "killed-m8"
"""The folder of what m8's SQLite was when m8 was killed."""
MAY_HOLD = ("inputs/", "openbao/", "site/")
"""Below the cluster's folder: the user's own files, what is upstream, and the controls of the rig."""


def search_files(world: LeakCluster, profiles: Path | None, found: Found) -> None:
    """Search what the parts of a world wrote, and what others heard of it."""
    marks = world.marks.wanted
    for name, body in world.heard.items():
        found.add(name, look(name, [body], marks))
    for result in look_below(world.folder, marks):
        if not result.place.startswith(MAY_HOLD):
            found.add(_group(result.place), result)
    others = {f"files of the {name} server": world.folder.parent / name for name in ("syslog", "webhook")}
    if PASSWORDS in {folder.name for folder in world.folder.parent.iterdir()}:
        others["files of the store pass"] = world.folder.parent / PASSWORDS
    others |= {} if profiles is None else {"profile of the browser": profiles}
    for place, folder in others.items():
        for result in look_below(folder, marks):
            found.add(place, result)
    _search_database(world, found)


def _search_database(world: LeakCluster, found: Found) -> None:
    marks = world.marks.wanted
    if world.postgres is None:
        found.add("rows of the database", look_in_rows(world.folder / "m8" / "log.db", marks))
    else:
        for result in look_below(world.postgres.folder, marks):
            found.add("write-ahead log" if "/pg_wal/" in f"/{result.place}" else "files of the database", result)
        # Its own files can be compressed; what it shows is not.
        found.add("dump of the database", look("dump", [_dump(world.postgres)], marks))


def _dump(postgres: Postgres) -> bytes:
    address = ("-h", "127.0.0.1", "-p", str(postgres.port), "-U", USER, "m8")
    environment = {"PGPASSWORD": postgres.password, "PGSSLMODE": "require"}
    return run("pg_dump", *address, environment=environment).encode()


def _group(place: str) -> str:
    """Return the kind of place that a file below the cluster's folder is."""
    first, _, rest = place.partition("/")
    if first in FOLDERS:
        return FOLDERS[first]
    if first.startswith("reactor-"):
        return "files of reactors"
    if first == "backup":
        return "backups"
    if first in {"m8", KILLED}:
        kind = " of a killed m8" if first == KILLED else ""
        return f"write-ahead log{kind}" if rest == "log.db-wal" else _in_m8(rest)
    return "other files"


def _in_m8(rest: str) -> str:
    return "files of the database" if rest.startswith("log.db") else "files of m8"
