"""What the `[engine]` tables of several drivers have alike: time limits, sizes, prefixes."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from monoskope.errors import UsageError
from monoskope.protocol.payload import MAX_PADDED, MIN_PADDED, is_padded_size


class HttpConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The time limits of requests to an engine."""

    connect_timeout_s: float = 5.0
    """How long connecting, with TLS, may take."""
    timeout_s: float = 10.0
    """How long one request may take in all."""

    def __post_init__(self) -> None:
        if not (0 < self.connect_timeout_s <= 30 and 0 < self.timeout_s <= 30):
            raise ValueError("`connect_timeout_s` and `timeout_s` must be above 0 and at most 30")


def check_max_plaintext(size: int) -> None:
    """Raise `ValueError` unless `size` is one of 512, 1,024, … 1,048,576."""
    if not is_padded_size(size):
        raise ValueError(f"`max_plaintext` must be a power of two from {MIN_PADDED} to {MAX_PADDED}")


def check_field(name: str, check: Callable[[str], object], text: str) -> None:
    """Raise `ValueError` that names the field if `check` refuses its `text`."""
    try:
        check(text)
    except UsageError as error:
        raise ValueError(f"`{name}`: {error.message}") from None
