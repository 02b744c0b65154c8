"""An m8 without reactors, whose log tests put back, fork, rewrite or exchange."""

from __future__ import annotations

import contextlib
import shlex
import shutil
import sqlite3
import subprocess
from pathlib import Path
from typing import Any

from monoskope.exit_codes import ExitCode
from monoskope.settings import write_private
from monoskope.testing.cluster.commands import Ran, User
from monoskope.testing.cluster.identities import Identity
from monoskope.testing.cluster.rewritten_log import rewrite
from monoskope.testing.parts import wait_until
from tests.support.programs import m8
from tests.support.quick_cluster import QuickCluster

QUICK = "\n[log]\ncheckpoint_every_s = 0.05\n"


class LogCluster:
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
        m8("init", "folder", "--dir", "m8", "--listen", cluster.server, home=cluster.folder)
        file = self.m8 / "m8.toml"
        write_private(file, (file.read_text(encoding="utf-8") + QUICK).encode(), replace=True)
        cluster.start_m8()
        self.administer("create", "secret-store", "local", "--type", "local", "--identity", self.identity)
        self.administer("activate", "secret-store", "local")
        self.anna = cluster.add_user("anna", prefixes=["local://team"], pin=False)

    def administer(self, *words: str) -> None:
        self.cluster.must("monoctl", *words, user=self.cluster.administrator)

    def put(self, user: User, environment: dict[str, str] | None = None) -> Ran:
        """Put, in a hurry; with more time, if that was too short to hear from m8 at all."""
        words = ["put", "secret", "local://team/db", "--from-file", "password=-", "-o", "json"]
        words += ["--label", "a=b", "--expires", "2100-01-01", "--timeout"]
        given = {"MONOCTL_STORE_IDENTITY": f"local={self.identity}"} | (environment or {})
        for seconds in ("1", "10"):
            ran = user.monoctl(*words, seconds, input=b"correct horse", environment=given)
            if ran.code not in {ExitCode.TIMED_OUT, ExitCode.UNAVAILABLE}:
                return ran
        return user.monoctl(*words, "60", input=b"correct horse", environment=given)

    def log_of(self, user: User) -> dict[str, Any]:
        found: dict[str, Any] = self.cluster.must("monoctl", "get", "log", "-o", "json", user=user).json()
        return found

    def covered(self, user: User) -> int:
        """Wait until a checkpoint covers all that is recorded, and return its size, which `user` has seen."""
        events = self.events()
        wait_until(lambda: self.log_of(user)["size"] >= events, what="a checkpoint covers all")
        return int(self.log_of(user)["size"])

    def events(self) -> int:
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


def rewritten(world: LogCluster) -> None:
    """Every event is of another actor, all hashes are right, and the log's own keys sign it."""
    copy = world.copies / "rewritten"
    shutil.copy2(world.copies / "honest", copy)
    rewrite(copy, actor="mallory")
    world.serve(copy)
