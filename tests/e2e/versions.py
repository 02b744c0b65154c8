"""Clusters in which parts of an old version meet parts of this one, and what a user does there.

The old version is a commit of this repository, whose `src` comes before the installed package on PYTHONPATH. There are
two clusters, one with an old m8 and one with a new one. Each has the stores `old-a` and `old-b` with old reactors,
`new-a` and `new-b` with new ones, and both versions of `monoctl` for its one user.
"""

from __future__ import annotations

import io
import os
import re
import shutil
import signal
import subprocess
import tarfile
import time
import tomllib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

import pytest
import tomli_w

from monoskope.failpoints import VARIABLE
from monoskope.settings import write_private
from monoskope.testing.cluster import Cluster
from monoskope.testing.cluster.commands import Ran, User
from monoskope.testing.parts import Part, wait_until

COMMIT = "750a469dcf653da221adbba5560babfacf74aa05"
"""The old version: the last commit before receipts had `replica` and `destination_grant`."""
ROOT = Path(__file__).resolve().parent.parent.parent
OLD, NEW = "old", "new"
STORES = [f"{version}-{letter}" for version in (OLD, NEW) for letter in "ab"]
WRITE_WINDOW_S = 3.0
RIGHTS = ("put", "compare", "see-hash", "delete", "copy")
"""Those that the old m8 knows."""
_TIMEOUT = ("--timeout", "30")


@dataclass(frozen=True, slots=True, order=True)
class Mixture:
    """Which version of each part."""

    m8: str
    reactors: str
    monoctl: str

    def __str__(self) -> str:
        return f"{self.m8} m8, {self.reactors} reactors, {self.monoctl} monoctl"

    def uri(self, letter: str, path: str) -> str:
        """Return the URI of a secret that this mixture alone uses."""
        return f"{self.reactors}-{letter}://t/{self.monoctl}/{path}"


MIXTURES = [
    Mixture(OLD, OLD, NEW),
    Mixture(OLD, NEW, OLD),
    Mixture(OLD, NEW, NEW),
    Mixture(NEW, OLD, OLD),
    Mixture(NEW, OLD, NEW),
    Mixture(NEW, NEW, OLD),
]


def unpack(folder: Path, commit: str = COMMIT) -> Path:
    """Take an old version out of the repository's history, and return its `src`; skip or fail if it is not there."""
    git = shutil.which("git")
    if git is None:
        not_here()
    done = subprocess.run(
        [git, "-C", str(ROOT), "archive", commit, "src", "pyproject.toml"], capture_output=True, check=False
    )
    if done.returncode != 0:
        not_here(commit)
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
        archive.extraction_filter = getattr(tarfile, "data_filter", None)  # which Python 3.11.2 has not
        archive.extractall(folder)
    # The installed scripts are this version's, and begin where the old one had nothing yet.
    for program, module in (("m8", "m8.cli"), ("monoctl", "monoctl.main")):
        begin = folder / "src" / "monoskope" / program / "__main__.py"
        if not begin.exists():
            begin.write_text(f"from monoskope.{module} import main as main\n")
    _name_its_drivers(folder)
    return folder / "src"


def _name_its_drivers(folder: Path) -> None:
    """Put metadata beside the old `src`, found before the installed one: its drivers stand in other modules."""
    project = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    metadata = folder / "src" / "monoskope-0.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: monoskope\nVersion: 0.1.0\n")
    lines = [f"{kind} = {where}" for kind, where in project["entry-points"]["monoskope.stores"].items()]
    (metadata / "entry_points.txt").write_text("[monoskope.stores]\n" + "\n".join(lines) + "\n")


def not_here(commit: str = COMMIT) -> NoReturn:
    """Skip, but fail in CI."""
    pytest.skip(f"the old version, commit {commit[:7]}, is not in this folder's git history. Fetch all of it.")


def add_to(file: Path, **tables: dict[str, object]) -> None:
    """Put tables into a settings file that an old program has written."""
    known = tomllib.loads(file.read_text(encoding="utf-8"))
    write_private(file, tomli_w.dumps({**known, **tables}).encode(), replace=True)


@dataclass(slots=True)
class World:
    """One cluster, whose m8 is of one version and whose reactors and clients are of both."""

    cluster: Cluster
    user: User
    old: dict[str, str]
    """What makes a program an old one."""

    @classmethod
    def start(cls, folder: Path, m8: str, source: Path) -> World:
        """Start m8 and the reactors of all stores; those of the stores `-b` stop before their first write."""
        old = {"PYTHONPATH": str(source)}
        environments = {f"reactor-{store}": old for store in STORES if store.startswith(OLD)}
        cluster = Cluster(folder, environments=environments | ({"m8": old} if m8 == OLD else {}))
        try:
            cluster.start_m8()
            _make_reactors(cluster, longer_lived=f"reactor-{m8}-a")
            for store in STORES:
                cluster.add_store(store)
                cluster.start_reactor(store)
            prefixes = [f"{store}://t" for store in STORES]
            user = cluster.add_user("user", prefixes=prefixes, rights=RIGHTS)
        except BaseException:
            cluster.close()
            raise
        return cls(cluster, user, old)

    def run(self, version: str, *words: str, value: bytes = b"") -> Ran:
        """Run `monoctl` of a version as the user."""
        return self.user.monoctl(*words, "-o", "json", input=value, environment=self.old if version == OLD else {})

    def become(self, part: Part, version: str) -> None:
        """Stop a part and let it be of another version, from its next start on; its commands, too."""
        part.stop()
        part.environment.pop("PYTHONPATH", None)
        self.cluster.environments[part.name] = self.old if version == OLD else {}
        part.environment |= self.cluster.environments[part.name]

    def rearm(self, store: str) -> None:
        """Start a reactor anew that is armed."""
        self.cluster.reactors[f"reactor-{store}"].stop()
        self.cluster.start_reactor(store)

    def pending(self) -> dict[str, int]:
        """How many requests of each store have not ended."""
        administrator = self.cluster.administrator
        shown = {
            store: administrator.monoctl("describe", "secret-store", store, "-o", "json").json() for store in STORES
        }
        return {store: one["pending"] for store, one in shown.items()}


def _make_reactors(cluster: Cluster, *, longer_lived: str) -> None:
    """Make the folders and parts of all reactors. The folder `longer_lived` says so in its settings."""
    for store in STORES:
        cluster.make_local_reactor(store)
    cluster.share_fingerprint_key(*(f"reactor-{store}" for store in STORES))
    for store in STORES:
        home = f"reactor-{store}"
        cluster.reactors[home] = cluster.part(home, "m8", "reactor", "run", home, log=f"{home}/reactor.log")
        settings = cluster.folder / home / "reactor.toml"
        if store.startswith(OLD):
            without_later_settings(settings, "restorable", table="engine")
        if home == longer_lived:
            add_to(settings, limits={"lifetime_s": 300, "uploads_per_second": 50})
        if store.endswith("a"):
            for version in (OLD, NEW):
                cluster.allow_copy(store, f"{version}-b")
        else:
            add_to(settings, timings={"write_window": WRITE_WINDOW_S})
            cluster.reactors[home].environment[VARIABLE] = "reactor.before-write=stop"


def without_later_settings(file: Path, *names: str, table: str = "") -> None:
    """Take from a settings file, or from a table of it, what the old version does not know."""
    settings = tomllib.loads(file.read_text(encoding="utf-8"))
    for name in names:
        (settings[table] if table else settings).pop(name, None)
    write_private(file, tomli_w.dumps(settings).encode(), replace=True)


def request_id(ran: Ran) -> str:
    """The request that a command names in its answer or its error."""
    found = re.search(r"[0-9a-f]{32}(?=\)|\")", ran.err if ran.code else str(ran.json()["request_id"]) + '"')
    assert found is not None, (ran.out, ran.err)
    return found[0]


def walk(world: World, mixture: Mixture) -> dict[str, Ran]:
    """Do everything once in one mixture; return how each step ended."""

    def run(*words: str, value: bytes = b"") -> Ran:
        return world.run(mixture.monoctl, *words, value=value)

    password = ("--from-file", "password=-", *_TIMEOUT)
    here, made, noted = mixture.uri("a", "db"), mixture.uri("a", "made"), mixture.uri("a", "noted")
    there, lost = mixture.uri("b", "db"), mixture.uri("b", "lost")
    done = {
        "lost": _with_a_reactor_that_sleeps(world, mixture, lambda: run("put", "secret", lost, *password, value=b"1")),
        "put": run("put", "secret", here, *password, value=b"1"),
        "put again": run("put", "secret", here, *password, value=b"1"),
        "compare equal": run("compare", "secret", here, *password, value=b"1"),
        "compare different": run("compare", "secret", here, *password, value=b"2"),
        "verify": run("verify", "secret", here, *_TIMEOUT),
        "import": run("import", "secret", here, *_TIMEOUT),
        "copy": run("copy", "secret", here, there, *_TIMEOUT),
        "compare the copy": run("compare", "secret", there, *password, value=b"1"),
        "put --overwrite": run("put", "secret", here, "--overwrite", *password, value=b"2"),
        "patch": run("patch", "secret", here, "--from-file", "user=-", *_TIMEOUT, value=b"app"),
        "generate": run("generate", "secret", made, "password=password", *_TIMEOUT),
        "put with a label": run("put", "secret", noted, "--label", "owner=anna", *password, value=b"1"),
        "put without one": run("put", "secret", noted, *password, value=b"2"),
        "get secret, with its labels": run("get", "secret", noted),
        "get secrets": run("get", "secrets"),
        "get secret": run("get", "secret", here),
        "get secret --versions": run("get", "secret", here, "--versions"),
        "delete": run("delete", "secret", made, "--yes", *_TIMEOUT),
    }
    done["get upload, of the copy"] = run("get", "upload", request_id(done["copy"]))
    done["get upload, of what was lost"] = run("get", "upload", request_id(done["lost"]))
    return done


def _with_a_reactor_that_sleeps(world: World, mixture: Mixture, put: Callable[[], Ran]) -> Ran:
    """Put while the reactor sleeps through its write window: nothing is written, and it says that the key is lost."""
    part = world.cluster.reactors[f"reactor-{mixture.reactors}-b"]
    with ThreadPoolExecutor(1) as background:
        ended = background.submit(put)
        wait_until(lambda: _state(part) == "T", what=f"{part.name} stops")
        time.sleep(WRITE_WINDOW_S)  # its own clock has to pass it: there is nothing to ask
        assert part.pid is not None
        os.kill(part.pid, signal.SIGCONT)
        return ended.result()


def _state(part: Part) -> str:
    return Path(f"/proc/{part.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0]


@dataclass(slots=True)
class Worlds:
    """Both clusters, and what came of each step in each mixture."""

    by_m8: dict[str, World] = field(default_factory=dict)
    ended: dict[Mixture, dict[str, Ran]] = field(default_factory=dict)
    # Its threads live as long as the parts that they start: the kernel ends a part with the thread that started it.
    _pool: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(4))

    def run(self, folder: Path, source: Path) -> None:
        """Start both clusters and walk all mixtures, at the same time where they share no reactor."""
        starting = {m8: self._pool.submit(World.start, folder / m8, m8, source) for m8 in (OLD, NEW)}
        wait(starting.values())
        self.by_m8 = {m8: world.result() for m8, world in starting.items() if world.exception() is None}
        for world in starting.values():
            world.result()
        list(self._pool.map(self._walk, [(m8, reactors) for m8 in (OLD, NEW) for reactors in (OLD, NEW)]))

    def _walk(self, shared: tuple[str, str]) -> None:
        m8, reactors = shared
        for number, mixture in enumerate(one for one in MIXTURES if (one.m8, one.reactors) == shared):
            if number:
                self.by_m8[m8].rearm(f"{reactors}-b")
            self.ended[mixture] = walk(self.by_m8[m8], mixture)

    def close(self) -> None:
        """Stop everything."""
        for world in self.by_m8.values():
            world.cluster.close()
        self._pool.shutdown()
