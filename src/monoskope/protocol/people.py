"""What people are called: display names beside the ids of members, `user:issuer:name` (docs/access.md, Names).

A name is m8's word, and decides nothing: anybody may take the name of somebody else, above all of a person who has not
logged in yet. So it is shown in quotation marks, never without its id, and no command takes it for one.
"""

from __future__ import annotations

import re
import unicodedata

from monoskope.lazy import pattern
from monoskope.protocol.notes import is_noted
from monoskope.text import is_shown

MAX_NAME = 64
"""Characters of a display name at most."""

_UUID = pattern(
    r"([a-z0-9]+:)(?!.{14}[126].{4}[89ab])[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}([0-9a-f]{8})"
)
"""The issuer and the name of a member whose name is a UUID (RFC 9562), but not of the versions 1, 2 and 6: all that one
machine makes of these end alike. Some providers make UUIDs without a version, of random digits alone."""

_UNFIT = pattern(r'[:/"]|\.\.\.|\bm8\b', re.IGNORECASE)
"""What makes a name look like a member, a store, a secret or m8, end its own quotation, or look like a cut id."""


def is_display_name(text: str) -> bool:
    """Return whether `text` is shown as a name: 1 to 64 printable characters that look like no id, store or m8."""
    alike = unicodedata.normalize("NFKC", text[: MAX_NAME + 1])
    return is_noted(text, MAX_NAME) and is_shown(text) and text.strip() == text != "" and not _UNFIT.search(alike)


def with_end(member: str, name: str) -> str:
    """Return a member as tables and notices show it: the name, if there is one, and the end of the id.

    The end is all but the kind, `"Anna Meyer" (corp:anna)`. Of a UUID it is the issuer and the last 8
    digits, `"Anna Meyer" (corp:…e3f0b1c2)`: nobody chooses those, so that no two people look the same.
    """
    if not name:
        return member
    end = member.partition(":")[2] or member
    found = _UUID.fullmatch(end)
    return f'"{name}" ({end if found is None else f"{found[1]}…{found[2]}"})'


def with_id(member: str, name: str) -> str:
    """Return a member as it is shown where something is decided: the whole id, then the name, if there is one."""
    return f'{member} "{name}"' if name else member
