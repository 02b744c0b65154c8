"""The commands of the pages about m8's certificate, disk, backup and machine, run as they stand."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import pytest
from click.testing import CliRunner

from monoskope.monoctl.main import cli
from monoskope.testing.parts import Part, free_port, listens, program, wait_until
from tests.e2e.test_docs_commands import ROOT, Reader, blocks, pattern
from tests.unit.m8_cli.test_cli import m8

OPERATE = ROOT / "docs" / "operate"
SERVE, RUN = "m8 serve", "m8 reactor run "
VERIFY = "monoctl verify secret --all notes://team-a"
PUT = "printf '{}' | monoctl put secret notes://team-a/db --from-file password=- --store-identity notes={}"
DESCRIBE = "monoctl describe secret-store notes -o json"


@dataclass
class Operator(Reader):
    """Somebody who follows a page, with one m8 and a reactor of the store `notes`."""

    identity: str = ""

    def follow(
        self,
        page: str,
        *,
        codes: dict[tuple[str, int], int] | None = None,
        then: dict[str, Callable[[], None]] | None = None,
    ) -> str:
        """Do what the page says, in its order, and return all that was printed.

        Args:
            page: Its name.
            codes: How a command ends that stands on the page for the nth time, if not with 0.
            then: What happens after a command.
        """
        everything = printed = ""
        seen: dict[str, int] = {}
        for kind, body in blocks(OPERATE / page):
            if kind == "text":
                assert "{" in body or pattern(body).search(printed), (body, printed)
                continue
            printed = ""
            for line in body.strip().splitlines():
                seen[line] = seen.get(line, 0) + 1
                printed += self.done(line, code=(codes or {}).get((line, seen[line]), 0))
                (then or {}).get(line, lambda: None)()
            everything += printed
        return everything

    def done(self, line: str, *, code: int = 0) -> str:
        """Run one line, and return what it printed."""
        if line.startswith(SERVE):
            self.serve(line)
            return ""
        if line.startswith(RUN):
            self.run(line)
            return ""
        line = self._adapted(line)
        words = line.split()
        if words[:2] != ["m8", "reactor"] and not set("$|<>~'\"") & set(line):
            return self._here(words, code)
        done = subprocess.run(
            ["/bin/sh", "-c", line],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == code, (line, done.stdout, done.stderr)
        return done.stdout + done.stderr

    def _here(self, words: list[str], code: int) -> str:
        """Run a command that needs no shell in this process, which has imported everything already."""
        if words[0] == "m8":
            ended = m8(*words[1:], home=self.folder, code=code, env=self.environment)
            return ended.stdout + ended.stderr
        if words[0] != "monoctl":
            assert subprocess.call(words, cwd=self.folder) == code
            return ""
        with mock.patch.dict(os.environ, self.environment, clear=True), contextlib.chdir(self.folder):
            result = CliRunner().invoke(cli, words[1:])
        assert result.exit_code == code, (words, result.output)
        return result.output

    def serve(self, line: str = SERVE) -> None:
        """Serve m8 from a folder, in place of the one that runs."""
        self.stop(SERVE)
        # One m8 serves where the one before it did, from whichever folder.
        self.begin(line, lambda: listens(f"127.0.0.1:{self.port}"))

    def run(self, line: str) -> None:
        """Run a reactor, and wait until it is attached."""
        self.begin(line, lambda: '"event": "attached"' in self.parts[-1].log.read_text())

    def begin(self, line: str, ready: Callable[[], bool]) -> None:
        """Start a program that stays."""
        name, *rest = line.split()
        log = self.folder.parent / f"{len(self.parts)}.log"
        part = Part(line, [program(name), *rest], log=log, folder=self.folder, environment=self.environment)
        self.parts.append(part)
        part.start()
        part.wait_for(ready)

    def stop(self, begins: str) -> None:
        """Stop the programs whose line begins so."""
        for part in self.parts:
            if part.name.startswith(begins) and part.pid is not None:
                part.stop()

    def attached(self) -> None:
        """Wait until m8 lets the reactor in."""
        wait_until(lambda: '"attached": true' in self.done(DESCRIBE), what="the reactor attaches")

    def put(self, value: str) -> str:
        """Put a secret as Anna."""
        return self.done(PUT.format(value, self.identity))


@pytest.fixture(scope="module")
def operator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    top = tmp_path_factory.mktemp("operator")
    home, folder = top / "home", top / "folder"
    home.mkdir()
    folder.mkdir()
    environment = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ.get('PATH', os.defpath)}",
        "HOME": str(home),
        "LANG": "C.UTF-8",
    }
    found = Operator(folder, free_port(), environment)
    ca = "~/.local/state/monoskope/m8/ca.crt"
    found.done("m8 init")
    found.serve()
    rights = "--right put --right compare --right see-hash"
    for line in (
        "m8 token create --role administrator --subject root --out admin.token",
        f"m8 token create --role user --subject anna --prefix notes:// {rights} --out anna.token",
        "monoctl config set server localhost:7443",
        f"monoctl config set ca_file {ca}",
        'monoctl config set token_file "$PWD/anna.token"',
        f"m8 reactor init reactor --store notes --type age --server localhost:7443 --ca-file {ca} --prefix team-a",
        "m8 reactor fingerprint-key new reactor",
        (
            'monoctl create secret-store notes --type age --identity "$(m8 reactor identity reactor)" '
            "--token-file admin.token"
        ),
        "monoctl activate secret-store notes --token-file admin.token",
    ):
        found.done(line)
    found.identity = found.done("m8 reactor identity reactor").strip()
    found.run(RUN + "reactor")
    yield found
    for part in reversed(found.parts):
        part.stop()


def test_the_pages_about_certificates_and_disk_do_what_they_say(operator: Operator) -> None:
    operator.put("first")
    operator.follow("certificates.md")
    # The server ran all the while, and the clients have the CA that the page left in ca.crt.
    assert "UPLOADED" in operator.put("second")
    operator.follow("disk-and-log-growth.md")


def test_the_page_about_moving_does_what_it_says(operator: Operator) -> None:
    operator.follow("move-hosts.md", then={"m8 serve --dir moved": operator.attached})
    described = json.loads(operator.done(DESCRIBE))
    assert [reactor["attached"] for reactor in described["reactors"]].count(True) == 2
    operator.stop(RUN + "reactor-new")
    assert "UPLOADED" in operator.put("third")


def test_a_restored_m8_is_older_than_its_clients_know_and_they_notice(operator: Operator) -> None:
    def go_on() -> None:
        """What happens between the backup and the day on which it is needed."""
        operator.put("newer than the backup")
        operator.done(VERIFY)

    operator.serve()
    operator.attached()
    operator.put("older")
    operator.done(VERIFY)
    printed = operator.follow(
        "back-up-and-restore.md",
        codes={(VERIFY, 1): 12},
        then={"m8 backup backup": go_on, "m8 serve --dir restored": operator.attached},
    )
    assert "DRIFTED" in printed
    assert "shows an older receipt" in printed
