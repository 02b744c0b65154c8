"""How a malformed note is told, and a proof or a signature about the log that does not hold."""

from __future__ import annotations

from enum import Enum

from monoskope.errors import LogMismatchError, UsageError


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
