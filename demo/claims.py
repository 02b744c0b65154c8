"""Claims of the demo: each is checked as it is made, and the first that does not hold ends it."""

from __future__ import annotations

from monoskope.errors import Error
from monoskope.testing.cluster.commands import Ran


class DemoError(Error):
    """Something that the demo claims did not hold."""


def check(holds: bool, otherwise: str) -> None:  # noqa: FBT001 - reads as an assertion
    """Raise `DemoError` unless a claim holds; `otherwise` says what is so instead."""
    if not holds:
        raise DemoError(f"the demo's claim does not hold: {otherwise}.", fix="Please report this.")


def must(ran: Ran, code: int = 0) -> Ran:
    """Return a command that ended as it had to. Raises `DemoError`."""
    what = " ".join(ran.arguments[:3])
    check(ran.code == code, f"`{what}` ended with exit code {ran.code}: {ran.err.strip()}")
    return ran
