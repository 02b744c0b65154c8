"""Numbers of things, as people read them: one event, two events."""

from __future__ import annotations


def counted(number: int, noun: str, plural: str = "") -> str:
    """Return a number with its noun: `1 event`, `3 events`.

    Args:
        number: How many there are.
        noun: What one of them is called.
        plural: What several are called, if that is not the noun and an s.
    """
    return f"{number} {noun if number == 1 else plural or noun + 's'}"
