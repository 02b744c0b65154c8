"""The process that is copied: it has loaded our programs, and becomes one of them for each request."""

from __future__ import annotations

import ctypes
import gc
import importlib
import json
import os
import pkgutil
import signal
import socket
import sys
import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from selectors import EVENT_READ, DefaultSelector

from monoskope import start
from monoskope.m8 import __main__ as m8
from monoskope.monoctl import __main__ as monoctl
from tests.support import disk

_PACKAGES = ("monoskope.monoctl", "monoskope.client", "monoskope.m8.cli", "monoskope.stores")
_BESIDE = (
    "monoskope.m8.backup",
    "monoskope.m8.bootstrap",
    "monoskope.m8.init",
    "monoskope.reactor.cli",
    "monoskope.reactor.setup",
    "monoskope.reactor.run",
    "monoskope.reactor.settings",
)

_PR_SET_PDEATHSIG = 1


def main(address: str) -> None:
    """Load everything, then make a copy for each connection to the socket at `address` until this process is ended."""
    for name in _PACKAGES:
        _load(name)
    for name in _BESIDE:
        importlib.import_module(name)
    disk.never_wait()
    gc.collect()
    gc.freeze()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"{address}.new")
        listener.listen(64)
        Path(f"{address}.new").rename(address)
        _serve(listener)


def _load(package: str) -> None:
    """Import a package and all modules below it, but for those of drivers whose libraries are not installed."""
    found = importlib.import_module(package)
    for module in pkgutil.walk_packages(found.__path__, f"{package}."):
        if not module.name.endswith("__main__"):
            with suppress(ModuleNotFoundError):
                importlib.import_module(module.name)


def _serve(listener: socket.socket) -> None:
    ended, wakes = socket.socketpair()
    for end in (ended, wakes):
        end.setblocking(False)
    signal.set_wakeup_fd(wakes.fileno())
    signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
    running: dict[int, socket.socket] = {}
    with DefaultSelector() as selector:
        selector.register(listener, EVENT_READ)
        selector.register(ended, EVENT_READ)
        while True:
            ready = {key.fileobj for key, _ in selector.select()}
            if listener in ready:
                connection, _ = listener.accept()
                pid = os.fork()
                if pid == 0:
                    selector.close()
                    _become(connection, (listener, ended, wakes, *running.values()))
                running[pid] = connection
                connection.sendall(pid.to_bytes(4, "big"))
            if ended in ready:
                with suppress(BlockingIOError):
                    ended.recv(4096)
                _tell_of_the_ended(running)


def _tell_of_the_ended(running: dict[int, socket.socket]) -> None:
    while running:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == 0:
            return
        with running.pop(pid) as connection, suppress(OSError):
            connection.sendall(os.waitstatus_to_exitcode(status).to_bytes(4, "big", signed=True))


def _become(connection: socket.socket, others: tuple[socket.socket, ...]) -> None:
    """Be the program that is asked for. Never returns."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for other in others:
        other.close()
    size, streams, _, _ = socket.recv_fds(connection, 4, 3)
    request = json.loads(connection.recv(int.from_bytes(size, "big"), socket.MSG_WAITALL))
    connection.close()
    if request["leads"]:
        os.setsid()
        if sys.platform == "linux":
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    for number, descriptor in enumerate(streams):
        os.dup2(descriptor, number)
        os.close(descriptor)
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    if os.environ.get("PYTHONWARNINGS") == "error":
        warnings.simplefilter("error")
    sys.argv = request["arguments"]
    _end(_program())


def _program() -> Callable[[], object]:
    """The program that the arguments name, as it is once its process has begun."""
    if Path(sys.argv[0]).name == "monoctl":
        return monoctl.main
    if m8.SERVERS & set(sys.argv[1:]) or sys.argv[1:2] == ["reactor"]:
        os.environ.update(start.overwriting({}))  # as they are set once a program has executed itself again
    if sys.argv[1:2] != ["reactor"]:
        return m8.main
    from monoskope.reactor import cli  # noqa: PLC0415 - loaded already

    del sys.argv[1]
    start.begin()
    return cli.main


def _end(program: Callable[[], object]) -> None:
    """Run a program, and end as the interpreter would."""
    code: object = 0
    try:
        program()
    except SystemExit as end:
        code = end.code
    except BaseException:  # noqa: BLE001 - whatever the interpreter would print
        sys.excepthook(*sys.exc_info())
        code = 1
    with suppress(OSError):
        sys.stdout.flush()
    with suppress(OSError):
        sys.stderr.flush()
    os._exit(code if isinstance(code, int) else 0 if code is None else 1)


if __name__ == "__main__":
    main(sys.argv[1])
