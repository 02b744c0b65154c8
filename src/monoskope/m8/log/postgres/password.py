"""The password of m8's role: where it comes from, read again for each new connection."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from monoskope.errors import UsageError
from monoskope.m8.log.postgres.target import no_password
from monoskope.settings import is_descriptor, read_private

PASSWORD_VARIABLE = "M8_DATABASE_PASSWORD"  # noqa: S105 - the name of a variable, not a password


@dataclass(frozen=True, slots=True)
class _FromFile:
    """Reads the password of a file for each new connection. One line feed at its end does not count."""

    path: Path

    def __call__(self) -> str:
        content = read_private(
            self.path,
            client=True,
            missing="Write the password of m8's role into it, or correct database_password_file.",
        )
        return _checked(content.removesuffix(b"\n"), str(self.path))


def _given(password: str) -> Callable[[], str]:
    """A password that was given once. A function, because no `repr` of one shows what it returns."""

    def get() -> str:
        return password

    return get


def _checked(content: bytes, source: str) -> str:
    password = content.decode("utf-8", "replace")
    if not password or not password.isprintable() or "\ufffd" in password:
        raise UsageError(
            f"{source} holds no password: it is empty, has several lines, or characters that cannot be printed.",
            fix="Write the password alone, in one line of UTF-8.",
        )
    return password


def password_of(file: Path | None, environment: Mapping[str, str]) -> Callable[[], str]:
    """Return what gives the password: of the file, else of the environment, else none.

    Raises:
        UsageError: both give one, or what is given cannot be one.
    """
    given = environment.get(PASSWORD_VARIABLE, "")
    if file is None:
        if not given:
            return no_password
        return _given(_checked(given.encode("utf-8", "surrogateescape"), PASSWORD_VARIABLE))
    if given:
        raise UsageError(
            f"the password is given twice: by database_password_file and by {PASSWORD_VARIABLE}.",
            fix="Remove one of them.",
        )
    if is_descriptor(file):
        raise UsageError(
            "database_password_file names a descriptor, but m8 reads the password for each connection.",
            fix=f"Name a file, or set {PASSWORD_VARIABLE}.",
        )
    return _FromFile(file)
