"""`monoctl` as a process on a terminal of its own, with somebody who waits for questions and types."""

from __future__ import annotations

import contextlib
import io
import os
import pty
import select
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from monoskope.testing.parts import program

CTRL_C = b"\x03"
_SECONDS = 60.0
_AGAIN_S = 10.0
"""After so many seconds Ctrl-C is pressed again: by then it has ended what it met."""
# Whoever leads a new session gets its terminal by asking for it; then Ctrl-C reaches it. The terminal is the first
# argument's descriptor: stdin may be something else.
_TAKES_TERMINAL = """
import fcntl, os, sys, termios
terminal = int(sys.argv[1])
fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)
os.close(terminal)
os.execv(sys.argv[2], sys.argv[2:])
"""

Keys = bytes | Callable[[str], bytes]
Steps = Sequence[tuple[str, Keys]]
"""What the terminal shows, and what is typed then, perhaps after somebody has read all that it shows."""


@dataclass(frozen=True, slots=True)
class Typed:
    """What came of it."""

    code: int
    out: str
    """What a pipe behind stdout got."""
    shown: str
    """What the terminal showed, stderr and echo."""
    echoes: bool
    """Whether the terminal shows what is typed, afterwards."""


def on_terminal(*words: str, until: str, keys: bytes, environment: Mapping[str, str]) -> Typed:
    """Run `monoctl` and, once the terminal shows `until`, type `keys`."""
    return converse([program("monoctl"), *words], [(until, keys)], environment)


def converse(
    command: Sequence[str],
    steps: Steps,
    environment: Mapping[str, str],
    *,
    stdin: bytes | None = None,
    folder: str | None = None,
    piped: bool = True,
    columns: int = 0,
) -> Typed:
    """Run a command on a terminal and answer its questions.

    Args:
        command: The program's path and its arguments.
        steps: What to wait for and then to type, one after the other.
        environment: The environment.
        stdin: What a pipe behind stdin holds, which then is not the terminal.
        folder: Where it runs.
        piped: Whether a pipe is behind stdout; else the terminal is.
        columns: How wide the terminal is; 0: it does not say.
    """
    person, terminal = pty.openpty()
    termios.tcsetwinsize(terminal, (24 if columns else 0, columns))
    process = subprocess.Popen(
        [sys.executable, "-S", "-E", "-c", _TAKES_TERMINAL, str(terminal), *command],
        stdin=terminal if stdin is None else subprocess.PIPE,
        stdout=subprocess.PIPE if piped else terminal,
        stderr=terminal,
        env=dict(environment),
        cwd=folder,
        pass_fds=[terminal],
        start_new_session=True,
    )
    try:
        if stdin is not None:
            assert process.stdin is not None
            process.stdin.write(stdin)
            process.stdin.close()
            process.stdin = None
        shown, seen, out = b"", 0, b""
        for index, (until, typing) in enumerate(steps):
            while until.encode() not in shown[seen:]:
                part = _read(person, shown)
                assert part, f"it ended without asking {until!r}: {shown.decode()}"
                shown += part
            seen = shown.index(until.encode(), seen) + len(until.encode())
            keys = typing if isinstance(typing, bytes) else typing(shown.decode())
            if index < len(steps) - 1:
                os.write(person, keys)
            else:
                out = _typed(process, person, keys)
        echoes = bool(termios.tcgetattr(terminal)[3] & termios.ECHO)
        os.close(terminal)
        terminal = -1
        while part := _read(person):
            shown += part
    finally:
        process.kill()
        process.wait()
        os.close(person)
        if terminal != -1:
            os.close(terminal)
    return Typed(process.returncode, out.decode(), shown.decode(), echoes)


def _typed(process: subprocess.Popen[bytes], person: int, keys: bytes) -> bytes:
    """Type, and return what a pipe got. Ctrl-C is pressed until it is over: one between prompt and read is not seen."""
    for _ in range(int(_SECONDS / _AGAIN_S)):
        if keys == CTRL_C:
            _wait_for_sleep(process.pid)
        os.write(person, keys)
        try:
            return process.communicate(timeout=_AGAIN_S if keys == CTRL_C else _SECONDS)[0] or b""
        except subprocess.TimeoutExpired:
            if keys != CTRL_C:
                raise
    raise AssertionError("Ctrl-C ended nothing")


def _wait_for_sleep(pid: int) -> None:
    """Wait until a process sleeps, as it does while it reads, or has ended; where nobody can say that, do not wait."""
    until = time.monotonic() + _SECONDS
    with contextlib.suppress(OSError):
        while Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] not in "SZ" and time.monotonic() < until:
            time.sleep(0.001)


def _read(person: int, shown: bytes = b"") -> bytes:
    """Return what the terminal shows next, b"" once nobody writes to it any more."""
    ready, _, _ = select.select([person], [], [], _SECONDS)
    assert ready, f"the terminal shows nothing more than {shown!r}"
    try:
        return os.read(person, 4096)
    except OSError:
        return b""


class Screen(io.StringIO):
    """What a stream shows, and whether it is a terminal."""

    def __init__(self, *, terminal: bool) -> None:
        super().__init__()
        self._terminal = terminal

    def isatty(self) -> bool:
        return self._terminal
