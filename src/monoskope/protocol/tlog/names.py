"""The small forms that notes are made of: the names of keys and logs, base64 and decimals, each in one form alone."""

from __future__ import annotations

import base64
import binascii
import re

from monoskope.late import pattern
from monoskope.protocol.tlog.errors import Fault, NoteError

MAX_NAME_BYTES = 255
"""Bytes of a name at most, in UTF-8: what a cosigned message has room for (c2sp.org/tlog-cosignature)."""

# Control characters, the characters with the property White_Space, and "+". Spelled out, so that no version of
# Unicode moves the rule.
_NAME = pattern(
    r"[^\x00-\x20+\x7f-\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ud800-\udfff]+",
)
_DECIMAL = pattern(r"0|[1-9][0-9]{0,18}", re.ASCII)


def is_name(text: str) -> bool:
    """Whether `text` can be the name of a key: 1 to 255 bytes without "+", white space and control characters."""
    return len(text) <= MAX_NAME_BYTES and _NAME.fullmatch(text) is not None and len(text.encode()) <= MAX_NAME_BYTES


def check_name(what: str, text: str) -> None:
    """Raise `NoteError` that names `what` unless `text` can be the name of a key."""
    if not is_name(text):
        raise NoteError(what, "must have 1 to 255 bytes, without spaces, control characters and +", fault=Fault.NAME)


def base64_text(content: bytes) -> str:
    """Return standard base64 with padding (RFC 4648, section 4)."""
    return base64.b64encode(content).decode("ascii")


def read_base64(what: str, text: str) -> bytes:
    """Return the bytes in `text`.

    Raises:
        NoteError: it is not the one base64 of any bytes; names `what`.
    """
    try:
        content = base64.b64decode(text.encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError):
        content = b""
    if not text or base64_text(content) != text:
        raise NoteError(what, "must be standard base64 with padding, in its one form", fault=Fault.BASE64)
    return content


def read_decimal(what: str, text: str) -> int:
    """Return the number in `text`, 0 to 2**63 - 1.

    Raises:
        NoteError: it is not the one decimal form of such a number; names `what`.
    """
    if _DECIMAL.fullmatch(text) is None or int(text) >= 2**63:
        raise NoteError(what, "must be a decimal below 2**63 without leading zeros", fault=Fault.NUMBER)
    return int(text)
