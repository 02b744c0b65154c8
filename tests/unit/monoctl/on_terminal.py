"""`monoctl` as a process on a terminal of its own, with somebody who waits for a question and types."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass

from monoskope.testing.parts import program

CTRL_C = b"\x03"
_SECONDS = 30.0
# Whoever leads a new session gets its terminal by asking for it; then Ctrl-C reaches it.
_TAKES_TERMINAL = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""


@dataclass(frozen=True, slots=True)
class Typed:
    """What came of it."""

    code: int
    out: str
    """What a pipe behind stdout got."""
    shown: str
    """What the terminal showed, stderr and echo."""


def on_terminal(*words: str, until: str, keys: bytes, environment: Mapping[str, str]) -> Typed:
    """Run `monoctl` and, once the terminal shows `until`, type `keys`."""
    person, terminal = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-S", "-E", "-c", _TAKES_TERMINAL, program("monoctl"), *words],
        stdin=terminal,
        stdout=subprocess.PIPE,
        stderr=terminal,
        env=dict(environment),
        start_new_session=True,
    )
    os.close(terminal)
    try:
        shown = b""
        while until.encode() not in shown:
            part = _read(person)
            assert part, f"it ended without asking: {shown.decode()}"
            shown += part
        out = _typed(process, person, keys)
        while part := _read(person):
            shown += part
    finally:
        process.kill()
        os.close(person)
    return Typed(process.returncode, out.decode(), shown.decode())


def _typed(process: subprocess.Popen[bytes], person: int, keys: bytes) -> bytes:
    """Type, and return what a pipe got. Ctrl-C is pressed until it is over: one between prompt and read is not seen."""
    for _ in range(int(_SECONDS)):
        os.write(person, keys)
        try:
            return process.communicate(timeout=1 if keys == CTRL_C else _SECONDS)[0]
        except subprocess.TimeoutExpired:
            if keys != CTRL_C:
                raise
    raise AssertionError("Ctrl-C ended nothing")


def _read(person: int) -> bytes:
    """Return what the terminal shows next, b"" once nobody writes to it any more."""
    ready, _, _ = select.select([person], [], [], _SECONDS)
    assert ready, "the terminal shows nothing more"
    try:
        return os.read(person, 4096)
    except OSError:
        return b""
