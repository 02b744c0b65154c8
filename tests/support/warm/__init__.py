"""Running our programs in copies of a process that has loaded them: most of what a short command costs is loading.

A copy is a process of its own, with its own arguments, environment, folder and streams, and it ends as the program
does. What only a new interpreter shows (how our programs start, what they load, the allocator they run under) is
tested with new interpreters: `unit/test_start.py`, `unit/monoctl/test_process.py`, `e2e/test_wheel.py`.
"""

from __future__ import annotations

import atexit
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from threading import Lock

from monoskope.start import EXECUTED, KEY_LOG
from monoskope.testing import parts
from monoskope.testing.cluster.commands import execute
from monoskope.testing.parts import Part, program
from tests.support.programs import CLEAN

_ROOT = Path(__file__).parents[3]
_OWN_START = ("PYTHON", "GLIBC_", "LD_", "MALLOC_", EXECUTED, KEY_LOG)
"""How variables begin that count when a process starts or loads something: with them a program starts anew."""
_EXECUTE_AGAIN = frozenset({"dev", "console"})
"""Commands that execute the program's own file once more, or one of its others."""
FROM_ELSEWHERE = "TESTS_WARM_ADDRESS"
"""The variable that names the loaded process of another process, for one that is to have none of its own."""
_LOCK = Lock()

new_interpreters = False
"""Whether programs that go on running start as new interpreters: in tests with that marker, and in `anew`."""


def run(
    arguments: Sequence[str], folder: Path, environment: Mapping[str, str], given: bytes, seconds: float
) -> subprocess.CompletedProcess[bytes]:
    """Run `m8` or `monoctl` to its end, as `commands.execute` does, but in a copy of the loaded process if it can."""
    if not _will_do(arguments, environment):
        return execute(arguments, folder, environment, given, seconds)
    request = _request(arguments, folder, environment)
    with _connected() as connection:
        out, err = _streams(connection, request, given, seconds, arguments)
        code = _code(_exactly(connection, 4))
    return subprocess.CompletedProcess(list(arguments), code, out, err)


def spawn(
    arguments: Sequence[str], folder: Path, environment: Mapping[str, str], output: int, user: str
) -> parts.Process:
    """Start a program as `parts.spawn` does, but `m8` and `monoctl` as copies of the loaded process if those will do.

    Such a server has another allocator than m8 has, and its command line is that of the loaded process: a test that
    looks at either has the marker `new_interpreters`.
    """
    if user or new_interpreters or not _will_do(arguments, environment):
        return parts.spawn(arguments, folder, environment, output, user)
    connection = _connected()
    with Path(os.devnull).open("rb") as nothing:
        _send(connection, _request(arguments, folder, environment, leads=True), (nothing.fileno(), output, output))
    return _Copy(connection, arguments)


@contextmanager
def anew() -> Iterator[None]:
    """Let what starts in here be new interpreters, for a test that gets it from a fixture of many tests."""
    global new_interpreters  # noqa: PLW0603 - the tests of a process run one after the other
    before, new_interpreters = new_interpreters, True
    try:
        yield
    finally:
        new_interpreters = before


def lent() -> dict[str, str]:
    """What to add to the environment of `python -m tests.support.warm.script FILE`: there commands run as here."""
    with _LOCK:
        return {FROM_ELSEWHERE: _loaded(), "PYTHONPATH": str(_ROOT)}


@cache
def on_the_path() -> Path:
    """The folder of an `m8` and a `monoctl` that a shell may find in place of the true ones: they run as in `run`.

    Like those they have no terminal: what asks somebody is to be run as it is.
    """
    with _LOCK:
        address = _loaded()
    folder = Path(address).with_name("programs")
    folder.mkdir()
    names = ("m8", "monoctl")
    given = {
        "address": address,
        "programs": {name: program(name) for name in names},
        "own_start": _OWN_START,
        "anew": sorted(_EXECUTE_AGAIN | {"serve"}),
    }
    (folder / "asking.json").write_text(json.dumps(given))
    for name in names:
        file = folder / name
        file.write_text(f"#!{sys.executable} -IS\n{Path(__file__).with_name('asking.py').read_text()}")
        file.chmod(0o700)
    return folder


class _Copy:
    """A copy that goes on running, as `parts.Process`."""

    def __init__(self, connection: socket.socket, arguments: Sequence[str]) -> None:
        self.pid = int.from_bytes(_exactly(connection, 4), "big")
        self._connection = connection
        self._arguments = list(arguments)
        self._code: int | None = None

    def poll(self) -> int | None:
        with suppress(subprocess.TimeoutExpired):
            return self.wait(0)
        return None

    def wait(self, timeout: float | None = None) -> int:
        if self._code is None:
            if not select.select([self._connection], (), (), timeout)[0]:
                raise subprocess.TimeoutExpired(self._arguments, timeout or 0)
            self._code = _code(_exactly(self._connection, 4))
            self._connection.close()
        return self._code


def typed(
    *arguments: object,
    environment: Mapping[str, str] = CLEAN,
    folder: Path | None = None,
    given: str = "",
    seconds: float = 300.0,
) -> subprocess.CompletedProcess[str]:
    """Run `m8` or `monoctl` as `run` does, with text; `arguments` begin with the program's name."""
    name, *words = map(str, arguments)
    done = run([program(name), *words], folder or Path.cwd(), environment, given.encode(), seconds)
    return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())


def _will_do(arguments: Sequence[str], environment: Mapping[str, str]) -> bool:
    """Whether a copy shows the same as a new interpreter."""
    if any(name.startswith(_OWN_START) and name != "PYTHONWARNINGS" for name in environment):
        return False
    return arguments[0] in {program("monoctl"), program("m8")} and not _EXECUTE_AGAIN & set(arguments)


def _connected() -> socket.socket:
    with _LOCK:
        address = _loaded()
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(address)
    return connection


def _request(arguments: Sequence[str], folder: Path, environment: Mapping[str, str], *, leads: bool = False) -> bytes:
    """What the loaded process is told; `leads`: whether the copy leads a process group, and dies with its parent."""
    told = {"arguments": list(arguments), "folder": str(folder), "environment": dict(environment), "leads": leads}
    return json.dumps(told).encode()


def _send(connection: socket.socket, request: bytes, streams: Sequence[int]) -> None:
    socket.send_fds(connection, [len(request).to_bytes(4, "big")], streams)
    connection.sendall(request)


def _code(four: bytes) -> int:
    return int.from_bytes(four, "big", signed=True)


def _streams(
    connection: socket.socket, request: bytes, given: bytes, seconds: float, arguments: Sequence[str]
) -> tuple[bytes, bytes]:
    """Send a request with the program's three streams; return all that the program wrote to two of them."""
    (stdin, typed), (read_out, stdout), (read_err, stderr) = os.pipe(), os.pipe(), os.pipe()
    _send(connection, request, (stdin, stdout, stderr))
    for descriptor in (stdin, stdout, stderr):
        os.close(descriptor)
    pid = int.from_bytes(_exactly(connection, 4), "big")
    with ThreadPoolExecutor(3) as three:
        three.submit(_type, typed, given)
        read = [three.submit(_read, descriptor) for descriptor in (read_out, read_err)]
        try:
            out, err = (future.result(seconds) for future in read)
        except TimeoutError:
            os.kill(pid, signal.SIGKILL)
            raise subprocess.TimeoutExpired(list(arguments), seconds) from None
    return out, err


def _type(descriptor: int, given: bytes) -> None:
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(given)
    except BrokenPipeError:  # the program did not read it all
        pass


def _read(descriptor: int) -> bytes:
    with os.fdopen(descriptor, "rb") as stream:
        return stream.read()


def _exactly(connection: socket.socket, size: int) -> bytes:
    found = connection.recv(size, socket.MSG_WAITALL)
    assert len(found) == size, "the loaded process ended"
    return found


@cache
def _loaded() -> str:
    """Start the process that is copied, which ends with this one; return its address once it is loaded."""
    if FROM_ELSEWHERE in os.environ:
        return os.environ[FROM_ELSEWHERE]
    folder = tempfile.TemporaryDirectory(prefix="m8-warm-")
    atexit.register(folder.cleanup)
    address = f"{folder.name}/address"
    log = Path(folder.name, "log")
    environment = {"PATH": CLEAN["PATH"], "LANG": "C.UTF-8"}
    words = [sys.executable, "-m", "tests.support.warm.loaded", address]
    part = Part("loaded", words, log=log, folder=_ROOT, environment=environment)
    part.start()
    part.wait_for(Path(address).exists)
    return address
