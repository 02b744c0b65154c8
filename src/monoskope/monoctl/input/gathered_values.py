"""Values while they are gathered. Their `repr` shows keys only, and they cannot be pickled or copied."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from monoskope.errors import UsageError
from monoskope.protocol.unshared import Unshared


class Values(Unshared, Mapping[str, bytes]):
    """Values by key, in the order in which they were given. Its `repr` shows the keys."""

    __slots__ = ("_values",)

    def __init__(self) -> None:
        self._values: dict[str, bytes] = {}

    def add(self, key: str, value: bytes) -> None:
        """Add a value. Raises `UsageError` if `key` is there already."""
        if key in self._values:
            raise UsageError(f"key {key!r} is given twice.", fix="Give each key once.")
        self._values[key] = value

    def add_all(self, others: Mapping[str, bytes]) -> None:
        """Add all of `others`. Raises as `add`."""
        for key in others:
            self.add(key, others[key])

    def __getitem__(self, key: str) -> bytes:
        return self._values[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"<Values keys={list(self._values)} values=hidden>"
