"""Somebody who runs m8 and one reactor, and does what a page of docs/operate says."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from unittest import mock

from click.testing import CliRunner

from monoskope.monoctl.main import cli
from monoskope.testing.parts import Part, listens, program, wait_until
from tests.support.m8_command import m8

OPERATE = Path(__file__).resolve().parents[2] / "docs" / "operate"
SERVE, RUN = "m8 serve", "m8 reactor run "
PUT = "printf '{}' | monoctl put secret notes://team-a/db --from-file password=- --store-identity notes={}"
DESCRIBE = "monoctl describe secret-store notes -o json"
_BLOCK = re.compile(r"^```(?P<kind>sh|text)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(page: Path) -> list[tuple[str, str]]:
    """Kind and content of every shell and output block, in order."""
    return [(match["kind"], match["body"]) for match in _BLOCK.finditer(page.read_text(encoding="utf-8"))]


def pattern(shown: str) -> re.Pattern[str]:
    """What output fits a block: digits and hex of any value, `…` for any rest of a word, any width of columns."""
    text = re.sub(r"\s+", " ", shown.strip())
    text = re.escape(re.sub(r"[0-9a-f]{8,}", "0" * 8, text)).replace(r"\ ", r"\s+")
    return re.compile(text.replace("0" * 8, "[0-9a-f]+").replace("…", r"\S*"))


@dataclass
class Operator:
    """Somebody who follows a page, with one m8 and a reactor of the store `notes`."""

    folder: Path
    port: int
    environment: dict[str, str]
    identity: str = ""
    parts: list[Part] = field(default_factory=list)

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

    def _adapted(self, line: str) -> str:
        """Take a free port in place of m8's own, and run where memory is swapped, too."""
        line = line.replace("localhost:7443", f"localhost:{self.port}")
        if line == "m8 init":
            line += f" --listen 127.0.0.1:{self.port}"
        if line.startswith("m8 reactor init"):
            line += " --allow-swap"
        return line
