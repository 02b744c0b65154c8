"""Carry K from one reactor to the others, as a file encrypted with age. People carry it; it never passes through m8."""

from __future__ import annotations

import os
import re
import stat
import sys
from collections.abc import Sequence
from pathlib import Path

import pyrage

from monoskope.errors import RefusedError, UsageError, docs_page
from monoskope.reactor.identity.fingerprint import KEY_FILE, FingerprintKey, new_key
from monoskope.settings import check_closed, find_private, read_private, write_private

_DESCRIPTOR = re.compile(r"/dev/fd/(?P<number>[0-9]{1,9})", re.ASCII)
_MOST = 4_096


def read_passphrase(name: str) -> str:
    """Return the one line in `name`: a file of mode 0600 or tighter, `/dev/fd/N`, or `-` for standard input.

    Raises:
        UsageError: it cannot be read, or does not hold one line of text.
        RefusedError: others than its owner can reach the file.
    """
    content = _content(name)
    try:
        line = content.decode("utf-8").removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        line = ""
    if not line or len(content) > _MOST or not line.isprintable():
        raise UsageError(
            f"{_called(name)} does not hold one line of text, the passphrase.",
            fix="Write the passphrase alone into it, on one line.",
        )
    return line


def _content(name: str) -> bytes:
    if name == "-":
        return sys.stdin.buffer.read(_MOST + 1)
    match = _DESCRIPTOR.fullmatch(name)
    if match is None:
        return read_private(Path(name))
    try:
        descriptor = os.dup(int(match["number"]))
    except OSError as error:
        raise UsageError(f"{name} cannot be read: {error.strerror}.", fix="Open it, as with 3<FILE.") from None
    with os.fdopen(descriptor, "rb") as file:
        mode = os.fstat(descriptor).st_mode
        if stat.S_ISREG(mode):
            check_closed(Path(name), mode)
        return file.read(_MOST + 1)


def _called(name: str) -> str:
    return "standard input" if name == "-" else name


MAX_FILE = 65_536


def make(folder: Path, *, replace: bool = False) -> FingerprintKey:
    """Make K for the reactor in `folder`.

    Args:
        folder: The reactor's.
        replace: Whether the folder may have one already. That one is kept beside it, as `fingerprint.key.<id>`.

    Raises:
        UsageError: it has one, and `replace` is false.
    """
    key = new_key()
    _write(folder, key, replace=replace)
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


def import_with_identity(folder: Path, exported: Path, identity_file: Path, *, replace: bool = False) -> FingerprintKey:
    """Decrypt an exported K with an age identity file of mode 0600 and keep it in `folder`; replace one as `make` does.

    Raises:
        UsageError: `folder` has another K and `replace` is false, or a file is not what it should be.
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
    return _keep(folder, bytes(key), replace=replace)


def import_with_passphrase(folder: Path, exported: Path, passphrase: str, *, replace: bool = False) -> FingerprintKey:
    """Decrypt an exported K with its passphrase and keep it in `folder`. Raises as `import_with_identity` does."""
    try:
        key = pyrage.passphrase.decrypt(_read(exported), passphrase)
    except pyrage.DecryptError:
        raise _cannot_open() from None
    return _keep(folder, bytes(key), replace=replace)


def _keep(folder: Path, key: bytes, *, replace: bool) -> FingerprintKey:
    held = FingerprintKey(key)
    if find_private(folder / KEY_FILE) != key:
        _write(folder, key, replace=replace)
    return held


def _write(folder: Path, key: bytes, *, replace: bool) -> None:
    """Write K. One that is there is first copied to a name of its own, never lost. Raises `UsageError`."""
    before = find_private(folder / KEY_FILE)
    if before is None:
        write_private(folder / KEY_FILE, key)
        return
    name = FingerprintKey(before).key_id
    if not replace:
        raise UsageError(
            f"this reactor has a fingerprint key already, with the id {name}; it was not changed.",
            fix="Keep it: m8 lets in only reactors with the key that counts, and without that key no user can compare"
            " the hashes made so far. To give it to another reactor, export it. To change the key of all reactors:"
            f" {docs_page('operate/rotate-fingerprint-key.md')}",
        )
    kept = folder / f"{KEY_FILE}.{name}"
    if find_private(kept) != before:
        write_private(kept, before)
    write_private(folder / KEY_FILE, key, replace=True)


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
