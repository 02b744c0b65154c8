"""For engines that hold text only: which bytes are text, and which text could be base64 of bytes that are not."""

from __future__ import annotations

import base64
import binascii


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
