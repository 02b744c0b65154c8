"""What a caller learns of a defect of m8."""

from __future__ import annotations

from monoskope.errors import Error


def defect() -> Error:
    """Return what a caller learns of a defect: that there is one."""
    return Error("m8 met a defect of its own.", fix="Look into m8's log, and report it.")
