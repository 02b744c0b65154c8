"""Somebody who runs m8 and its reactors, and does what a page of the documentation says."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from unittest import mock

from click.testing import CliRunner

from monoskope.monoctl.main import cli
from monoskope.testing.parts import wait_until
from tests.e2e.typist import DESCRIBE, ROOT, RUN, SERVE, Typist, blocks, is_attached, pattern
from tests.support.m8_command import m8

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
        self.done("m8 init")
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
            page: Its file.
            codes: How a command ends that stands on the page for the nth time, if not with 0.
            then: What happens after a command.
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
        """Wait until m8 lets the reactor in."""
        wait_until(lambda: '"attached": true' in self.done(DESCRIBE), what="the reactor attaches")

    def put(self, value: str) -> str:
        return self.done(PUT.format(value, self.identity))
