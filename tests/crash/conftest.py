"""One real cluster a worker, its long waits shortened, whose parts can be made to break at a named place."""

from __future__ import annotations

import itertools
import threading
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import tomli_w

from monoskope.failpoints import VARIABLE
from monoskope.settings import write_private
from monoskope.testing.cluster import Cluster
from monoskope.testing.cluster_commands import Ran, User
from monoskope.testing.parts import Part, listens, wait_until
from tests.crash.auditor import Auditor

SECOND = "reactor-vault-2"

M8_TIMINGS = {
    "requested": 8.0,
    "granted_grace": 1.0,
    "issuer_gone": 3.0,
    "silence": 2.5,
    "heartbeat": 1,
    "tick": 0.2,
}
REACTOR_TIMINGS = {
    "write_window": 3.0,
    "issuer_gone": 1.0,
    "settle": 4.0,
    "lookups": [0.0, 0.5],
    "lookup_retry": 1.0,
    "lookup_tries": 4,
    "tick": 0.2,
    "quiet": 0.3,
    "backoff_least": 0.1,
    "backoff_most": 0.5,
    "append_retry": 0.3,
    "drain": 3.0,
}
LIFETIME_S = 30
"""The shortest that the protocol allows."""


@dataclass(slots=True)
class Putting:
    """A put under way."""

    path: str
    value: bytes
    thread: threading.Thread
    done: list[Ran] = field(default_factory=list)

    def ended(self) -> Ran:
        """How it ended."""
        self.thread.join(100)
        assert self.done, "monoctl still runs"
        return self.done[0]


@dataclass(slots=True)
class Crash:
    """A cluster, a user, and ways to break things."""

    cluster: Cluster
    user: User
    team: str
    audit: Auditor
    _paths: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def put(self, *options: str, failpoints: str = "", path: str = "", background: bool = False) -> Putting:
        """Put a value of its own at `path`, by default one of its own."""
        path = path or f"n{next(self._paths)}"
        value = f"value of {self.team} {next(self._paths)}".encode()
        environment = {VARIABLE: failpoints} if failpoints else {}
        words = ("put", "secret", f"vault://{self.team}/{path}", "--from-file", "password=-", "-o", "json", *options)

        def run() -> None:
            putting.done.append(self.user.monoctl(*words, input=value, environment=environment))

        putting = Putting(path, value, threading.Thread(target=run, daemon=True))
        putting.thread.start()
        if not background:
            putting.ended()
        return putting

    def check(self, putting: Putting, *codes: int) -> Ran:
        """Wait for a put, check that it ended with one of `codes` and that all of it is true."""
        ran = putting.ended()
        assert ran.code in codes, (ran.code, ran.out, ran.err)
        self.audit.check(putting.path, ran, putting.value)
        return ran

    def reactor(self, failpoints: str = "", *, folder: str = "reactor-vault") -> Part:
        """Start a reactor of the store `vault` anew, armed, and return when it is attached."""
        part = self.cluster.reactors[folder]
        part.kill()
        before = self.cluster.attached("vault")
        part.start({VARIABLE: failpoints} if failpoints else None)
        part.wait_for(lambda: bool(self.cluster.attached("vault") - before))
        return part

    def m8(self, failpoints: str = "") -> Part:
        """Start m8 anew, armed, and return when it listens."""
        self.cluster.m8.kill()
        self.cluster.m8.start({VARIABLE: failpoints} if failpoints else None)
        self.cluster.m8.wait_for(lambda: listens(self.cluster.server))
        return self.cluster.m8

    def reactor_is_back(self) -> None:
        """Wait until a reactor can be reached through m8 again."""
        wait_until(lambda: bool(self.cluster.attached("vault")), what="a reactor is attached")


def dies(part: Part) -> None:
    """Wait until a part is dead."""
    wait_until(lambda: part.pid is None, what=f"{part.name} dies")


def shorten(file: Path, **tables: object) -> None:
    """Put tables into a settings file."""
    table = tomllib.loads(file.read_text(encoding="utf-8")) | tables
    write_private(file, tomli_w.dumps(table).encode(), replace=True)


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """m8, OpenBao and the store `vault` with two reactor folders, the second not running."""
    with Cluster(tmp_path_factory.mktemp("crash")) as cluster:
        cluster.must("m8", "init", "--dir", "m8", "--listen", cluster.server)
        shorten(cluster.folder / "m8" / "m8.toml", timings=M8_TIMINGS)
        cluster.start_m8()
        cluster.start_openbao()
        cluster.make_vault_reactor("vault", readable=True)
        cluster.add_store("vault")
        cluster.make_vault_reactor("vault", folder=SECOND, readable=True)
        cluster.share_fingerprint_key("reactor-vault", SECOND)
        for home in ("reactor-vault", SECOND):
            limits = {"lifetime_s": LIFETIME_S}
            shorten(cluster.folder / home / "reactor.toml", timings=REACTOR_TIMINGS, limits=limits)
        cluster.start_reactor("vault")
        yield cluster


_numbers = itertools.count(1)


@pytest.fixture
def crash(cluster: Cluster) -> Iterator[Crash]:
    """A team of its own, and everything running and unarmed again afterwards."""
    team = f"team-{next(_numbers)}"
    user = cluster.add_user(f"user-of-{team}", prefixes=[f"vault://{team}"])
    crash = Crash(cluster, user, team, Auditor(cluster, user, team))
    yield crash
    again(crash)


def again(crash: Crash) -> None:
    """Whatever was left dead or armed runs as it should."""
    if crash.cluster.m8.pid is None:
        crash.m8()
    if crash.cluster.reactors["reactor-vault"].pid is None:
        crash.reactor()
