"""How m8 starts the reactor's program, of which it imports nothing."""

from __future__ import annotations

import os
import sys

from monoskope import start

REACTOR = "monoskope.reactor"


def reactor_command(*arguments: str) -> list[str]:
    """Return how to start the reactor's program. `-P`: nothing is imported from the current folder."""
    return [sys.executable, "-P", "-m", REACTOR, *arguments]


def become_reactor(*arguments: str) -> None:
    """Replace this process with the reactor's program, under the settings with which that starts. Never returns."""
    start.execute(reactor_command(*arguments), start.overwriting(dict(os.environ)))
