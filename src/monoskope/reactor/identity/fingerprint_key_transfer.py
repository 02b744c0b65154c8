"""Carry K from one reactor to the others, as a file encrypted with age. People carry it; it never passes through m8."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyrage

from monoskope.errors import RefusedError, UsageError
from monoskope.reactor.identity.fingerprint import KEY_FILE, FingerprintKey, new_key
from monoskope.settings import read_private, write_private

MAX_FILE = 65_536


def make(folder: Path) -> FingerprintKey:
    """Make K for the reactor in `folder`. Raises `UsageError` if it has one."""
    key = new_key()
    write_private(folder / KEY_FILE, key)
    return FingerprintKey(key)


def export_to(folder: Path, recipients: Sequence[str]) -> bytes:
    """Return the folder's K encrypted to age recipients (`age1…`). Raises `UsageError` for a text that is none."""
    key = read_private(folder / KEY_FILE)
    FingerprintKey(key)
    return bytes(pyrage.encrypt(key, [_recipient(text) for text in recipients]))


def export_with(folder: Path, passphrase: str) -> bytes:
    """Return the folder's K encrypted with a passphrase. Raises `UsageError` for an empty one."""
    if not passphrase:
        raise UsageError("the passphrase is empty.", fix="Choose a long one.")
    key = read_private(folder / KEY_FILE)
    FingerprintKey(key)
    return bytes(pyrage.passphrase.encrypt(key, passphrase))


def import_with_identity(folder: Path, exported: Path, identity_file: Path) -> FingerprintKey:
    """Decrypt an exported K with an age identity file of mode 0600 and keep it in `folder`.

    Raises:
        UsageError: `folder` has a K already, or a file is not what it should be.
        RefusedError: the identity does not open the file.
    """
    try:
        lines = read_private(identity_file).decode("ascii").splitlines()
        identities = [
            pyrage.x25519.Identity.from_str(line) for line in map(str.strip, lines) if line and not line.startswith("#")
        ]
        key = pyrage.decrypt(_read(exported), identities)
    except (UnicodeDecodeError, pyrage.IdentityError):
        key = None
    except pyrage.DecryptError:
        raise _cannot_open() from None
    if key is None:
        raise UsageError(f"{identity_file} is not an age identity file.", fix="Name the file that age-keygen made.")
    return _keep(folder, bytes(key))


def import_with_passphrase(folder: Path, exported: Path, passphrase: str) -> FingerprintKey:
    """Decrypt an exported K with its passphrase and keep it in `folder`. Raises as `import_with_identity` does."""
    try:
        key = pyrage.passphrase.decrypt(_read(exported), passphrase)
    except pyrage.DecryptError:
        raise _cannot_open() from None
    return _keep(folder, bytes(key))


def _keep(folder: Path, key: bytes) -> FingerprintKey:
    held = FingerprintKey(key)
    write_private(folder / KEY_FILE, key)
    return held


def _read(exported: Path) -> bytes:
    try:
        with exported.open("rb") as file:
            return file.read(MAX_FILE)
    except OSError as error:
        raise UsageError(f"{exported} cannot be read: {error.strerror}.", fix="Name the exported file.") from None


def _recipient(text: str) -> pyrage.x25519.Recipient:
    try:
        return pyrage.x25519.Recipient.from_str(text)
    except pyrage.RecipientError:
        pass
    raise UsageError(f"{text!r} is not an age recipient (age1…).", fix="Copy it again.")


def _cannot_open() -> RefusedError:
    return RefusedError("the exported fingerprint key cannot be opened with this.", fix="Use what it was exported for.")
