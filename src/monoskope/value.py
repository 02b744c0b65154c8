"""The base of types that are values: frozen, and equal where their content is. And what a holder of a secret inherits.

A `msgspec.Struct` and no dataclass, for `monoctl` defines these types anew each time that it starts: a dataclass takes
ten times as long to define.
"""

from __future__ import annotations

from typing import ClassVar, NoReturn

import msgspec


class Value(msgspec.Struct, frozen=True):
    """Fields are named by position or keyword. Those in `hidden` are left out of its `repr`."""

    hidden: ClassVar[frozenset[str]] = frozenset()

    def __repr__(self) -> str:
        shown = (f"{name}={getattr(self, name)!r}" for name in self.__struct_fields__ if name not in self.hidden)
        return f"{type(self).__name__}({', '.join(shown)})"


class Unshared:
    """Refuses `pickle`, `copy.copy` and `copy.deepcopy`. That its `repr` shows nothing is each type's own duty."""

    __slots__ = ()

    def __reduce__(self) -> NoReturn:
        raise TypeError(f"a {type(self).__name__} is never pickled or copied")

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        self.__reduce__()

    def __copy__(self) -> NoReturn:
        self.__reduce__()

    def __deepcopy__(self, memo: object) -> NoReturn:
        self.__reduce__()
