"""The base of types that are values: frozen, and equal where their content is.

A `msgspec.Struct` and no dataclass, for `monoctl` defines these types anew each time that it starts: a dataclass takes
ten times as long to define.
"""

from __future__ import annotations

from typing import ClassVar

import msgspec


class Value(msgspec.Struct, frozen=True):
    """Fields are named by position or keyword. Those in `hidden` are left out of its `repr`."""

    hidden: ClassVar[frozenset[str]] = frozenset()

    def __repr__(self) -> str:
        shown = (f"{name}={getattr(self, name)!r}" for name in self.__struct_fields__ if name not in self.hidden)
        return f"{type(self).__name__}({', '.join(shown)})"
