"""What `m8 init` needs to know, and the ten questions at most with which it asks for what nothing else has answered.

An answer that was given stands in `init.toml` in the server's folder, so that a set-up that was stopped does not ask
again. No secret stands there: the superuser's password and the key of the backups are in no file but those that the
caller names.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import click
import msgspec
import tomli_w

from monoskope.errors import Error, UsageError
from monoskope.settings import find_private, load, parse, write_private
from monoskope.text import escape

FILE = "init.toml"
"""Holds what was answered, mode 0600, in the server's folder."""


class Answers(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A file of answers, `m8 init --answers FILE`. A field that is not there is asked for. Paths start where m8 runs.

    Attributes:
        name: The host, or `host:port`, by which people reach m8.
        database: The URL of a PostgreSQL database, without a password; "" for a SQLite file in the folder.
        database_ca: PEM file with the authorities of the database's certificate; "" for the system's.
        superuser_file: File of mode 0600 with the URL of a superuser of the database, which may hold a password. It is
            read once, and not kept. "": m8 shows its SQL, and you run it.
        certificate: PEM file with m8's certificate and those that lead to its CA, as an ACME client keeps it; "" for a
            private CA that `m8 init` makes.
        certificate_key: PEM file with its private key; "" for `privkey.pem` beside it.
        issuer: The OpenID provider of your people, an https:// URL.
        client_id: What it calls the clients of m8.
        issuer_ca: PEM file with the authorities of the issuer's certificate; "" for the system's.
        login_scopes: Scopes that a login asks for besides `openid`, with spaces between them; without the line those of
            `groups`, `profile` and `email` that the issuer has.
        administrator: The member that the login of the first administrator must show, such as `user:corp:5f0c…`.
            Without a terminal nobody else can confirm it.
        backup: The folder for backups of the event log, best on another disk.
        backup_key_file: A new file for the key that opens the backups; "" to show it on the terminal, for paper.
        contact: Whom a newcomer asks, as the bundle says it: a name and how to reach them.
        units: The folder for the systemd units; "" for `units` in the server's folder.
    """

    name: str | None = None
    database: str | None = None
    database_ca: str | None = None
    superuser_file: str | None = None
    certificate: str | None = None
    certificate_key: str | None = None
    issuer: str | None = None
    client_id: str | None = None
    issuer_ca: str | None = None
    login_scopes: str | None = None
    administrator: str | None = None
    backup: str | None = None
    backup_key_file: str | None = None
    contact: str | None = None
    units: str | None = None


@dataclass(frozen=True, slots=True)
class Question:
    """One question.

    Attributes:
        field: The field of `Answers` that answers it.
        text: What is asked.
        default: What Enter means, and what counts without a terminal; None: it must be answered.
        is_hidden: Whether the answer is not shown while it is typed, and not kept.
    """

    field: str
    text: str
    default: str | None = None
    is_hidden: bool = False


QUESTIONS = (
    Question("name", "By which name will people reach m8? host or host:port"),
    Question("database", "PostgreSQL for the log: postgresql://m8@HOST/m8; Enter for a file in the folder", ""),
    Question("database_ca", "No authority of this system signed the database's certificate. Whose did? PEM file"),
    Question(
        "superuser_file",
        "Run it as which superuser? postgresql://postgres:PASSWORD@HOST/postgres, not shown and not kept;"
        " Enter to run it yourself",
        "",
        is_hidden=True,
    ),
    Question("certificate", "Certificate of m8: a fullchain.pem; Enter for a private CA that is made now", ""),
    Question("issuer", "OpenID provider of your people: https://…"),
    Question("client_id", "What it calls the clients of m8", "monoctl"),
    Question("issuer_ca", "No authority of this system signed the provider's certificate. Whose did? PEM file"),
    Question("administrator", "Is this you, the first administrator? Type yes"),
    Question("backup", "Folder for backups of the log, best on another disk"),
)
"""All that is ever asked, in its order."""

_BY_FIELD = {question.field: question for question in QUESTIONS}
_NOT_KEPT = frozenset({"superuser_file", "administrator", "backup_key_file"})
_ALONE = ("name", "issuer", "administrator", "backup", "backup_key_file")
"""What a file must answer where nobody can be asked: everything that has no usual answer."""


class Person(Protocol):
    """Somebody at a terminal."""

    def ask(self, question: Question) -> str:
        """Return what they answer. Raises `click.Abort` for Ctrl-C."""

    def say(self, *lines: str) -> None:
        """Show lines."""


class Terminal:
    """The person at the terminal of this process."""

    def ask(self, question: Question) -> str:
        """Ask; an empty answer is the usual one, or is asked again."""
        answer = click.prompt(
            question.text,
            default=question.default,
            hide_input=question.is_hidden,
            show_default=bool(question.default),
            prompt_suffix="\n> ",
        )
        return str(answer).strip()

    def say(self, *lines: str) -> None:
        """Print lines."""
        for line in lines:
            click.echo(line)


class Asked:
    """All answers of one set-up.

    Args:
        folder: Of the server. Nothing is written there before it exists.
        given: What the command line says.
        file: What the file of answers says.
        person: Who is asked, None if nobody can be.
    """

    def __init__(self, folder: Path, given: Mapping[str, str], file: Answers, person: Person | None) -> None:
        self._path = folder / FILE
        self._known = _named(self._read()) | _named(file) | dict(given)
        self._person = person

    def _read(self) -> Answers:
        content = find_private(self._path)
        return Answers() if content is None else parse(content, Answers, path=self._path)

    @property
    def can_ask(self) -> bool:
        """Whether somebody is there to be asked."""
        return self._person is not None

    def known(self, field: str) -> str:
        """Return what is known without asking, "" if nothing is."""
        return self._known.get(field, "")

    def get(self, field: str, check: Callable[[str], None] = lambda _: None) -> str:
        """Return the answer to the question of a field, and keep it.

        A person is asked until `check` is content; what a file says wrongly ends the set-up.

        Raises:
            UsageError: nobody can be asked.
            Error: what `check` raises for an answer that no person gave just now.
            click.Abort: Ctrl-C.
        """
        question = _BY_FIELD[field]
        if field in self._known or self._person is None:
            if field not in self._known and question.default is None:
                raise _missing([field])
            found = self._known.get(field, question.default or "")
            check(found)
        else:
            found = self._ask(question, check, self._person)
        if field not in _NOT_KEPT:
            self._known[field] = found
            self.keep()
        return found

    def note(self, field: str, value: str) -> None:
        """Keep what nobody had to answer."""
        self._known[field] = value
        self.keep()

    def forget(self, *fields: str) -> None:
        """Ask for fields again in the next run."""
        for field in fields:
            self._known.pop(field, None)
        self.keep()

    def say(self, *lines: str) -> None:
        """Tell the person, or who reads the output."""
        (self._person or Terminal()).say(*lines)

    def require_all(self) -> None:
        """Raise `UsageError` that names every answer that is missing and that nobody can be asked for."""
        if self._person is None:
            missing = [field for field in _ALONE if field not in self._known]
            if missing:
                raise _missing(missing)

    def keep(self) -> None:
        """Write the answers into the server's folder, if it is there and they changed. No secret is among them."""
        kept = {name: value for name, value in sorted(self._known.items()) if name not in _NOT_KEPT}
        if self._path.parent.is_dir() and kept != _named(self._read()):
            write_private(self._path, tomli_w.dumps(kept).encode(), replace=True)

    def _ask(self, question: Question, check: Callable[[str], None], person: Person) -> str:
        while True:
            answer = person.ask(question)
            try:
                check(answer)
            except Error as error:
                person.say(f"error: {escape(error.for_operators)}", f"fix: {escape(error.fix)}", "")
            else:
                return answer


def read_answers(path: Path | None) -> Answers:
    """Return what a file of answers says, nothing without one. Raises `UsageError`."""
    return Answers() if path is None else load(path, Answers)


def _named(answers: Answers) -> dict[str, str]:
    return {name: value for name, value in msgspec.structs.asdict(answers).items() if value is not None}


def _missing(fields: list[str]) -> UsageError:
    return UsageError(
        f"nobody can be asked here, and the answers lack: {', '.join(fields)}.",
        fix="Run it at a terminal, or name a file with --answers. For the folder of a server alone: m8 init folder .",
    )
