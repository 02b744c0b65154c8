"""The `[engine]` table of a reactor whose engine is a SQLite file."""

from __future__ import annotations

from pathlib import Path

import msgspec

from monoskope.protocol.payload import DEFAULT_MAX_PLAINTEXT


class SqliteConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the file is, and what the store may do."""

    file: str
    """An absolute path; made with mode 0600 if it is missing."""
    readable: bool = False
    """Whether values may be read back."""
    timeout_s: float = 5.0
    """How long to wait for another process that writes."""

    @property
    def max_plaintext(self) -> int:
        """Largest padded plaintext in bytes: SQLite would take more, the protocol's default is enough."""
        return DEFAULT_MAX_PLAINTEXT

    def __post_init__(self) -> None:
        if not Path(self.file).is_absolute():
            raise ValueError("`file` must be an absolute path")
        if not 0 < self.timeout_s <= 20:
            raise ValueError("`timeout_s` must be above 0 and at most 20")
