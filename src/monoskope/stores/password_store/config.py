"""The `[engine]` table of a reactor whose engine is a password store; docs/stores/pass.md has its fields."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec

from monoskope.protocol.payload import MAX_PADDED, check_key
from monoskope.stores.shared.config import check_field, check_max_plaintext
from monoskope.uri import parse_path


class PassConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the password store and the keys are, and how secrets lie in it."""

    folder: str
    """The password store, an absolute path; `pass init` made it."""
    gpg_home: str
    """GnuPG's folder with the recipients' public keys, an absolute path of mode 0700."""
    readable: bool = False
    """Whether a secret key of a recipient is in `gpg_home`. Without it the store is write-only."""
    prefix: str = ""
    """The path below `folder` under which all secrets of this store lie, "" for the folder itself."""
    layout: Literal["pass", "raw"] = "pass"
    """`pass`: the key `password` is the first line, each other key a line. `raw`: only the value of `raw_key`."""
    raw_key: str = "password"
    """The key of every secret under the layout `raw`."""
    git: bool = False
    """Whether each change is committed to the git repository that the folder is."""
    listable: bool = False
    """Whether `monoctl list-upstream` may show the names below a path, also those that m8 does not know."""
    max_plaintext: int = MAX_PADDED
    """Largest padded plaintext in bytes."""
    timeout_s: float = 10.0
    """How long gpg and git may take, each time."""
    lock_timeout_s: float = 10.0
    """How long to wait for another reactor that is writing."""

    def __post_init__(self) -> None:
        for field, text in (("folder", self.folder), ("gpg_home", self.gpg_home)):
            if not Path(text).is_absolute():
                raise ValueError(f"`{field}` must be an absolute path")
        check_field("raw_key", check_key, self.raw_key)
        if self.prefix:
            check_field("prefix", parse_path, self.prefix)
        check_max_plaintext(self.max_plaintext)
        if not (0 < self.timeout_s <= 25 and 0 < self.lock_timeout_s <= 25):
            raise ValueError("`timeout_s` and `lock_timeout_s` must be above 0 and at most 25")

    @property
    def below(self) -> tuple[str, ...]:
        """The segments of `prefix`."""
        return tuple(self.prefix.split("/")) if self.prefix else ()
