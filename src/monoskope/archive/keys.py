"""The age keys of backups: the recipients for whom one is made, and the identities that open it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

import pyrage

from monoskope.errors import UsageError
from monoskope.settings import read_private, write_private

Recipient: TypeAlias = pyrage.x25519.Recipient
Identity: TypeAlias = pyrage.x25519.Identity


def make_identity(file: Path) -> str:
    """Write a new identity into the new file `file` (mode 0600), and return its recipient, `age1…`.

    Raises:
        UsageError: the file exists, or cannot be written.
    """
    identity = pyrage.x25519.Identity.generate()
    write_private(file, f"{identity}\n".encode("ascii"))
    return str(identity.to_public())


def recipients(texts: Sequence[str], file: Path | None = None) -> list[Recipient]:
    """Return the recipients that are given, and those in `file`, one a line, with `#` before comments.

    Raises:
        UsageError: there is none, or one is no `age1…` key; the file cannot be read.
    """
    given = [*texts, *(() if file is None else _lines(_text(file)))]
    if not given:
        raise UsageError(
            "a backup is encrypted, and no recipient is named.",
            fix="Name one: --recipient age1… . Make its key on another machine: m8 backup key FILE",
        )
    return [_recipient(text) for text in given]


def _recipient(text: str) -> Recipient:
    try:
        return pyrage.x25519.Recipient.from_str(text)
    except pyrage.RecipientError:
        pass
    # Not shown: somebody may have given the identity, which is secret.
    raise UsageError("a recipient is not an age1… key.", fix="Copy it again: m8 backup key printed it.")


def identities(file: Path) -> list[Identity]:
    """Return the identities in `file`, one a line, with `#` before comments.

    Raises:
        UsageError: it is missing, or holds no identity.
        RefusedError: others can reach it.
    """
    content = read_private(file, missing="Name the file with the identity: m8 backup key made it.")
    found = []
    try:
        for line in _lines(content.decode("ascii")):
            found.append(pyrage.x25519.Identity.from_str(line))  # noqa: PERF401  the loop may end early
    except (UnicodeDecodeError, pyrage.IdentityError):
        found = []
    if not found:
        raise UsageError(
            f"{file} holds no age identity.", fix="Name the file with AGE-SECRET-KEY-1…, as m8 backup key makes it."
        )
    return found


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError):
        raise UsageError(
            f"the file of recipients {file} cannot be read as text.", fix="Check its name and mode."
        ) from None


def _lines(text: str) -> list[str]:
    return [line for line in map(str.strip, text.splitlines()) if line and not line.startswith("#")]
