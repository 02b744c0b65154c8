"""A process of ours that runs beside a test or a demonstration, and that never outlives it.

It leads a process group of its own, so that Ctrl-C on a terminal reaches the parent alone, which then stops its parts
in order. On Linux the kernel kills it when the parent is gone, however it went.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Protocol, Self

from monoskope.errors import UnavailableError
from monoskope.testing import ports

free_port = ports.free_port

READY_S = 60.0
STOP_S = 40.0
POLL_S = 0.02

# PR_SET_PDEATHSIG (1) with SIGKILL survives `execve`. A process of its own sets it, because code between fork and exec
# is not safe beside threads.
_DIE_WITH_PARENT = """
import ctypes, os, pwd, sys  # all of them here: another user may not be able to read this Python's files
if sys.argv[2]:
    user = pwd.getpwnam(sys.argv[2])
    os.setgroups([])
    os.setgid(user.pw_gid)
    os.setuid(user.pw_uid)
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, 9, 0, 0, 0)  # after setuid, which clears it
    if os.getppid() != int(sys.argv[1]):
        sys.exit(0)
os.execv(sys.argv[3], sys.argv[3:])
"""


def program(name: str) -> str:
    """Return the path of a program that was installed beside this Python, e.g. "monoctl"."""
    return str(Path(sys.executable).parent / name)


class NotInstalledError(UnavailableError):
    """A program of the system is not on this machine; the fix names Debian's package."""


def needed(name: str, package: str) -> str:
    """Return the path of a program that `package` of Debian brings. Raises `NotInstalledError`."""
    # /usr/sbin is not on the search path of every user.
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin")
    if found is None:
        raise NotInstalledError(f"{name} is not installed.", fix=f"Install it, e.g. with: apt-get install {package}")
    return found


def wait_until(done: Callable[[], bool], *, what: str, seconds: float = READY_S) -> None:
    """Ask `done` until it says yes. Raises `UnavailableError`, which names `what`, after `seconds`."""
    deadline = time.monotonic() + seconds
    while not done():
        if time.monotonic() > deadline:
            raise UnavailableError(f"waited {seconds:g} s in vain for this: {what}.")
        time.sleep(POLL_S)


def is_running(pid: int) -> bool:
    """Whether a process with this id exists."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def listens(server: str) -> bool:
    """Whether something listens at `host:port`."""
    host, _, port = server.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=1).close()
    except OSError:
        return False
    return True


def dying_with_us(arguments: Sequence[str], *, user: str = "") -> list[str]:
    """Return how to start a program so that it ends when this process ends.

    Args:
        arguments: The program's path and its arguments.
        user: As whom it runs, "" for the user of this process. Only root may name another one.
    """
    return [sys.executable, "-S", "-E", "-c", _DIE_WITH_PARENT, str(os.getpid()), user, *arguments]


class Process(Protocol):
    """A program that was started, as `subprocess.Popen` shows it."""

    @property
    def pid(self) -> int:
        """Its id, which is also that of its process group."""

    def poll(self) -> int | None:
        """Its exit code, or the negative number of the signal that ended it; None while it runs."""

    def wait(self, timeout: float | None = None) -> int:
        """Wait until it ended, and return the same. Raises `subprocess.TimeoutExpired` after `timeout` seconds."""


class Spawn(Protocol):
    """What starts the program of a part, as `spawn` does."""

    def __call__(
        self, arguments: Sequence[str], folder: Path, environment: Mapping[str, str], output: int, user: str
    ) -> Process:
        """Start it."""


def spawn(
    arguments: Sequence[str], folder: Path, environment: Mapping[str, str], output: int, user: str
) -> subprocess.Popen[bytes]:
    """Start a program in a process group of its own, which ends when this process ends.

    Args:
        arguments: The program's path and its arguments.
        folder: Its working folder.
        environment: Its whole environment.
        output: The descriptor of the file for its two outputs. Its input is empty.
        user: As whom it runs, "" for the user of this process.
    """
    return subprocess.Popen(
        dying_with_us(arguments, user=user),
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        start_new_session=True,
    )


class Part:
    """One program with its log, started and stopped at will.

    Args:
        name: For people.
        arguments: The program's path and its arguments.
        log: Where its output is appended, mode 0600.
        folder: Its working folder.
        environment: Its whole environment.
        user: As whom it runs, "" for the user of this process.
    """

    spawn: ClassVar[Spawn] = staticmethod(spawn)
    """What starts the programs of all parts."""

    def __init__(
        self,
        name: str,
        arguments: Sequence[str],
        *,
        log: Path,
        folder: Path,
        environment: Mapping[str, str],
        user: str = "",
    ) -> None:
        self.name = name
        self.arguments = tuple(arguments)
        self.log = log
        self._folder = folder
        self._user = user
        self.environment = dict(environment)
        """Its whole environment; what is changed here counts from the next start."""
        self._process: Process | None = None

    def __repr__(self) -> str:
        return f"<Part {self.name} pid {self.pid}>"

    @property
    def pid(self) -> int | None:
        """Its process id while it runs."""
        return None if self._process is None or self._process.poll() is not None else self._process.pid

    def start(self, environment: Mapping[str, str] | None = None) -> None:
        """Start it, unless it runs, with `environment` added to its own. Returns at once: see `wait_for`."""
        if self.pid is not None:
            return
        output = os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            environment = self.environment | dict(environment or {})
            self._process = self.spawn(self.arguments, self._folder, environment, output, self._user)
        finally:
            os.close(output)
        atexit.register(self.kill)

    def wait_for(self, ready: Callable[[], bool]) -> None:
        """Wait until `ready` says yes. Raises `UnavailableError` with the end of its log if it ends or takes 60 s."""

        def done() -> bool:
            if self.pid is None:
                raise UnavailableError(f"{self.name} ended: {self.last_words()}", fix=f"Its log: {self.log}")
            return ready()

        wait_until(done, what=f"{self.name} is ready (its log: {self.log})")

    @property
    def said_bytes(self) -> int:
        """How long its log is."""
        return self.log.stat().st_size if self.log.exists() else 0

    def said_since(self, begin: int) -> str:
        """What its log holds after so many bytes."""
        return self.log.read_bytes()[begin:].decode(errors="replace")

    def last_words(self) -> str:
        """The last lines of its log."""
        return " / ".join(self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-5:])

    def ask_to_stop(self) -> None:
        """Send SIGTERM, if it runs, and return at once."""
        if self.pid is not None:
            self._signal(signal.SIGTERM)

    def stop(self) -> None:
        """Ask it to stop and wait for that; kill it if it takes longer than 40 s."""
        self.ask_to_stop()
        if self._process is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(STOP_S)
        self.kill()

    def kill(self) -> None:
        """End it and whatever it started at once, as a crash would."""
        if self._process is not None:
            self._signal(signal.SIGKILL)
            self._process.wait()
            self._process = None
            atexit.unregister(self.kill)

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)


class Server:
    """A server that is one part, or begins with one. It runs inside the block of a `with`."""

    _part: Part

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def pid(self) -> int | None:
        """The server's process id while it runs."""
        return self._part.pid

    def start(self) -> None:
        """Start the server and return when it answers. Does nothing if it runs.

        Raises:
            UnavailableError: it ended, or did not answer within 60 s; holds the end of its log.
        """
        if self.pid is None:
            self._part.start()
            self._part.wait_for(self._answers)

    def _answers(self) -> bool:
        raise NotImplementedError

    def kill(self) -> None:
        """End the server at once, as a crash would. Does nothing if it does not run."""
        self._part.kill()

    def close(self) -> None:
        """End it for good."""
        self.kill()
