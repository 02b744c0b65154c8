"""Running commands in a cluster's folder as the people who use them do, and telling what ran."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Protocol

from monoskope.errors import UnavailableError
from monoskope.testing.engines.openbao import OpenBao
from monoskope.testing.parts import Part, program

_COMMAND_S = 120.0

Environments = Mapping[str, Mapping[str, str]]
"""See `Commands.environments`."""


class Execute(Protocol):
    """What runs a program to its end, as `execute` does."""

    def __call__(
        self, arguments: Sequence[str], folder: Path, environment: Mapping[str, str], given: bytes, seconds: float
    ) -> subprocess.CompletedProcess[bytes]:
        """Run it."""


@dataclass(frozen=True, slots=True)
class Ran:
    """A command that ran to its end.

    Attributes:
        who: The person who ran it, "" for the machine's operator.
        arguments: The command as a person types it in the cluster's folder.
        code: Its exit code.
        out: Its standard output.
        err: Its standard error.
    """

    who: str
    arguments: tuple[str, ...]
    code: int
    out: str
    err: str

    def json(self) -> Any:  # noqa: ANN401 - whatever the command printed
        """Its standard output, parsed."""
        return json.loads(self.out)


@dataclass(frozen=True, slots=True)
class User:
    """A person with a home folder, a token and a configured `monoctl`."""

    name: str
    home: Path
    commands: Commands = field(repr=False)

    def monoctl(self, *arguments: str, input: bytes = b"", environment: Mapping[str, str] | None = None) -> Ran:  # noqa: A002
        """Run `monoctl` as this person; never raises for its exit code."""
        return self.commands.run("monoctl", *arguments, user=self, input=input, environment=environment)

    def background(self, *arguments: str, log: str) -> Part:
        """Start a program as this person, its output in `log` below the commands' folder; stop it yourself."""
        return self.commands.background(" ".join(arguments[:3]), *arguments, log=log, user=self)

    @property
    def known_stores(self) -> Path:
        """The person's pins."""
        return self.home / ".config" / "monoskope" / "known_stores"

    @property
    def token_file(self) -> Path:
        """The person's credential."""
        return self.home / ".config" / "monoskope" / "token"


def execute(
    arguments: Sequence[str], folder: Path, environment: Mapping[str, str], given: bytes, seconds: float
) -> subprocess.CompletedProcess[bytes]:
    """Run a program to its end, in a new process.

    Args:
        arguments: The program's path and its arguments.
        folder: Where it runs.
        environment: Its whole environment.
        given: Its standard input.
        seconds: How long it may take. After that it is killed, and `subprocess.TimeoutExpired` is raised.
    """
    return subprocess.run(
        arguments, cwd=folder, env=environment, input=given, capture_output=True, check=False, timeout=seconds
    )


class Commands:
    """Runs programs to their end.

    Args:
        folder: Where they run.
        bao: The OpenBao that its command line talks to.
        tell: Told of every command that ran.
        environments: See `environments`.
    """

    execute: ClassVar[Execute] = staticmethod(execute)
    """How `m8` and `monoctl` are run to their ends."""

    def __init__(
        self,
        folder: Path,
        bao: OpenBao,
        tell: Callable[[Ran], None] | None = None,
        environments: Environments | None = None,
    ) -> None:
        self.folder = folder
        self.bao = bao
        self.environments = dict(environments or {})
        """What is added to the environment of parts and commands of `m8`, by the folder that they are about: the first
        of their arguments that is a name here. With PYTHONPATH such a part runs other code than the rest."""
        self._tell = tell or _nobody

    @contextmanager
    def quietly(self) -> Iterator[None]:
        """Tell no one of the commands that run in the block."""
        told, self._tell = self._tell, _nobody
        try:
            yield
        finally:
            self._tell = told

    def run(
        self,
        *arguments: str,
        user: User | None = None,
        input: bytes = b"",  # noqa: A002 - as subprocess calls it
        environment: Mapping[str, str] | None = None,
    ) -> Ran:
        """Run `m8` or `monoctl` to its end, in the cluster's folder; never raises for its exit code."""
        whole = self._environment(user) | self._added(arguments) | dict(environment or {})
        done = self.execute([program(arguments[0]), *arguments[1:]], self.folder, whole, input, _COMMAND_S)
        return self._told(user.name if user else "", arguments, done)

    def must(self, *arguments: str, user: User | None = None, input: bytes = b"") -> Ran:  # noqa: A002
        """Run a command that has to succeed. Raises `UnavailableError` with what it said if it does not."""
        ran = self.run(*arguments, user=user, input=input)
        if ran.code != 0:
            raise UnavailableError(f"`{' '.join(arguments)}` ended with {ran.code}: {ran.err.strip()}")
        return ran

    def run_bao(self, *arguments: str) -> Ran:
        """Run OpenBao's own command line as its administrator; never raises for its exit code."""
        return self._told("", ("bao", *arguments), self.bao.bao(*arguments))

    def background(self, name: str, *arguments: str, log: str, user: User | None = None) -> Part:
        """Start a program that goes on running; the caller stops it."""
        part = self.part(name, *arguments, log=log, user=user)
        part.start()
        return part

    def part(self, name: str, *arguments: str, log: str, user: User | None = None) -> Part:
        """Prepare a program that goes on running once it is started."""
        command = (program(arguments[0]), *arguments[1:])
        environment = self._environment(user) | self._added(arguments)
        return Part(name, command, log=self.folder / log, folder=self.folder, environment=environment)

    def _told(self, who: str, arguments: tuple[str, ...], done: subprocess.CompletedProcess[bytes]) -> Ran:
        ran = Ran(who, arguments, done.returncode, done.stdout.decode(), done.stderr.decode(errors="replace"))
        self._tell(ran)
        return ran

    def _added(self, arguments: Sequence[str]) -> dict[str, str]:
        program, *words = arguments
        found = (self.environments[word] for word in words if program == "m8" and word in self.environments)
        return dict(next(found, {}))

    def _environment(self, user: User | None) -> dict[str, str]:
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(user.home if user else self.folder),
            "LANG": "C.UTF-8",
        }


def _nobody(_: Ran) -> None:
    """Is told, and keeps it."""
