"""Somebody who types what a page of the documentation says, into one shell a line, in one folder with an empty home."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from monoskope.testing.parts import Part, free_port, listens, program
from tests.support import warm

ROOT = Path(__file__).resolve().parents[2]
SERVE, RUN = "m8 serve", "m8 reactor run "
DESCRIBE = "monoctl describe secret-store notes -o json"
_PLAIN = re.compile(r"[\w ./:,=@+-]+")
"""A line that a shell does nothing about but part it into words."""
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
class Typist:
    """What all of them do alike."""

    folder: Path
    port: int
    environment: dict[str, str]
    parts: list[Part] = field(default_factory=list)

    @classmethod
    def at(cls, top: Path) -> Self:
        """Return one with a home and a folder below `top`, both empty."""
        home, folder = top / "home", top / "folder"
        home.mkdir()
        folder.mkdir()
        environment = {
            "PATH": f"{Path(sys.executable).parent}:{os.environ.get('PATH', os.defpath)}",
            "HOME": str(home),
            "LANG": "C.UTF-8",
        }
        return cls(folder, free_port(), environment)

    def shell(self, line: str) -> subprocess.CompletedProcess[str]:
        """Run one line as it stands but for what `adapted` changes; without a shell if that would only start it."""
        line = self.adapted(line)
        if line.startswith(("m8 ", "monoctl ")) and _PLAIN.fullmatch(line):
            return warm.typed(*line.split(), environment=self.environment, folder=self.folder)
        return subprocess.run(
            ["/bin/sh", "-c", line],
            cwd=self.folder,
            env=self.environment | {"PATH": f"{warm.on_the_path()}:{self.environment['PATH']}"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )

    def adapted(self, line: str) -> str:
        """Take a free port in place of m8's own, and run where memory is swapped, too."""
        line = line.replace("localhost:7443", f"localhost:{self.port}")
        if line == "m8 init":
            line += f" --listen 127.0.0.1:{self.port}"
        return line + " --allow-swap" if line.startswith("m8 reactor init") else line

    def begin(self, line: str, ready: Callable[[Part], bool] = lambda _: True) -> Part:
        """Start a program that stays, and wait until it is ready."""
        name, *rest = line.split()
        log = self.folder.parent / f"{len(self.parts)}.log"
        part = Part(line, [program(name), *rest], log=log, folder=self.folder, environment=self.environment)
        self.parts.append(part)
        part.start()
        part.wait_for(lambda: ready(part))
        return part

    def serving(self, _: Part) -> bool:
        """Return whether m8 listens."""
        return listens(f"127.0.0.1:{self.port}")

    def stop(self, begins: str = "") -> None:
        """Stop the programs whose line begins so, the last first."""
        for part in reversed(self.parts):
            if part.name.startswith(begins) and part.pid is not None:
                part.stop()


def is_attached(reactor: Part) -> bool:
    """Return whether a reactor's own log says that m8 let it in."""
    return '"event": "attached"' in reactor.log.read_text()
