"""How m8 starts the reactor's program, of which it imports nothing."""

from __future__ import annotations

import sys

REACTOR = "monoskope.reactor"


def reactor_command(*arguments: str) -> list[str]:
    """Return how to start the reactor's program. `-P`: nothing is imported from the current folder."""
    return [sys.executable, "-P", "-m", REACTOR, *arguments]
