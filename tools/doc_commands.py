"""Which commands the documentation, and the errors and helps of the code, tell users to type: do they exist?

A command line counts where it stands in a shell block of a page or between backquotes. Its words must be commands of
`monoctl` or `m8`, and its options must be theirs. Values are not looked at.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from typing import NamedTuple

import click

_BLOCK = re.compile(r"^```(?P<kind>sh|console|bash)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)
_ANY_BLOCK = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"(?<!`)`([^`]+)`(?!`)")
_SEPARATORS = re.compile(r"\|\||&&|[|;]")
_ASSIGNMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=.*", re.DOTALL)
_WORD = re.compile(r"[a-z][a-z0-9-]*")
_BEFORE = frozenset({"sudo", "exec", "then", "do", "if", "!", "$", "time"})
"""Words of a shell that may stand before a program."""


class Complaint(NamedTuple):
    """One command line that does not exist."""

    line: str
    why: str


def in_page(text: str) -> Iterator[str]:
    """Yield the command lines of a page: those of its shell blocks, and what stands between backquotes."""
    for block in _BLOCK.finditer(text):
        body = block["body"].replace("\\\n", " ")
        yield from (line.removeprefix("$ ") for line in body.splitlines() if not line.startswith("#"))
    yield from in_text(_ANY_BLOCK.sub("", text))


def in_text(text: str) -> Iterator[str]:
    """Yield what stands between backquotes in a sentence."""
    for match in _INLINE.finditer(text):
        yield match[1].replace("\n", " ")


def complaints(lines: Iterator[str], programs: dict[str, click.Command]) -> Iterator[Complaint]:
    """Yield what is wrong with the command lines of `programs` among `lines`.

    Args:
        lines: Command lines and other text.
        programs: Command path to command; the path of one that another passes on has several words.
    """
    for line in lines:
        for piece in _SEPARATORS.split(line):
            words = _words(piece)
            if words and words[0] in programs:
                why = _fault(words, programs)
                if why:
                    yield Complaint(" ".join(words), why)


def _words(piece: str) -> list[str]:
    """Return the words of a simple command from its program on; [] for what is no command."""
    try:
        words = shlex.split(piece, comments=True)
    except ValueError:
        words = piece.split()
    while words and (words[0] in _BEFORE or _ASSIGNMENT.fullmatch(words[0])):
        del words[0]
    if words:
        words[0] = words[0].rpartition("/")[2]
    return words


def _fault(words: list[str], programs: dict[str, click.Command]) -> str:
    """Return what is wrong with a command line, "" if nothing is."""
    command = programs[words[0]]
    context = click.Context(command, info_name=words[0], resilient_parsing=True)
    options = _options(command, context)
    rest = iter(words[1:])
    for word in rest:
        if word == "--":
            break
        if word.startswith("-") and len(word) > 1:
            name, equals, _ = word.partition("=")
            if name.startswith("--") and name not in options:
                return f"{context.command_path!r} has no option {name!r}"
            if options.get(name) and not equals:
                next(rest, None)
        elif isinstance(command, click.Group):
            if not _WORD.fullmatch(word):
                break
            found = command.get_command(context, word)
            if found is None:
                return f"{context.command_path!r} has no command {word!r}"
            found = programs.get(f"{context.command_path} {word}", found)
            command, context = found, click.Context(found, context, word, resilient_parsing=True)
            options |= _options(command, context)
    return ""


def _options(command: click.Command, context: click.Context) -> dict[str, bool]:
    """Return the options of a command, and whether each takes a value."""
    found: dict[str, bool] = {}
    for one in command.get_params(context):
        takes = isinstance(one, click.Option) and not (one.is_flag or one.count)
        found |= dict.fromkeys((*one.opts, *one.secondary_opts), takes)
    return found
