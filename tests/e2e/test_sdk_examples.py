"""The programs in examples/sdk run as they are, on a real m8 and a real store."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.conftest import Team

EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "sdk"
RUNS = {
    "put_and_read.py": (["vault://{team}/db"], ["UPLOADED as version", "proven: True", "  UPLOADED "]),
    "put_and_read_sync.py": (["local://{team}/db"], ["UPLOADED", "proven: True", "compared: True", "store local: age"]),
    "bulk.py": (["local://{team}/bulk", "20"], ["20 put, 20 in sync"]),
    "errors.py": (
        ["vault://{team}/errors"],
        ["first: put", "again: there already", "USAGE: ", "NOT_FOUND: ", "no store 'nowhere'"],
    ),
    "follow_events.py": (["vault://{team}", "1"], ["SecretUploadKeyRequested vault://{team}/db by user-of-{team}"]),
}
"""Program to its arguments and to what it must print."""


def run(team: Team, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ.get("PATH", os.defpath), "HOME": str(team.user.home)}
    command = [sys.executable, str(EXAMPLES / program), *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)


def test_every_example_is_run_below() -> None:
    assert {path.name for path in EXAMPLES.glob("*.py")} == RUNS.keys()


@pytest.mark.parametrize("program", RUNS)
def test_an_example_does_what_it_says(patient: Team, program: str) -> None:
    arguments, expected = RUNS[program]
    if program == "follow_events.py":
        assert patient.put(patient.uri("vault")).code == 0

    done = run(patient, program, *(word.replace("{team}", patient.name) for word in arguments))

    assert done.returncode == 0, done.stderr
    for text in expected:
        assert text.replace("{team}", patient.name) in done.stdout
    if program == "bulk.py":
        assert "40 of 40" in done.stderr


def test_an_example_ends_with_a_sentence_where_nobody_answers(tmp_path: Path) -> None:
    environment = {"PATH": os.environ.get("PATH", os.defpath), "HOME": str(tmp_path)}
    command = [sys.executable, str(EXAMPLES / "errors.py"), "vault://app/db"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)

    assert done.returncode == 1
    assert done.stderr.startswith("USAGE: no server is configured. ")
