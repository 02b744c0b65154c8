"""Values while they are gathered. Their `repr` shows keys only, and they cannot be pickled or copied."""

from __future__ import annotations

from collections.abc import Mapping

from monoskope.errors import UsageError
from monoskope.protocol.payload import HiddenValues


class Values(HiddenValues):
    """Values by key, in the order in which they were given."""

    __slots__ = ()

    def __init__(self) -> None:
        self._values = {}

    def add(self, key: str, value: bytes) -> None:
        """Add a value. Raises `UsageError` if `key` is there already."""
        if key in self._values:
            raise UsageError(f"key {key!r} is given twice.", fix="Give each key once.")
        self._values[key] = value

    def add_all(self, others: Mapping[str, bytes]) -> None:
        """Add all of `others`. Raises as `add`."""
        for key in others:
            self.add(key, others[key])
