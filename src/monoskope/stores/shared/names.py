"""Listing names: how many a driver lists, and what it says where it lists none."""

from __future__ import annotations

from monoskope.stores.driver import StoreRefusedError, UnsupportedError

MAX_LISTED = 50_000
"""How many names below one path a driver lists at most."""


def too_many_names() -> StoreRefusedError:
    """Return the error for a path with more than `MAX_LISTED` names below it."""
    return StoreRefusedError("below this path are more names than a driver lists.", fix="List a path below it.")


def not_listed() -> UnsupportedError:
    """Return the error for a store whose settings do not let names be listed."""
    return UnsupportedError(
        "this store is not configured to list names.",
        fix="Set listable = true, and grant what `m8 reactor policy` prints.",
    )
