"""The programs in examples/sdk, and the blocks of docs/sdk.md, run as they are, on a real m8 and a real store."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import monoskope.client as client_package
from monoskope import errors
from monoskope.client import Client
from monoskope.client.known.table import VARIABLES
from monoskope.protocol.identity import ProofError
from tests.e2e.conftest import Team

PAGE = Path(__file__).resolve().parents[2] / "docs" / "sdk.md"
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
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=300)


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
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=300)

    assert done.returncode == 1
    assert done.stderr.startswith("USAGE: no server is configured. ")


# --- docs/sdk.md ---


def blocks() -> list[str]:
    return re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


async def test_every_block_of_the_page_runs(
    patient: Team, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HOME", str(patient.user.home))
    monkeypatch.setenv("VAULT_IDENTITY", patient.cluster.identities["vault"])
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    async with Client() as client:
        names: dict[str, object] = {}
        for block in blocks():
            names["client"] = client  # the page's first block opens one of its own
            text = block.replace("vault://app", f"vault://{patient.name}/page")
            code = compile(text, str(PAGE), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
            running = eval(code, names)
            if running is not None:
                await running

    said = capsys.readouterr().out
    for expected in ("UPLOADED fp1:", "True", "CONFLICT", "UPLOADED", "for this run alone"):
        assert expected in said


def test_the_page_names_every_method_and_every_name_of_the_page_exists() -> None:
    text = PAGE.read_text(encoding="utf-8")
    table = re.findall(r"^\| (`[^|]*`) \|", text, re.MULTILINE)
    named = {name for cells in table for name in re.findall(r"`([a-z]+_[a-z_]+)`", cells)}
    methods = {name for name in dir(Client) if not name.startswith("_") and callable(getattr(Client, name))}
    plurals = {name for name in methods if name.removesuffix("s") in methods}

    assert methods - plurals - {"full_uri"} <= named, "say on the page what these return"
    for name in re.findall(r"`(\w+Error)`", text):
        assert hasattr(errors, name) or hasattr(client_package, name) or name == ProofError.__name__
    for name in re.findall(r"`([A-Z]\w+)`", text):
        assert hasattr(client_package, name) or name.endswith("Error") or name.isupper() or name in {"Reactor", "date"}
    assert set(re.findall(r"MONOCTL_[A-Z_]+", text)) <= VARIABLES
