"""The `[engine]` table of a reactor whose engine is a folder of age files; docs/stores/age.md has its fields."""

from __future__ import annotations

from pathlib import Path

import msgspec

from monoskope.protocol.payload import MAX_PADDED
from monoskope.stores.shared.config import check_max_plaintext


class AgeConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the files are, and who can open them."""

    folder: str
    """An absolute path; made with mode 0700 if it is missing, refused if others than its owner can enter it."""
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
