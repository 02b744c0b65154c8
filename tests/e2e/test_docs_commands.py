"""The commands of the tutorial run as they stand, in their order, in an empty home; those of the README exist.

`make demo` runs in test_demo.py, through the script that it calls. `make test` is what runs this test, so it is not run
again from inside. The README's installations need a package index.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from monoskope.testing.parts import program, wait_until
from tests.e2e.operating import DESCRIBE, ROOT, SERVE, Typist, blocks, pattern
from tests.unit.monoctl.on_terminal import converse

TUTORIAL = ROOT / "docs" / "tutorial.md"

BACKGROUND = (SERVE, "m8 reactor run reactor")
"""Commands that the tutorial leaves running in a terminal of their own."""

FIRST_CONTACT = "printf 's3cret' | monoctl put secret notes://team-a/db --from-file password=-"
"""The command at which the tutorial says that a question comes, and that one answers it."""

GO_ON = 'rm "$(monoctl config path)"'
DEV = "m8 dev"
"""The commands before which the tutorial has both programs ended, and which begins another server."""

CODES = {
    "monoctl put secret notes://team-b/db --from-file password=/etc/hostname": 4,
    "monoctl put secret notes://team-a/db password=hunter2": 2,
    "printf 'guess' | monoctl compare secret notes://team-a/db --from-file password=-": 12,
    "monoctl delete secret notes://team-a/db --yes": 3,
}
"""Commands that the tutorial says fail, and how."""


@dataclass
class Reader(Typist):
    """Somebody who follows the tutorial."""

    trusting: bool = False

    def type(self, line: str) -> str:
        if line in BACKGROUND:
            self.begin(line, self.serving)
            return ""
        if line == GO_ON:
            self.is_revoked()
            self.stop()
        if line == DEV:
            self.begin(f"{DEV} --port {self.port}", lambda part: "Ctrl-C stops everything" in part.log.read_text())
            return ""
        if line == FIRST_CONTACT and not self.trusting:
            self.trusting = True
            shell = ["/bin/sh", "-c", self.adapted(line)]
            agreed = converse(shell, [("[y/N]", b"y\n")], self.environment, folder=str(self.folder))
            assert agreed.code == 0, (line, agreed)
            return agreed.out
        done = self.shell(line)
        assert done.returncode == CODES.get(line, 0), (line, done.stdout, done.stderr)
        return done.stdout

    def is_revoked(self) -> None:
        done = self.shell("monoctl get secrets")
        assert (done.returncode, "was revoked" in done.stderr) == (10, True)

    def adapted(self, line: str) -> str:
        """Say also which token ID is."""
        if line == "m8 token revoke ID":
            rows = self.type("m8 token list").splitlines()
            line = line.replace("ID", next(row.split()[0] for row in rows if "anna" in row))
        return super().adapted(line)


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    found = Reader.at(tmp_path)
    yield found
    found.stop()


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
    assert [part.name for part in reader.parts if part.pid is not None] == [f"{DEV} --port {reader.port}"]
    assert "local://app/db" in printed


def test_the_tutorial_names_the_switch_for_machines_with_swap() -> None:
    text = TUTORIAL.read_text(encoding="utf-8")
    assert "`allow_swap = true`" in text
    assert "--allow-swap" in text


def test_every_command_in_the_tables_above_is_in_the_tutorial() -> None:
    lines = {line for kind, body in blocks(TUTORIAL) if kind == "sh" for line in body.splitlines()}
    assert lines >= {*BACKGROUND, *CODES, FIRST_CONTACT, GO_ON, DEV}


def test_the_readmes_commands_exist() -> None:
    lines = [line for kind, body in blocks(ROOT / "README.md") if kind == "sh" for line in body.splitlines()]
    commands = [line for line in lines if not line.startswith("pip install")]
    assert commands == ["make demo", "make test", ".venv/bin/m8 dev"]
    rules = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert "\ndemo: " in rules
    assert "python demo/demo.py" in rules
    assert "\ntest: " in rules
    assert Path(program("m8")).exists()
