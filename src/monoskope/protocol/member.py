"""Members: people, groups and machines as role bindings and the log name them, `kind:issuer:name` (docs/access.md)."""

from __future__ import annotations

import re
from enum import Enum

from monoskope.errors import UsageError
from monoskope.late import pattern
from monoskope.value import Value

_MEMBER = pattern(
    r"(?P<kind>user|group|machine):(?P<issuer>[a-z][a-z0-9]{0,15}):(?P<name>[A-Za-z0-9][A-Za-z0-9._@+-]{0,127})",
    re.ASCII,
)
LOCAL = "local"
"""The short name of the members for whom administrators make tokens. It is no issuer's."""

_FIX = (
    "Write kind:issuer:name, for example user:corp:anna. Kinds are user, group and machine; an issuer is 1 to 16 of a-z"
    " 0-9, a letter first; a name is 1 to 128 of A-Z a-z 0-9 . _ @ + -, a letter or digit first."
)


class MemberKind(Enum):
    """What a member is."""

    USER = "user"
    GROUP = "group"
    MACHINE = "machine"


class Member(Value, frozen=True):
    """One member. `str()` gives its one form."""

    kind: MemberKind
    issuer: str
    """The issuer's short name, as `m8.toml` gives it."""
    name: str
    """Its name there: an id that does not change hands, unless the issuer's rule is `mutable`."""

    def __str__(self) -> str:
        return f"{self.kind.value}:{self.issuer}:{self.name}"

    @classmethod
    def parse(cls, text: str) -> Member:
        """Return the member that `text` names. Raises `UsageError`: what does not fit is refused, never rewritten."""
        match = _MEMBER.fullmatch(text)
        if match is None:
            raise UsageError(f"{text!r} is not a member.", fix=_FIX)
        return cls(MemberKind(match["kind"]), match["issuer"], match["name"])
