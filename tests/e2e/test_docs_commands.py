"""The commands of the tutorial run as they stand, in their order, in an empty home; those of the README exist.

`make demo` runs in test_demo.py, through the script that it calls. `make test` is what runs this test, so it is not run
again from inside. The README's installations need a package index.
"""

from __future__ import annotations

import os
import shlex
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from monoskope.testing.engines import postgres
from monoskope.testing.parts import Part, program, wait_until
from tests.e2e.operating import ROOT, SERVE, Typist, blocks, pattern
from tests.unit.monoctl.on_terminal import converse

TUTORIAL = ROOT / "docs" / "tutorial.md"

BACKGROUND = (SERVE, "m8 reactor run reactor", "m8 reactor run vault", "m8 reactor run pg")
"""Commands that the tutorial leaves running in a terminal of their own."""

DATABASE = 'postgres -D postgres -c listen_addresses= -k "$PWD/postgres"'
PROGRAM = "python program.py"
"""The same; the second one logs in to the first with what a rotation puts, and ends if it cannot."""

ACTIVATE = "monoctl activate secret-store "

ROTATE = "monoctl rotate secret -f rotation.yaml"
"""The command before which one waits for two minutes, which here the clock is ahead."""

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


def lines(body: str) -> list[str]:
    """The commands of a block: what goes into a file stands in the lines below its command."""
    found: list[str] = []
    end = ""
    for line in body.strip().splitlines():
        if end:
            found[-1] += f"\n{line}"
            end = "" if line == end else end
        else:
            found.append(line)
            end = line.rpartition("<<")[2].strip("'") if "<<" in line else ""
    return found


@dataclass
class Reader(Typist):
    """Somebody who follows the tutorial."""

    trusting: bool = False
    database: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="m8-tutorial-")))
    """The folder `postgres`: not below pytest's, which is for one user."""

    def type(self, line: str) -> str:
        if line in BACKGROUND:
            self.stop(DEV)
            self.begin(line, self.serving)
            return ""
        if line == GO_ON:
            self.is_revoked()
            self.stop()
        if line == DEV:
            self.begin(f"{DEV} --port {self.port}", lambda part: "Ctrl-C stops everything" in part.log.read_text())
            return ""
        if line == PROGRAM:
            self.logs_in_as("orders_a", self.keeps(PROGRAM, [sys.executable, "-u", "program.py"]))
            return ""
        if line == DATABASE or line.startswith("initdb "):
            self.has_a_database(shlex.split(self.adapted(line)))
            return ""
        if line == FIRST_CONTACT and not self.trusting:
            self.trusting = True
            shell = ["/bin/sh", "-c", self.adapted(line)]
            agreed = converse(shell, [("[y/N]", b"y\n")], self.environment, folder=str(self.folder))
            assert agreed.code == 0, (line, agreed)
            return agreed.out
        done = self.shell(line)
        assert done.returncode == CODES.get(line, 0), (line, done.stdout, done.stderr)
        if line.startswith(ACTIVATE):
            store = line.removeprefix(ACTIVATE).split()[0]
            shown = f"monoctl describe secret-store {store} -o json"
            wait_until(lambda: '"attached": true' in self.shell(shown).stdout, what="the reactor attaches")
        if line == ROTATE:
            self.logs_in_as("orders_b", self.parts[-1])
        return done.stdout

    def keeps(self, line: str, command: list[str], *, folder: Path | None = None, user: str = "") -> Part:
        """Leave a program that is none of ours running."""
        log = self.folder.parent / f"{len(self.parts)}.log"
        part = Part(line, command, log=log, folder=folder or self.folder, environment=self.environment, user=user)
        self.parts.append(part)
        part.start()
        return part

    def logs_in_as(self, account: str, part: Part) -> None:
        part.wait_for(lambda: account in part.log.read_text())

    def has_a_database(self, words: list[str]) -> None:
        """Make it or start it, as a user that PostgreSQL runs as."""
        if words[0] == "initdb":
            shutil.chown(self.database, postgres.user() or os.geteuid())
            postgres.run(*words)
            return
        command = [str(postgres.binaries() / words[0]), *words[1:]]
        part = self.keeps(DATABASE, command, folder=Path("/"), user=postgres.user())
        part.wait_for((self.database / ".s.PGSQL.5432").exists)

    def is_revoked(self) -> None:
        done = self.shell("monoctl get secrets")
        assert (done.returncode, "was revoked" in done.stderr) == (10, True)

    def adapted(self, line: str) -> str:
        """Say also which token ID is."""
        if line == "m8 token revoke ID":
            rows = self.type("m8 token list").splitlines()
            line = line.replace("ID", next(row.split()[0] for row in rows if "anna" in row))
        if line in {ROTATE, f"{ROTATE} --due --check"}:
            line = f"MONOSKOPE_FAILPOINTS=m8.clock=shift+150 {line}"
        for shown in ("$PWD/postgres", "-D postgres", "> postgres"):
            line = line.replace(shown, shown.replace("$PWD/", "").replace("postgres", str(self.database)))
        return super().adapted(line)


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    found = Reader.at(tmp_path)
    found.environment["PATH"] += f"{os.pathsep}{postgres.binaries()}"
    yield found
    found.stop()
    shutil.rmtree(found.database)


def test_the_tutorial_does_what_it_says(reader: Reader) -> None:
    printed = everything = ""
    for kind, body in blocks(TUTORIAL):
        if kind == "text":
            assert pattern(body).search(printed), (body, printed)
            continue
        printed = "".join(map(reader.type, lines(body)))
        everything += printed
    assert reader.trusting
    assert "local://app/db" in everything
    running = [part.name for part in reader.parts if part.pid is not None]
    assert running == [SERVE, DATABASE, *BACKGROUND[2:], PROGRAM]


def test_the_tutorial_names_the_switch_for_machines_with_swap() -> None:
    text = TUTORIAL.read_text(encoding="utf-8")
    assert "`allow_swap = true`" in text
    assert "--allow-swap" in text


def test_every_command_in_the_tables_above_is_in_the_tutorial() -> None:
    typed = {line for kind, body in blocks(TUTORIAL) if kind == "sh" for line in lines(body)}
    assert typed >= {*BACKGROUND, *CODES, FIRST_CONTACT, GO_ON, DEV, DATABASE, PROGRAM, ROTATE}


def test_the_readmes_commands_exist() -> None:
    typed = [line for kind, body in blocks(ROOT / "README.md") if kind == "sh" for line in body.splitlines()]
    commands = [line for line in typed if not line.startswith("pip install")]
    assert commands == ["make demo", "make test", ".venv/bin/m8 dev"]
    rules = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert "\ndemo: " in rules
    assert "python demo/demo.py" in rules
    assert "\ntest: " in rules
    assert Path(program("m8")).exists()
