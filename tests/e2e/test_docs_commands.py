"""The commands of the tutorial run as they stand, in their order, in an empty home; those of the README exist.

`make demo` runs in test_demo.py, through the script that it calls. `make test` is what runs this test, so it is not run
again from inside. The README's installations need a package index.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from monoskope.testing.parts import Part, free_port, listens, program, wait_until
from tests.unit.monoctl.on_terminal import converse

ROOT = Path(__file__).resolve().parents[2]
TUTORIAL = ROOT / "docs" / "tutorial.md"
_BLOCK = re.compile(r"^```(?P<kind>sh|text)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)

BACKGROUND = ("m8 serve", "m8 reactor run reactor")
"""Commands that the tutorial leaves running in a terminal of their own."""

FIRST_CONTACT = "printf 's3cret' | monoctl put secret notes://team-a/db --from-file password=-"
"""The command at which the tutorial says that a question comes, and that one answers it."""

DESCRIBE = "monoctl describe secret-store notes -o json"

CODES = {
    "monoctl put secret notes://team-b/db --from-file password=/etc/hostname": 4,
    "monoctl put secret notes://team-a/db password=hunter2": 2,
    "printf 'guess' | monoctl compare secret notes://team-a/db --from-file password=-": 12,
    "monoctl delete secret notes://team-a/db --yes": 3,
}
"""Commands that the tutorial says fail, and how."""


def blocks(page: Path) -> list[tuple[str, str]]:
    """Kind and content of every shell and output block, in order."""
    return [(match["kind"], match["body"]) for match in _BLOCK.finditer(page.read_text(encoding="utf-8"))]


def pattern(shown: str) -> re.Pattern[str]:
    """What output fits a block: digits and hex of any value, `…` for any rest of a word, any width of columns."""
    text = re.sub(r"\s+", " ", shown.strip())
    text = re.escape(re.sub(r"[0-9a-f]{8,}", "0" * 8, text)).replace(r"\ ", r"\s+")
    return re.compile(text.replace("0" * 8, "[0-9a-f]+").replace("…", r"\S*"))


@dataclass
class Reader:
    """Somebody who types what the tutorial says, into one shell a line, in one folder."""

    folder: Path
    port: int
    environment: dict[str, str]
    parts: list[Part] = field(default_factory=list)
    trusting: bool = False

    def type(self, line: str) -> str:
        """Run one line as it stands but for the port, and return what it printed."""
        if line in BACKGROUND:
            self._start(line)
            return ""
        if line == FIRST_CONTACT and not self.trusting:
            self.trusting = True
            shell = ["/bin/sh", "-c", self._adapted(line)]
            agreed = converse(shell, [("[y/N]", b"y\n")], self.environment, folder=str(self.folder))
            assert agreed.code == 0, (line, agreed)
            return agreed.out
        done = subprocess.run(
            ["/bin/sh", "-c", self._adapted(line)],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == CODES.get(line, 0), (line, done.stdout, done.stderr)
        return done.stdout

    def _adapted(self, line: str) -> str:
        """Take a free port in place of m8's own, run where memory is swapped too, and say which token ID is."""
        line = line.replace("localhost:7443", f"localhost:{self.port}")
        if line == "m8 init":
            line += f" --listen 127.0.0.1:{self.port}"
        if line.startswith("m8 reactor init"):
            line += " --allow-swap"
        if line == "m8 token revoke ID":
            rows = self.type("m8 token list").splitlines()
            line = line.replace("ID", next(row.split()[0] for row in rows if "anna" in row))
        return line

    def _start(self, line: str) -> None:
        name, *rest = line.split()
        log = self.folder.parent / f"{len(self.parts)}.log"
        part = Part(line, [program(name), *rest], log=log, folder=self.folder, environment=self.environment)
        self.parts.append(part)
        part.start()
        if line == "m8 serve":
            part.wait_for(lambda: listens(f"127.0.0.1:{self.port}"))


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    home, folder = tmp_path / "home", tmp_path / "folder"
    home.mkdir()
    folder.mkdir()
    environment = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ.get('PATH', os.defpath)}",
        "HOME": str(home),
        "LANG": "C.UTF-8",
    }
    found = Reader(folder, free_port(), environment)
    yield found
    for part in reversed(found.parts):
        part.stop()


def test_the_tutorial_does_what_it_says(reader: Reader) -> None:
    printed = ""
    for kind, body in blocks(TUTORIAL):
        if kind == "text":
            assert pattern(body).search(printed), (body, printed)
            continue
        printed = ""
        for line in body.strip().splitlines():
            printed += reader.type(line)
            if line.startswith("monoctl activate secret-store notes"):
                wait_until(lambda: '"attached": true' in reader.type(DESCRIBE), what="the reactor attaches")
    assert reader.trusting
    assert all(part.pid is not None for part in reader.parts)
    revoked = subprocess.run(
        [program("monoctl"), "get", "secrets"], env=reader.environment, capture_output=True, text=True, check=False
    )
    assert revoked.returncode == 10
    assert "was revoked" in revoked.stderr


def test_the_tutorial_names_the_switch_for_machines_with_swap() -> None:
    text = TUTORIAL.read_text(encoding="utf-8")
    assert "`allow_swap = true`" in text
    assert "--allow-swap" in text


def test_every_command_in_the_tables_above_is_in_the_tutorial() -> None:
    lines = {line for kind, body in blocks(TUTORIAL) if kind == "sh" for line in body.splitlines()}
    assert lines >= {*BACKGROUND, *CODES, FIRST_CONTACT}


def test_the_readmes_commands_exist() -> None:
    lines = [line for kind, body in blocks(ROOT / "README.md") if kind == "sh" for line in body.splitlines()]
    commands = [line for line in lines if not line.startswith("pip install")]
    assert commands == ["make demo", "make test", ".venv/bin/m8 dev"]
    rules = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert "\ndemo: " in rules
    assert "python demo/demo.py" in rules
    assert "\ntest: " in rules
    assert Path(program("m8")).exists()
