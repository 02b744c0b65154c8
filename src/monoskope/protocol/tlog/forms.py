"""The small forms that notes are made of, and the errors of a malformed note and of a proof that does not hold.

Names of keys and logs, base64 and decimals are each read in one form alone.
"""

from __future__ import annotations

import base64
import binascii
import re
from enum import Enum

from monoskope.errors import LogMismatchError, UsageError
from monoskope.lazy import pattern


class Fault(Enum):
    """What is wrong, in one word: the classes of tests/vectors-log.json."""

    FORM = "FORM"
    """It is not in its one form as a whole: lines, ends of lines, control characters, UTF-8, what is left over."""
    SIZE = "SIZE"
    """Too many bytes or signatures."""
    BASE64 = "BASE64"
    """Base64 that is not the one form of any bytes."""
    NUMBER = "NUMBER"
    """A decimal that is not the one form of a number below 2**63."""
    NAME = "NAME"
    """The name of a key or a log."""
    KEY = "KEY"
    """A key of an unknown type, a wrong length or another key id; keys that do not go together."""
    DUPLICATE = "DUPLICATE"
    """Two signatures of one key."""
    ROOT = "ROOT"
    """The root of a checkpoint has a wrong length, or belongs to another size."""
    SIGNATURE = "SIGNATURE"
    """A signature of a known key does not verify."""
    ORIGIN = "ORIGIN"
    """Another log."""
    UNSIGNED = "UNSIGNED"
    """A signature of the log is missing."""
    QUORUM = "QUORUM"
    """Too few witnesses."""
    TREE = "TREE"
    """A proof does not lead to the root."""
    RECORD = "RECORD"
    """The record is another one than the index, the request or the receipt says."""
    IDENTITY = "IDENTITY"
    """Not signed by the store's pinned identity."""
    GRANT = "GRANT"
    """The grant is malformed, or about something else."""
    RECEIPT = "RECEIPT"
    """The receipt is malformed, or about something else."""
    SIGNER = "SIGNER"
    """The signature of the request is not what grant and receipt say."""
    APPROVALS = "APPROVALS"
    """The change or its approvals are not what request and receipt say."""


class NoteError(UsageError):
    """A note, a checkpoint, a key, a tile's path or a proof is not in its one form. Names what, and the rule."""

    def __init__(self, what: str, rule: str, *, fault: Fault = Fault.FORM) -> None:
        super().__init__(f"{what} {rule}.", fix="Take it again from its source, byte for byte.")
        self.fault = fault


class LogProofError(LogMismatchError):
    """A proof, a root or a signature about the log does not hold. What came with it proves nothing."""

    def __init__(self, what: str, *, fault: Fault = Fault.TREE) -> None:
        super().__init__(f"{what}.", fix="Keep what you have as evidence, and ask your administrator and your auditor.")
        self.fault = fault


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
