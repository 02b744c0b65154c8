"""Somebody who follows a page of docs/operate, with one m8 and the reactors of two stores, `notes` and `files`."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from monoskope.testing.parts import Part, listens, program

ROOT = Path(__file__).resolve().parents[2]
RUN = "m8 reactor run "
_BLOCK = re.compile(r"^```(?P<kind>sh|text)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(page: Path) -> list[tuple[str, str]]:
    """Kind and content of every shell and output block, in order."""
    return [(match["kind"], match["body"]) for match in _BLOCK.finditer(page.read_text(encoding="utf-8"))]


def pattern(shown: str) -> re.Pattern[str]:
    """What output fits a block: hex of any value, `…` for any rest of a word, any width of columns."""
    text = re.sub(r"\s+", " ", shown.strip())
    text = re.escape(re.sub(r"[0-9a-f]{8,}", "0" * 8, text)).replace(r"\ ", r"\s+")
    return re.compile(text.replace("0" * 8, "[0-9a-f]+").replace("…", r"\S*"))


@dataclass
class Operator:
    """Types the commands of pages, into one shell a line, in one folder, and sees both outputs of each."""

    folder: Path
    port: int
    environment: Mapping[str, str]
    parts: list[Part] = field(default_factory=list)

    def follow(self, page: Path, *, codes: Mapping[tuple[str, int], int] | None = None) -> None:
        """Do what the page says. `codes` has how a command ends when it stands on the page for the nth time."""
        printed, seen = "", dict[str, int]()
        for kind, body in blocks(page):
            if kind == "text":
                assert pattern(body).search(printed), (body, printed)
                continue
            printed = ""
            for line in body.strip().splitlines():
                seen[line] = seen.get(line, 0) + 1
                printed += self.done(line, code=(codes or {}).get((line, seen[line]), 0))
        assert {line for line, _ in codes or {}} <= seen.keys()

    def done(self, line: str, *, code: int = 0) -> str:
        """Run one line as it stands but for the port. A reactor that runs is stopped and started again."""
        if line.startswith(RUN):
            self.stop(line.removeprefix(RUN))
            reactor = self.background(line)
            reactor.wait_for(lambda: '"event": "attached"' in reactor.log.read_text())
            return ""
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
        assert done.returncode == code, (line, done.stdout, done.stderr)
        return done.stdout + done.stderr

    def background(self, line: str) -> Part:
        """Start a command that runs until it is stopped."""
        name, *rest = line.split()
        log = self.folder.parent / f"{len(self.parts)}.log"
        part = Part(line, [program(name), *rest], log=log, folder=self.folder, environment=self.environment)
        self.parts.append(part)
        part.start()
        if line == "m8 serve":
            part.wait_for(lambda: listens(f"127.0.0.1:{self.port}"))
        return part

    def stop(self, folder: str) -> None:
        """Stop the reactor of a folder, if it runs."""
        for part in self.parts:
            if part.name == RUN + folder and part.pid is not None:
                part.stop()

    def _adapted(self, line: str) -> str:
        """Take a free port in place of m8's own, and run where memory is swapped, too."""
        line = line.replace("localhost:7443", f"localhost:{self.port}")
        if line == "m8 init":
            line += f" --listen 127.0.0.1:{self.port}"
        return line + " --allow-swap" if line.startswith("m8 reactor init") else line
