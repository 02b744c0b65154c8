"""Somebody who follows a page, with one m8 and the reactors of two stores, `notes` and `files`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.e2e.typist import RUN, Typist, blocks, is_attached, pattern


@dataclass
class Operator(Typist):
    """Sees both outputs of each command."""

    instead: dict[str, str] = field(default_factory=dict)
    """What to type for what stands on a page as an example, such as the id of a token."""

    def adapted(self, line: str) -> str:
        """Type what there is in the place of an example."""
        for example, true in self.instead.items():
            line = line.replace(example, true)
        return super().adapted(line)

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
        """Run one line. A reactor that runs is stopped and started again."""
        if line.startswith(RUN):
            self.stop_reactor(line.removeprefix(RUN))
            self.begin(line, is_attached)
            return ""
        done = self.shell(line)
        assert done.returncode == code, (line, done.stdout, done.stderr)
        return done.stdout + done.stderr

    def stop_reactor(self, folder: str) -> None:
        """Stop the reactor of a folder, if it runs."""
        for part in self.parts:
            if part.name == RUN + folder and part.pid is not None:
                part.stop()
