"""Every place where a value must not be, searched for canaries and for controls in one pass."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from monoskope.testing.engines.postgres import USER, Postgres, run
from monoskope.testing.search import Result, Wanted, look, look_below, look_in_rows
from monoskope.testing.search.memory import look_in_memory
from tests.leaks.marks import Marks, must_be_able_to_look
from tests.leaks.world import World

WITH_NUL = frozenset({"utf-16", "utf-16-be", "utf-32"})
"""Forms that no argument and no variable can have."""

MAY_HOLD = ("inputs/", "openbao/", "reactor-local/secrets/", "site/")
"""Below the cluster's folder: the user's own files, what is upstream, and the controls of the rig."""

_CANARIES, _CONTROLS = "canaries", "controls"
_LOOK_S = 0.05


@dataclass
class Found:
    """What a search saw: places with canaries, and the forms of the controls by place."""

    leaks: list[str] = field(default_factory=list)
    controls: dict[str, set[str]] = field(default_factory=dict)
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
        if hits := {form: count for form, count in result.hits[_CANARIES].items() if count}:
            self.leaks.append(f"{place}, {result.place}: {hits}")
        self.controls.setdefault(place, set()).update(form for form, n in result.hits[_CONTROLS].items() if n)


def wanted(marks: Marks) -> list[Wanted]:
    """Both marks in every form."""
    return [
        Wanted(_CANARIES, marks.canaries.wanted.needles),
        Wanted(_CONTROLS, marks.controls.wanted.needles),
    ]


class Processes:
    """Looks at the arguments and the environment of every process again and again, while others work."""

    def __init__(self, marks: Marks) -> None:
        self._needles = {name: one.needles for name, one in zip(("canary", "control"), wanted(marks), strict=True)}
        self._ends = threading.Event()
        self.looks = 0
        self.leaks: set[str] = set()
        self.controls: dict[str, set[str]] = {"arguments": set(), "environments": set()}

    def _run(self) -> None:
        while not self._ends.wait(_LOOK_S):
            self.looks += 1
            for folder in Path("/proc").glob("[0-9]*"):
                for place, name in (("arguments", "cmdline"), ("environments", "environ")):
                    with contextlib.suppress(OSError):
                        self._take(place, folder.name, (folder / name).read_bytes())

    def _take(self, place: str, pid: str, content: bytes) -> None:
        for form, needles in self._needles["canary"].items():
            if any(needle in content for needle in needles):
                self.leaks.add(f"{place} of process {pid}: {form}")
        for form, needles in self._needles["control"].items():
            if any(needle in content for needle in needles):
                self.controls[place].add(form)

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Look as long as the block runs."""
        watcher = threading.Thread(target=self._run, daemon=True)
        watcher.start()
        try:
            yield
        finally:
            self._ends.set()
            watcher.join()


def search(world: World, profiles: Path | None) -> Found:
    """Search all places of a world: what runs, what it wrote, and what others heard of it."""
    found, both = Found(), wanted(world.marks)
    for name, pid in _pids(world):
        must_be_able_to_look(pid)
        found.add(f"memory of {name}", look_in_memory(pid, both, place=name))
        if name.startswith("reactor-"):
            _search_for_keys(world, found, name, pid)
    for name, body in world.heard.items():
        found.add(name, look(name, [body], both))
    for result in look_below(world.folder, both):
        if not result.place.startswith(MAY_HOLD):
            found.add(_group(result.place), result)
    others = {f"files of the {name} server": world.folder.parent / name for name in ("syslog", "webhook")}
    others |= {} if profiles is None else {"profile of the browser": profiles}
    for place, folder in others.items():
        for result in look_below(folder, both):
            found.add(place, result)
    _search_database(world, found, both)
    return found


def _search_for_keys(world: World, found: Found, name: str, pid: int) -> None:
    """Look for one-time keys that were used, and for those that the rig keeps alive: so the search can see."""
    keys = {which: world.keys(which) for which in ("used", "alive")}
    both = [Wanted(which, {"raw": tuple(listed)}) for which, listed in keys.items()]
    result = look_in_memory(pid, both, place=name)
    if result.total("used"):
        found.leaks.append(f"memory of {name}: {result.total('used')} copies of one-time keys")
    if result.total("alive") < 3:  # two halves of a seed, and a key of X25519
        found.unsearched.append(f"{name}: the keys that the rig keeps alive are not found")
    found.keys += len(keys["used"])


def _search_database(world: World, found: Found, both: list[Wanted]) -> None:
    if world.postgres is None:
        found.add("rows of the database", look_in_rows(world.folder / "m8" / "log.db", both))
    else:
        for result in look_below(world.postgres.folder, both):
            found.add("write-ahead log" if "/pg_wal/" in f"/{result.place}" else "files of the database", result)
        # Its own files can be compressed; what it shows is not.
        found.add("dump of the database", look("dump", [_dump(world.postgres)], both))


def _dump(postgres: Postgres) -> bytes:
    address = ("-h", "127.0.0.1", "-p", str(postgres.port), "-U", USER, "m8")
    environment = {"PGPASSWORD": postgres.password, "PGSSLMODE": "require"}
    return run("pg_dump", *address, environment=environment).encode()


def _pids(world: World) -> list[tuple[str, int]]:
    """Every process of ours that lives long."""
    parts = [(name, pid) for name, pid in world.cluster.pids.items() if name != "openbao"]
    # The console first: without a page it ends by itself.
    return [*(("console", console.pid) for console in world.consoles), *parts]


def _group(place: str) -> str:
    """Return the kind of place that a file below the cluster's folder is."""
    first, _, rest = place.partition("/")
    if first == "m8":
        return "files of the database" if rest.startswith("log.db") else "files of m8"
    if first.startswith("reactor-"):
        return "files of reactors"
    return {"audit": "audit lines in a file", "tmp": "temporary files", "backup": "backups"}.get(first, "other files")
