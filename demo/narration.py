"""How the demo speaks: numbered steps, each with the commands that ran and what they said.

Rules: one thought a paragraph. A command is shown as it ran, its output indented below. Colour on a terminal alone.
"""

from __future__ import annotations

import os
import re
import shlex
import sys
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from monoskope.testing.cluster.commands import Ran

WIDTH = 100

_LONG = re.compile(r"([A-Za-z0-9+/]{40})[A-Za-z0-9+/=]{200,}")
"""Base64 of more than a screen's line or two, such as a signature by ML-DSA-44, and how much of it is shown."""

_STYLES = {"bold": "1", "dim": "2", "green": "32", "cyan": "36"}


class Narrator:
    """Tells the story on standard output."""

    def __init__(self) -> None:
        self._colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"
        self._mark = "✓" if (sys.stdout.encoding or "").lower().startswith("utf") else "ok:"
        self._step = 0
        self._brief = False

    def title(self, text: str) -> None:
        """The first line."""
        self._print(self._styled(text, "bold"))

    def step(self, text: str) -> None:
        """Begin a numbered step."""
        self._step += 1
        self._print(f"\n{self._styled(f'{self._step:>2}  {text}', 'bold')}")

    def say(self, text: str) -> None:
        """A paragraph."""
        for line in textwrap.wrap(text, WIDTH - 4):
            self._print(f"    {line}")

    def shown(self, text: str) -> None:
        """Something that was printed, or a piece of a file, as it is but for signatures of more than two lines."""
        for line in _LONG.sub(r"\1…", text.rstrip("\n")).splitlines():
            self._print(self._styled(f"      {line}", "dim"))

    def proven(self, text: str) -> None:
        """A fact that was just checked."""
        lines = textwrap.wrap(text, WIDTH - 6)
        self._print(f"    {self._styled(self._mark, 'green')} {lines[0]}")
        for line in lines[1:]:
            self._print(f"      {line}")

    def command(self, arguments: Sequence[str], *, who: str = "", background: bool = False) -> None:
        """A command line as a person types it."""
        for line in _lines(f"{who}$ ", arguments, background=background):
            self._print(f"    {self._styled(line, 'cyan')}")

    def ran(self, ran: Ran) -> None:
        """A command that ran, and what it said."""
        self.command(ran.arguments, who=ran.who)
        self.shown("…" if self._brief and not ran.code else ran.out + ran.err)
        if ran.code:
            self.shown(f"(exit code {ran.code})")

    @contextmanager
    def briefly(self) -> Iterator[None]:
        """Show commands without what they say, unless they fail."""
        self._brief = True
        try:
            yield
        finally:
            self._brief = False

    def _styled(self, text: str, style: str) -> str:
        return f"\x1b[{_STYLES[style]}m{text}\x1b[0m" if self._colour else text

    def _print(self, text: str) -> None:
        print(text.rstrip(), flush=True)


def _lines(prompt: str, arguments: Sequence[str], *, background: bool) -> list[str]:
    """A command line, broken before options where it is long."""
    lines = [prompt + _quoted(arguments[0])]
    for words in _units([_quoted(word) for word in arguments[1:]]):
        if len(lines[-1]) + len(words) + 3 > WIDTH - 4:
            lines[-1] += " \\"
            lines.append("    " + words)
        else:
            lines[-1] += f" {words}"
    if background:
        lines[-1] += " &"
    return lines


def _units(words: Sequence[str]) -> list[str]:
    """Words that stay on one line: an option and its value."""
    units: list[str] = []
    for word in words:
        if units and units[-1].startswith("-") and " " not in units[-1] and not word.startswith("-"):
            units[-1] += f" {word}"
        else:
            units.append(word)
    return units


def _quoted(word: str) -> str:
    return word if re.fullmatch(r"[A-Za-z0-9_@%+=:,./-]+", word) else shlex.quote(word)
