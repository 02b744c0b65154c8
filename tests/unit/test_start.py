"""The first moments of our programs: Ctrl-C is quiet, no file takes TLS keys, no core file is left."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

# At every fifth import after `start`, a copy of the process is interrupted, and how it ends is written down. The
# process itself goes on: it loads once for all of its copies.
HOOK = """
import os, signal, sys

class Hook:
    begun, count = False, 0
    def find_spec(self, name, path=None, target=None):
        if name == "monoskope.start":
            Hook.begun = True
        elif Hook.begun:
            Hook.count += 1
            if Hook.count % int(os.environ["EVERY"]) == 0:
                interrupt_a_copy(name)

def interrupt_a_copy(name):
    copy = os.fork()
    if copy == 0:
        Hook.begun = False
        os.kill(os.getpid(), signal.SIGINT)
        return
    _, status = os.waitpid(copy, 0)
    with open(os.environ["ENDS"], "a") as file:
        print(name, os.waitstatus_to_exitcode(status), file=file)

if "ENDS" in os.environ:
    sys.meta_path.insert(0, Hook())
"""
PROGRAMS = {
    "monoctl": ("monoskope.monoctl", "version"),
    "monoctl put": ("monoskope.monoctl", "put", "secret", "--help"),
    "m8": ("monoskope.m8", "serve", "--help"),
}
POINTS = 20
EVERY = 5


def run(folder: Path, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    (folder / "sitecustomize.py").write_text(HOOK)
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "PYTHONPATH": str(folder), **variables}
    command = [sys.executable, "-m", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment, check=False)


@pytest.mark.parametrize("program", PROGRAMS)
def test_ctrl_c_while_a_program_loads_is_quiet(tmp_path: Path, program: str) -> None:
    """Before that there is the start of the interpreter, in which nothing of ours runs."""
    quiet = run(tmp_path, *PROGRAMS[program])
    assert quiet.returncode == 0
    interrupted = run(tmp_path, *PROGRAMS[program], ENDS=str(tmp_path / "ends"), EVERY=str(EVERY))
    ends = [line.split() for line in (tmp_path / "ends").read_text().splitlines()]
    assert len(ends) >= POINTS
    assert [end for end in ends if end[1] != "130"] == []
    assert (interrupted.returncode, interrupted.stdout) == (0, quiet.stdout)
    assert "Traceback" not in interrupted.stderr
