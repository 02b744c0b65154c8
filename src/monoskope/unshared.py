"""What a type that holds a secret inherits: it is never pickled and never copied."""

from __future__ import annotations

from typing import NoReturn


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
