"""Somebody who runs m8 and one reactor, and does what a page of docs/operate says."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from unittest import mock

from click.testing import CliRunner

from monoskope.monoctl.main import cli
from monoskope.testing.parts import wait_until
from tests.e2e.typist import DESCRIBE, ROOT, RUN, SERVE, Typist, blocks, is_attached, pattern
from tests.support.m8_command import m8

OPERATE = ROOT / "docs" / "operate"
PUT = "printf '{}' | monoctl put secret notes://team-a/db --from-file password=- --store-identity notes={}"


@dataclass
class Operator(Typist):
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
        words = self.adapted(line).split()
        if words[:2] != ["m8", "reactor"] and not set("$|<>~'\"") & set(line):
            return self._here(words, code)
        done = self.shell(line)
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
        """Serve m8 from a folder, in place of the one that runs: it serves where the one before it did."""
        self.stop(SERVE)
        self.begin(line, self.serving)

    def run(self, line: str) -> None:
        """Run a reactor, and wait until it is attached."""
        self.begin(line, is_attached)

    def attached(self) -> None:
        """Wait until m8 lets the reactor in."""
        wait_until(lambda: '"attached": true' in self.done(DESCRIBE), what="the reactor attaches")

    def put(self, value: str) -> str:
        """Put a secret as Anna."""
        return self.done(PUT.format(value, self.identity))
