"""The first moments of our programs: Ctrl-C is quiet, no file takes TLS keys, no core file is left."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

# Interrupts the process when it imports its nth module after `start`; without a number it counts them.
HOOK = """
import os, signal, sys

class Hook:
    begun, count = False, 0
    def find_spec(self, name, path=None, target=None):
        if name == "monoskope.start":
            Hook.begun = True
        elif Hook.begun:
            Hook.count += 1
            if Hook.count == int(os.environ.get("INTERRUPT_AT", "-1")):
                os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Hook())
if "COUNT_IN" in os.environ:
    leave = os._exit
    def note(*_):
        with open(os.environ["COUNT_IN"], "w") as file:
            file.write(str(Hook.count))
    import atexit
    atexit.register(note)
    os._exit = lambda code: (note(), leave(code))
"""
PROGRAMS = {
    "monoctl": ("monoskope.monoctl", "version"),
    "monoctl put": ("monoskope.monoctl", "put", "secret", "--help"),
    "m8": ("monoskope.m8", "serve", "--help"),
}
POINTS = 20


def run(folder: Path, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    (folder / "sitecustomize.py").write_text(HOOK)
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "PYTHONPATH": str(folder), **variables}
    command = [sys.executable, "-m", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment, check=False)


@pytest.mark.parametrize("program", PROGRAMS)
def test_ctrl_c_while_a_program_loads_is_quiet(tmp_path: Path, program: str) -> None:
    """Before that there is the start of the interpreter, in which nothing of ours runs."""
    words = PROGRAMS[program]
    assert run(tmp_path, *words, COUNT_IN=str(tmp_path / "count")).returncode == 0
    imports = int((tmp_path / "count").read_text())
    assert imports > POINTS

    for point in range(POINTS):
        nth = 1 + imports * point // POINTS
        ended = run(tmp_path, *words, INTERRUPT_AT=str(nth))
        assert (ended.returncode, "Traceback" in ended.stderr) == (130, False), (nth, ended.stderr)
        assert ended.stdout == ""
