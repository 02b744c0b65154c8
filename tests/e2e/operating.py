"""A user who types what a page of the documentation says, one line a shell, and one who runs m8 and its reactors so."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self
from unittest import mock

from click.testing import CliRunner

from monoskope.monoctl.main import cli
from monoskope.testing.parts import Part, free_port, listens, program, wait_until
from tests.support import warm
from tests.support.programs import m8

ROOT = Path(__file__).resolve().parents[2]
SERVE, RUN = "m8 serve", "m8 reactor run "
DESCRIBE = "monoctl describe secret-store notes -o json"
_PLAIN = re.compile(r"[\w ./:,=@+-]+")
"""A line that a shell does nothing about but part it into words."""
_BLOCK = re.compile(r"^```(?P<kind>sh|text)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(page: Path) -> list[tuple[str, str]]:
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
        if line == "m8 init folder":
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
        return listens(f"127.0.0.1:{self.port}")

    def stop(self, begins: str = "") -> None:
        """Stop the programs whose line begins so, the last first."""
        for part in reversed(self.parts):
            if part.name.startswith(begins) and part.pid is not None:
                part.stop()


def is_attached(reactor: Part) -> bool:
    """Return whether a reactor's own log says that m8 let it in."""
    return '"event": "attached"' in reactor.log.read_text()


OPERATE = ROOT / "docs" / "operate"
ADMIN = "--token-file admin.token"
SHOWN = '"$(m8 reactor identity {})"'
PUT = "printf '{}' | monoctl put secret notes://team-a/db --from-file password=- --store-identity notes={}"


@dataclass
class Operator(Typist):
    """Somebody who follows a page, and sees both outputs of each command."""

    identity: str = ""
    instead: dict[str, str] = field(default_factory=dict)
    """What to type for what stands on a page as an example, such as the id of a token."""

    def begin_to_work(self, **reactors: str) -> None:
        """Serve m8 with a store of age files of each reactor, by its store, and be Anna, who may put there."""
        ca = "~/.local/state/monoskope/m8/ca.crt"
        rights = "--right put --right compare --right see-hash"
        prefixes = " ".join(f"--prefix {store}://" for store in reactors)
        self.done("m8 init folder")
        self.serve()
        for line in (
            "m8 token create --role administrator --subject root --out admin.token",
            f"m8 token create --role user --subject anna {prefixes} {rights} --out anna.token",
            "monoctl config set server localhost:7443",
            f"monoctl config set ca_file {ca}",
            'monoctl config set token_file "$PWD/anna.token"',
        ):
            self.done(line)
        first, *_ = reactors.values()
        for store, reactor in reactors.items():
            self.done(f"m8 reactor init {reactor} --store {store} --type age --server localhost:7443 --ca-file {ca}")
            # An export takes a second or two, of which a page has enough.
            copy = f"cp -p {first}/fingerprint.key {reactor}/"
            self.done(f"m8 reactor fingerprint-key new {reactor}" if reactor == first else copy)
            self.done(f"monoctl create secret-store {store} --type age --identity {SHOWN.format(reactor)} {ADMIN}")
            self.done(f"monoctl activate secret-store {store} {ADMIN}")
            self.done(RUN + reactor)
        self.identity = self.done(f"m8 reactor identity {first}").strip()

    def adapted(self, line: str) -> str:
        """Type what there is in the place of an example."""
        for example, true in self.instead.items():
            line = line.replace(example, true)
        return super().adapted(line)

    def follow(
        self,
        page: Path,
        *,
        codes: dict[tuple[str, int], int] | None = None,
        then: dict[str, Callable[[], None]] | None = None,
    ) -> str:
        """Do what the page says, in its order, and return all that was printed.

        Args:
            codes: How a command ends that stands on the page for the nth time, if not with 0.
        """
        everything = printed = ""
        seen: dict[str, int] = {}
        for kind, body in blocks(page):
            if kind == "text":
                assert "{" in body or pattern(body).search(printed), (body, printed)
                continue
            printed = ""
            for line in body.strip().splitlines():
                seen[line] = seen.get(line, 0) + 1
                printed += self.done(line, code=(codes or {}).get((line, seen[line]), 0))
                (then or {}).get(line, lambda: None)()
            everything += printed
        assert {line for line, _ in codes or {}} <= seen.keys()
        return everything

    def done(self, line: str, *, code: int = 0) -> str:
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
        """Run a reactor, in place of the one of its folder that runs, and wait until it is attached."""
        self.stop_reactor(line.removeprefix(RUN))
        self.begin(line, is_attached)

    def stop_reactor(self, folder: str) -> None:
        for part in self.parts:
            if part.name == RUN + folder and part.pid is not None:
                part.stop()

    def attached(self) -> None:
        wait_until(lambda: '"attached": true' in self.done(DESCRIBE), what="the reactor attaches")

    def put(self, value: str) -> str:
        return self.done(PUT.format(value, self.identity))
