"""Where values come from: files, stdin and a hidden prompt; never the command line, which history and `ps` show."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from monoskope.errors import UsageError
from monoskope.monoctl.input.request_options import adding
from monoskope.monoctl.output import terminal
from monoskope.protocol.payload import HiddenValues, check_key
from monoskope.value import Value

STDIN = "-"
_TIMES = 3
"""How often a value is asked for."""


class Values(HiddenValues):
    """Values by key, in the order in which they were given. Their `repr` shows keys alone; they are never copied."""

    __slots__ = ()

    def __init__(self) -> None:
        self._values = {}

    def add(self, key: str, value: bytes) -> None:
        """Add a value. Raises `UsageError` if `key` is there already."""
        if key in self._values:
            raise UsageError(f"key {key!r} is given twice.", fix="Give each key once.")
        self._values[key] = value

    def add_all(self, others: Mapping[str, bytes]) -> None:
        """Add all of `others`. Raises as `add`."""
        for key in others:
            self.add(key, others[key])


class Sources(Value, frozen=True):
    """What the command line says about values, as it was written."""

    files: tuple[str, ...]
    env_files: tuple[str, ...]
    json_files: tuple[str, ...]
    trim_newline: bool = False
    allow_empty: bool = False

    @property
    def named(self) -> bool:
        """Whether any file is named."""
        return bool(self.files or self.env_files or self.json_files)


def refuse_value_in_argv(_ctx: click.Context, _parameter: click.Parameter, given: object) -> None:
    """Refuse an option that would carry a value. Its message never repeats what was given."""
    if given:
        raise _in_argv()


def _in_argv() -> UsageError:
    return UsageError(
        "a value on the command line is refused: the shell's history keeps it, and every user of this machine can see"
        " it in the process list.",
        fix="Use --from-file KEY=PATH (KEY=- for stdin), --from-env-file, --from-json, or name the KEY alone to be"
        " asked; if that was a real value, change it.",
    )


source_options = adding(
    (
        click.option("--from-file", multiple=True, metavar="KEY=PATH", help="Exact bytes of a file; KEY=- for stdin."),
        click.option(
            "--trim-newline", is_flag=True, help="Remove one line feed, LF or CRLF, from the end of each --from-file."
        ),
        click.option("--allow-empty", is_flag=True, help="Take an empty --from-file as an empty value."),
        click.option(
            "--from-env-file", multiple=True, metavar="FILE", help="KEY=VALUE lines, as dotenv reads them; - for stdin."
        ),
        click.option(
            "--from-json", multiple=True, metavar="FILE", help='{"key":"text"} or {"key":{"base64":"…"}}; - for stdin.'
        ),
        click.option(
            "--from-literal",
            "--value",
            "--literal",
            "refused",
            multiple=True,
            hidden=True,
            expose_value=False,
            callback=refuse_value_in_argv,
        ),
    ),
    "sources",
    Sources,
    "from_file",
    "from_env_file",
    "from_json",
    "trim_newline",
    "allow_empty",
)
"""Gives a command the options for values; it receives `sources`."""


def split_words(words: tuple[str, ...]) -> tuple[list[str], list[str]]:
    """Return the URIs and the keys among a command's words: the first is a URI, and so is each with a `/` in it.

    Raises:
        UsageError: a word holds `=`, so it may hold a value, or is no key; the message does not repeat it.
    """
    uris = [word for index, word in enumerate(words) if index == 0 or "/" in word]
    keys = [word for index, word in enumerate(words) if index > 0 and "/" not in word]
    check_words(words, keys)
    return uris, keys


def check_words(words: Sequence[str], keys: Sequence[str]) -> None:
    """Raise `UsageError`, without repeating it, for a word that may hold a value or a key that is none."""
    for word in words:
        if "=" in word:
            raise _in_argv()
    for position, key in enumerate(keys, start=1):
        try:
            check_key(key)
        except UsageError:
            raise UsageError(
                f"KEY {position} is not a valid key: 1 to 253 of A-Z, a-z, 0-9, '_', '.' and '-'.",
                fix="Name keys alone; their values are asked for.",
            ) from None


def read_values(sources: Sources, keys: list[str]) -> Values:
    """Read every value, asking for those of `keys`, or for everything if nothing else is given.

    Raises:
        UsageError: a file cannot be read or parsed, a key is given twice, or there is no user to ask.
    """
    values = Values()
    _check_stdin(sources)
    for flag, given in (("--trim-newline", sources.trim_newline), ("--allow-empty", sources.allow_empty)):
        if given and not sources.files:
            raise UsageError(f"{flag} is for --from-file.", fix="Leave it out, or name a file.")
    for text in sources.files:
        key, value = _read_file(text, trim=sources.trim_newline, allow_empty=sources.allow_empty)
        values.add(key, value)
    for path in sources.env_files:
        from monoskope.monoctl.input.files import parse_env  # noqa: PLC0415 - a put seldom needs it

        where = "stdin" if path == STDIN else path
        values.add_all(parse_env(read_file(path, where), where=where))
    for path in sources.json_files:
        from monoskope.monoctl.input.files import parse_json  # noqa: PLC0415

        where = "stdin" if path == STDIN else path
        values.add_all(parse_json(read_file(path, where), where=where))
    if keys or not sources.named:
        _ask(values, keys)
    return values


def _check_stdin(sources: Sources) -> None:
    files = [text.partition("=")[2] for text in sources.files]
    if [*files, *sources.env_files, *sources.json_files].count(STDIN) > 1:
        raise UsageError("stdin is named twice.", fix="Name it once, and files for the rest.")


def _read_file(text: str, *, trim: bool, allow_empty: bool) -> tuple[str, bytes]:
    """Return what one --from-file names: the key, and the exact bytes or, with `trim`, without one final line feed."""
    key, separator, path = text.partition("=")
    if not separator:
        raise UsageError("--from-file is not KEY=PATH.", fix="Write --from-file KEY=PATH; KEY=- for stdin.")
    value = read_file(path, f"the file for key {check_key(key)!r}")
    if trim:
        value = trimmed(value)
    if not value and not allow_empty:
        # What should have written it has failed, or a pipeline's variable is not set.
        raise UsageError(
            f"{'stdin' if path == STDIN else 'the file'} holds no value for {key!r}: it is empty.",
            fix="Check what writes it. If the value shall be empty, say --allow-empty.",
        )
    if not trim and path == STDIN and value.find(b"\n") == len(value) - 1 != -1:
        # One line, as `echo` writes it. Text of several lines is meant to end like this.
        terminal.note(
            f"the value of {key!r} ends with a newline, as `echo` writes it. It is part of the value; --trim-newline"
            " removes it."
        )
    return key, value


def trimmed(content: bytes) -> bytes:
    """Return `content` without one final line feed, LF or CRLF."""
    return content.removesuffix(b"\r\n") if content.endswith(b"\r\n") else content.removesuffix(b"\n")


def read_file(path: str, what: str = "", *, most: int = -1) -> bytes:
    """Return what is in a file, `what` for people, or comes from stdin, up to `most` bytes. Raises `UsageError`."""
    if path == STDIN:
        return sys.stdin.buffer.read(most)
    try:
        with Path(path).open("rb") as opened:
            return opened.read(most)
    except OSError as error:
        raise UsageError(
            f"{what or path} cannot be read: {error.strerror}.", fix="Name a file that you can read."
        ) from None


def _ask(values: Values, keys: list[str]) -> None:
    if not terminal.interactive():
        raise UsageError(
            "no value is given, and there is no terminal to ask on.",
            fix="Use --from-file KEY=PATH (KEY=- for stdin), --from-env-file or --from-json.",
        )
    for key in keys:
        values.add(key, _prompt(key))
    while not keys:
        key = terminal.prompt("Key (empty when done)")
        if not key:
            return
        values.add(check_key(key), _prompt(key))


def _prompt(key: str) -> bytes:
    """Ask for a value; an empty answer, easily given by mistake, is asked for again."""
    question = f"Value of {key} (hidden)"
    for _ in range(_TIMES):
        answer = terminal.prompt(question, hidden=True)
        if answer:
            return answer.encode()
        question = f"That was empty. Value of {key} (hidden)"
    raise UsageError(
        f"no value was given for {key!r}.",
        fix=f"Type one. If it shall be empty, say --from-file {key}=/dev/null --allow-empty.",
    )
