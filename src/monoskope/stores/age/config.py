"""The `[engine]` table of a reactor whose engine is a folder of age files; docs/stores/age.md has its fields.

Its keys say to whom files are encrypted, and with what they are opened.
"""

from __future__ import annotations

from pathlib import Path

import msgspec
import pyrage

from monoskope.errors import UsageError
from monoskope.protocol.payload import MAX_PADDED
from monoskope.settings import find_private, read_private, write_private
from monoskope.stores.driver import StoreRefusedError
from monoskope.stores.shared.checks import check_max_plaintext
from monoskope.stores.shared.trust import refused


class AgeConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the files are, and who can open them."""

    folder: str
    """Made with mode 0700 if it is missing; refused if others than its owner can enter it."""
    recipients: list[str]
    """Public keys, `age1…`: each of them can open every file."""
    identity_file: str | None = None
    """A file of mode 0600 with an `AGE-SECRET-KEY-1…` of one of the recipients. Without it the store is write-only."""
    keep_versions: int = 10
    """How many versions of a secret are kept, the current one included."""
    listable: bool = False
    """Whether `monoctl list-upstream` may show the names below a path, also those that m8 does not know."""
    restorable: bool = False
    """Whether secrets can be undeleted and, in a store that can read, rolled back to a version that is kept."""
    max_plaintext: int = MAX_PADDED
    """Largest padded plaintext in bytes."""
    lock_timeout_s: float = 10.0
    """How long to wait for another process that is writing the same secret."""

    def __post_init__(self) -> None:
        if not Path(self.folder).is_absolute():
            raise ValueError("`folder` must be an absolute path")
        if not self.recipients:
            raise ValueError("`recipients` must name at least one public key")
        if not 1 <= self.keep_versions <= 10_000:
            raise ValueError("`keep_versions` must be from 1 to 10000")
        check_max_plaintext(self.max_plaintext)
        if not 0 < self.lock_timeout_s <= 25:
            raise ValueError("`lock_timeout_s` must be above 0 and at most 25")


def make_identity(file: Path) -> str:
    """Return the public key of the identity in `file`; a new one is written there if there is none.

    Raises:
        UsageError: what is there is no identity.
        RefusedError: others can reach the file.
    """
    if (there := find_private(file)) is None:
        key = pyrage.x25519.Identity.generate()
        write_private(file, f"{key}\n".encode("ascii"))
        return str(key.to_public())
    try:
        return str(pyrage.x25519.Identity.from_str(there.decode("ascii").strip()).to_public())
    except (UnicodeDecodeError, pyrage.IdentityError):
        raise UsageError(f"{file} is no age identity.", fix="Name a new folder.") from None


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
