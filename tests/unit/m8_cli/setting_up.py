"""Somebody who sets a server up with `m8 init`: answers by question, and a stop at any moment."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

import click

from monoskope.m8.cli.setup import steps
from monoskope.m8.cli.setup.answers import Answers, Asked, Question
from monoskope.m8.cli.setup.context import Setup


class Somebody:
    """Answers what is asked, each question with the next of its answers; presses Ctrl-C where they have none."""

    def __init__(self, **answers: str | list[str]) -> None:
        self.left = {field: [one] if isinstance(one, str) else list(one) for field, one in answers.items()}
        self.asked: list[str] = []
        self.shown = ""

    def ask(self, question: Question) -> str:
        self.asked.append(question.field)
        if not self.left.get(question.field):
            raise click.Abort
        return self.left[question.field].pop(0)

    def say(self, *lines: str) -> None:
        self.shown += "\n".join(lines) + "\n"


def set_up(
    folder: Path, person: Somebody | None, *names: str, file: Answers | None = None, guided: bool = True, **given: str
) -> None:
    """Run steps as `m8 init` does."""
    asked = Asked(folder, given, file or Answers(), person)
    steps.run(Setup(folder, asked, is_guided=guided), names)


def written(folder: Path) -> Mapping[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


class StoppedError(Exception):
    """The process was killed here."""


@contextmanager
def stopped_at(moment: int) -> Iterator[list[str]]:
    """Kill what runs in the block before (even) or after (odd) the nth time that a file gets its name."""
    seen: list[str] = []

    def stopping(real: object) -> object:
        def call(source: str, target: object) -> None:
            number = len(seen)
            seen.append(str(target))
            if 2 * number == moment:
                raise StoppedError
            assert callable(real)
            real(source, target)
            if 2 * number + 1 == moment:
                raise StoppedError

        return call

    with mock.patch.object(os, "replace", stopping(os.replace)), mock.patch.object(os, "link", stopping(os.link)):
        yield seen
