"""The detail of a failure: one fixed sentence of a reactor or its driver that says more than the reason.

It is text for people and nothing follows from it. It never holds an engine's own text or anything of a value: the
reactor sends what is on its list of sentences alone (`monoskope.reactor.details`).
"""

from __future__ import annotations

MAX_LENGTH = 200


def is_detail(text: str) -> bool:
    """Whether `text` can be a detail: at most 200 printable ASCII characters; "" is none."""
    return len(text) <= MAX_LENGTH and all(" " <= character <= "~" for character in text)
