"""The keys of the driver `age`: to whom files are encrypted, and with what they are opened."""

from __future__ import annotations

from pathlib import Path

import pyrage

from monoskope.errors import UsageError
from monoskope.settings import read_private, write_private
from monoskope.stores.driver import StoreRefusedError
from monoskope.stores.shared.credentials import refused


def make_identity(file: Path) -> str:
    """Write a new identity into `file` and return its public key. Raises `UsageError` if the file exists."""
    if file.exists():
        raise UsageError(f"{file} exists already.", fix="Name a new folder.")
    key = pyrage.x25519.Identity.generate()
    write_private(file, f"{key}\n".encode("ascii"))
    return str(key.to_public())


def parse_recipient(text: str) -> pyrage.x25519.Recipient:
    """Return the public key that `text` is. Raises `StoreRefusedError`."""
    try:
        return pyrage.x25519.Recipient.from_str(text)
    except pyrage.RecipientError:
        pass
    raise StoreRefusedError(f"{text!r} in recipients is not an age1… public key.", fix="Copy it again.")


def read_identities(file: str, recipients: list[pyrage.x25519.Recipient]) -> list[pyrage.x25519.Identity]:
    """Return the identities in `file`, after showing that they open what is encrypted to `recipients`.

    Raises:
        StoreRefusedError: the file cannot be read, is not private, or holds none that does.
    """
    with refused():
        content = read_private(Path(file))
    try:
        lines = content.decode("ascii").splitlines()
        found = [pyrage.x25519.Identity.from_str(line) for line in map(str.strip, lines) if line and line[0] != "#"]
        pyrage.decrypt(pyrage.encrypt(b"", recipients), found)
    except (UnicodeDecodeError, pyrage.IdentityError, pyrage.DecryptError):
        pass
    else:
        return found
    raise StoreRefusedError(
        f"{file} holds no identity that opens what is encrypted to recipients.",
        fix="Name the file that age-keygen made for one of them, or leave identity_file out for a write-only store.",
    )
