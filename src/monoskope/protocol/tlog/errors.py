"""How a malformed note is told, and a proof or a signature about the log that does not hold."""

from __future__ import annotations

from monoskope.errors import Code, Error, UsageError


class NoteError(UsageError):
    """A note, a checkpoint, a key, a tile's path or a proof is not in its one form. Names what, and the rule."""

    def __init__(self, what: str, rule: str) -> None:
        super().__init__(f"{what} {rule}.", fix="Take it again from its source, byte for byte.")


class LogProofError(Error):
    """A proof, a root or a signature about the log does not hold. What came with it proves nothing."""

    code = Code.IDENTITY_CHANGED

    def __init__(self, what: str) -> None:
        super().__init__(f"{what}.", fix="Keep what you have as evidence, and ask your administrator and your auditor.")
