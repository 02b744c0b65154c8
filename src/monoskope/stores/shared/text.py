"""Which bytes are text, which text could be base64 of bytes that are not, and how many names a driver lists."""

from __future__ import annotations

import base64
import binascii

from monoskope.stores.driver import StoreRefusedError, UnsupportedError

MAX_LISTED = 50_000
"""How many names below one path a driver lists at most."""


def too_many_names() -> StoreRefusedError:
    """Return the error for a path with more than `MAX_LISTED` names below it."""
    return StoreRefusedError("below this path are more names than a driver lists.", fix="List a path below it.")


def not_listed() -> UnsupportedError:
    """Return the error for a store whose settings do not let names be listed."""
    return UnsupportedError(
        "this store is not configured to list names.",
        fix="Set listable = true, and grant what `m8 reactor policy` prints.",
    )


def is_text(value: bytes) -> bool:
    """Whether `value` is valid UTF-8."""
    try:
        value.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def could_be_base64(text: str) -> bool:
    """Whether `text` is what standard base64 makes of bytes that are not text."""
    try:
        value = base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error):
        return False
    return base64.b64encode(value).decode("ascii") == text and not is_text(value)
