"""How `monoctl` and `m8` end: one number for each kind of failure. A script can rely on them; none ever changes.

Numbers of their own, because a caller does something different about each: try again (7, 8), look before trying again
(9), stop and ask a person (5).
"""

from __future__ import annotations

from types import MappingProxyType

from monoskope.errors import Code

OK = 0
"""Done."""
INTERNAL = 1
"""A defect in Monoskope."""
USAGE = 2
"""The command line, a file or a setting is malformed; nothing was sent."""
REFUSED = 3
"""Understood and denied."""
NOT_FOUND = 4
"""Does not exist, or is not for the caller to see."""
IDENTITY_CHANGED = 5
"""A pin, signature or hash does not hold."""
CONFLICT = 6
"""What is there is not what was expected; nothing was written."""
UNAVAILABLE = 7
"""Something that is needed does not answer; nothing was written."""
TIMED_OUT = 8
"""The time ran out before anything was sent to be written."""
OUTCOME_UNKNOWN = 9
"""It may or may not have been written."""
UNAUTHENTICATED = 10
"""No credential, or one that does not count."""
ALREADY_EXISTS = 11
"""The name or the id is taken."""
DIFFERENT = 12
"""A comparison that worked, and found a difference."""

BY_CODE = MappingProxyType(
    {
        Code.INTERNAL: INTERNAL,
        Code.USAGE: USAGE,
        Code.REFUSED: REFUSED,
        Code.NOT_FOUND: NOT_FOUND,
        Code.IDENTITY_CHANGED: IDENTITY_CHANGED,
        Code.CONFLICT: CONFLICT,
        Code.UNAVAILABLE: UNAVAILABLE,
        Code.TIMED_OUT: TIMED_OUT,
        Code.OUTCOME_UNKNOWN: OUTCOME_UNKNOWN,
        Code.UNAUTHENTICATED: UNAUTHENTICATED,
        Code.ALREADY_EXISTS: ALREADY_EXISTS,
    }
)
"""The exit code of every `Code`."""
