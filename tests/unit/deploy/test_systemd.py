"""The systemd units: systemd itself checks them, and says how much they leave open."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from monoskope.testing.parts import needed

UNITS = Path(__file__).resolve().parents[3] / "deploy" / "systemd"
NAMES = {"m8.service": "m8.service", "monoskope-reactor@.service": "monoskope-reactor@vault.service"}
MOST = 2.0
"""The greatest exposure level, from 0 to 10, that docs/operate/deploy.md promises."""

OLDEST = 254
"""The first version of systemd that knows every line (docs/operate/deploy.md)."""


@pytest.fixture(scope="module")
def analyze() -> str:
    """The program `systemd-analyze`."""
    program = needed("systemd-analyze", "systemd")
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
    if int(said.split()[1]) < OLDEST:
        pytest.skip(f"the units need systemd {OLDEST}: apt-get install systemd on a newer system")
    return program


@pytest.mark.parametrize("file", NAMES)
def test_systemd_understands_every_line(file: str, analyze: str, tmp_path: Path) -> None:
    unit = tmp_path / NAMES[file]
    text = (UNITS / file).read_text(encoding="utf-8")
    # What it starts is not installed here.
    unit.write_text(re.sub(r"^ExecStart=\S+", "ExecStart=/bin/true", text, flags=re.MULTILINE), encoding="utf-8")
    ran = subprocess.run([analyze, "verify", "--man=no", unit], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert ran.stderr == ""


@pytest.mark.parametrize("file", NAMES)
def test_a_unit_leaves_little_open(file: str, analyze: str) -> None:
    command = [analyze, "security", "--offline=true", "--no-pager", str(UNITS / file)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    level = re.search(r"Overall exposure level for \S+: ([0-9.]+) ", ran.stdout)
    assert level is not None, ran.stdout + ran.stderr
    assert float(level[1]) <= MOST


def test_a_reactor_may_lock_its_memory_and_leaves_no_core_file() -> None:
    lines = (UNITS / "monoskope-reactor@.service").read_text(encoding="utf-8").splitlines()
    for line in ("LimitMEMLOCK=infinity", "LimitCORE=0", "MemorySwapMax=0"):
        assert line in lines
