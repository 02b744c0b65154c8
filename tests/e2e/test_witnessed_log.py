"""A real m8 whose log was rolled back, forked, rewritten or exchanged: the next command notices, and seals nothing."""

from __future__ import annotations

import contextlib
import json
import shutil
import sqlite3
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
from tests.support.m8_command import m8
from tests.support.quick_cluster import QuickCluster

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
