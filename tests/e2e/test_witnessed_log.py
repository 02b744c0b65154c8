"""A real m8 whose log was rolled back, forked, rewritten or exchanged: the next command notices, and seals nothing."""

from __future__ import annotations

import base64
import contextlib
import json
import shlex
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from monoskope.m8.tree import key_file
from monoskope.settings import write_private
from monoskope.testing.cluster.commands import Ran, User
from monoskope.testing.cluster.identities import Identity
from monoskope.testing.cluster.rewritten_log import make_strange, rewrite
from monoskope.testing.parts import wait_until
from monoskope.testing.scripted.log import ScriptedWitness
from tests.e2e.ran import ok
from tests.e2e.typist import ROOT, blocks
from tests.support.m8_command import m8
from tests.support.quick_cluster import QuickCluster

PAGE = ROOT / "docs" / "security" / "incidents" / "m8-lies.md"
PUBLISHED = "monoskope/0123456789abcdef"
"""The name of a renewed log on that page."""

QUICK = "\n[log]\ncheckpoint_every_s = 0.05\n"


class World:
    """One m8 with one store that no reactor serves, and copies of its database."""

    def __init__(self, folder: Path) -> None:
        self.cluster = QuickCluster(folder)
        self.m8 = folder / "m8"
        self.copies = folder / "copies"
        self.copies.mkdir()
        self.identity = Identity().shown
        self.size = 0
        """How many entries anna has seen."""
        self.vkeys: list[str] = []

    def start(self) -> None:
        cluster = self.cluster
        m8("init", "--dir", "m8", "--listen", cluster.server, home=cluster.folder)
        file = self.m8 / "m8.toml"
        write_private(file, (file.read_text(encoding="utf-8") + QUICK).encode(), replace=True)
        cluster.start_m8()
        self.administer("create", "secret-store", "local", "--type", "local", "--identity", self.identity)
        self.administer("activate", "secret-store", "local")
        self.anna = cluster.add_user("anna", prefixes=["local://team"], pin=False)

    def administer(self, *words: str) -> None:
        """Record something."""
        ok(self.cluster.administrator.monoctl(*words))

    def put(self, user: User, environment: dict[str, str] | None = None) -> Ran:
        words = ["put", "secret", "local://team/db", "--from-file", "password=-", "-o", "json"]
        words += ["--label", "a=b", "--expires", "2100-01-01", "--timeout", "1"]
        given = {"MONOCTL_STORE_IDENTITY": f"local={self.identity}"} | (environment or {})
        return user.monoctl(*words, input=b"correct horse", environment=given)

    def log_of(self, user: User) -> dict[str, Any]:
        found: dict[str, Any] = ok(user.monoctl("get", "log", "-o", "json")).json()
        return found

    def covered(self, user: User) -> int:
        """Wait until a checkpoint covers all that is recorded, and return its size, which `user` has seen."""
        events = self.events()
        wait_until(lambda: self.log_of(user)["size"] >= events, what="a checkpoint covers all")
        return int(self.log_of(user)["size"])

    def events(self) -> int:
        """Return how many events the log has, as its file says."""
        with contextlib.closing(sqlite3.connect(self.m8 / "log.db")) as log:
            return int(log.execute("SELECT position FROM head").fetchone()[0])

    def typed(self, line: str) -> int:
        """Run a line of a page, as anna or, if it is a command of m8, on its machine; return its exit code."""
        words = shlex.split(line)
        if words[0] == "m8":
            m8(*words[1:], home=self.cluster.folder, env={"M8_DIR": str(self.m8)})
            return 0
        if words[0] == "monoctl":
            return self.anna.monoctl(*words[1:]).code
        home = {"HOME": str(self.anna.home), "PATH": "/usr/bin:/bin"}
        return subprocess.run(["/bin/sh", "-c", line], cwd=self.anna.home, env=home, check=True).returncode

    def copy(self, name: str) -> Path:
        """Copy the database of an m8 that does not run."""
        return Path(shutil.copy2(self.m8 / "log.db", self.copies / name))

    def serve(self, copy: Path) -> None:
        """Serve a copy, with nothing that would tell m8 itself that it is one."""
        self.cluster.m8.stop()
        for file in self.m8.glob("log.db*"):
            file.unlink()
        shutil.copy2(copy, self.m8 / "log.db")
        (self.m8 / "log.checkpoint").unlink(missing_ok=True)
        self.cluster.start_m8()
        wait_until(lambda: bool(list(self.m8.glob("log.checkpoint"))), what="m8 signs")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    world = World(tmp_path_factory.mktemp("logs"))
    with world.cluster:
        world.start()
        world.cluster.m8.stop()
        world.copy("early")
        world.cluster.start_m8()
        world.administer("deactivate", "secret-store", "local")
        world.administer("activate", "secret-store", "local")
        world.size = world.covered(world.anna)
        world.vkeys = world.log_of(world.anna)["vkeys"]
        world.cluster.m8.stop()
        world.copy("honest")
        shutil.copy2(world.m8 / "log.key", world.copies / "log.key")
        yield world


def rolled_back(world: World) -> None:
    """The database of before, which m8 was not told of."""
    world.serve(world.copies / "early")


def forked(world: World) -> None:
    """The database of before, to which something else happened than to the one that anna saw."""
    world.serve(world.copies / "early")
    known_logs = world.cluster.administrator.known_stores.with_name("known_logs")
    known_logs.unlink()  # who did that to the log knows what they do
    for name in range(world.size - world.events()):
        world.administer("create", "secret-store", f"store-{name}", "--type", "local", "--identity", Identity().shown)
    world.covered(world.cluster.administrator)
    known_logs.unlink()


def rewritten(world: World) -> None:
    """Every event is of another actor, all hashes are right, and the log's own keys sign it."""
    copy = world.copies / "rewritten"
    shutil.copy2(world.copies / "honest", copy)
    rewrite(copy, actor="mallory")
    world.serve(copy)


def exchanged(world: World) -> None:
    """Another log stands behind the same name."""
    copy = world.copies / "exchanged"
    shutil.copy2(world.copies / "honest", copy)
    make_strange(copy)
    world.cluster.m8.stop()
    (world.m8 / "log.key").unlink()
    key_file.write(world.m8, key_file.make(""))
    world.serve(copy)


CASES: dict[str, tuple[Callable[[World], None], str]] = {
    "rolled back": (rolled_back, "does not show its log as far as it did before"),
    "forked": (forked, "has two different trees of"),
    "rewritten": (rewritten, "has two different trees of"),
    "exchanged": (exchanged, "and the one that is pinned is"),
}


@pytest.mark.parametrize(("change", "says"), list(CASES.values()), ids=list(CASES))
def test_the_next_command_notices_and_seals_nothing(
    world: World, change: Callable[[World], None], says: str, tmp_path: Path
) -> None:
    change(world)
    known = (world.anna.known_stores.parent / "known_logs").read_bytes()
    new_here = {
        "MONOCTL_LOG_VKEYS": " ".join(world.vkeys),
        "MONOCTL_LOG_WITNESSES": str(ScriptedWitness("witness.example").vkey),
        "MONOCTL_LOG_QUORUM": "1",
        "MONOCTL_KNOWN_STORES": str(tmp_path / "known_stores"),
    }

    put, unpinned = world.put(world.anna), world.put(world.anna, new_here)

    error = json.loads(put.err)["error"]
    assert (put.code, put.out, error["code"]) == (18, "", "LOG_MISMATCH")
    assert says in error["message"]
    assert len(error["notes"]) == 2
    assert all(note.startswith("monoskope/") and note.count("\n— monoskope/") == 2 for note in error["notes"])
    assert (world.anna.known_stores.parent / "known_logs").read_bytes() == known
    assert (unpinned.code, unpinned.out) == (18, "")


def test_the_page_about_a_lying_m8_leads_from_the_lie_to_a_renewed_log(world: World) -> None:
    world.cluster.m8.stop()
    shutil.copy2(world.copies / "log.key", world.m8 / "log.key")
    rewritten(world)
    known = (world.anna.known_stores.parent / "known_logs").read_text(encoding="utf-8").split()
    (world.cluster.folder / "their.note").write_bytes(base64.b64decode(known[-1]))
    ended, origin = list[tuple[str, int]](), ""
    for line in (line for kind, body in blocks(PAGE) if kind == "sh" for line in body.strip().splitlines()):
        if line == "monoctl get log" and ended[-1][0] == "m8 events verify":
            world.serve(world.copies / "honest")
        if PUBLISHED in line:
            wait_until(lambda: "renewed" in world.anna.monoctl("get", "log").err, what="m8 shows the renewed log")
            origin = m8("log", "key", home=world.cluster.folder, env={"M8_DIR": str(world.m8)}).stdout.partition("+")[0]
        ended.append((line.split(" --")[0], world.typed(line.replace(PUBLISHED, origin))))

    lied = [("monoctl get log", 18), ("monoctl verify log their.note", 18)]
    right = [(line, 0) for line, _ in lied]
    assert [end for end in ended if end[0].startswith("monoctl")] == [*lied, *right, ("monoctl accept-log", 0)]
    assert (world.anna.home / "evidence" / "known_logs").exists()
    assert world.log_of(world.anna)["origin"] == origin
