"""What is loaded or compiled at its first use: modules that others import at their top, and regular expressions.

A command line starts anew for each command, and pays for whatever is loaded each time.
"""

from __future__ import annotations

import importlib
import re
import sys
from types import ModuleType, TracebackType
from typing import Any


class LazyModules:
    """While it is entered, modules that are imported by these names load when something of them is first asked for.

    A module that imported one meanwhile keeps what stands for it; all others import the module itself. One that is
    loaded already stays as it is.

    Args:
        names: The modules.
        ready: What is there without loading: module to name to object.
    """

    def __init__(self, *names: str, ready: dict[str, dict[str, object]] | None = None) -> None:
        self._names = names
        self._ready = ready or {}
        self._placed: list[_Late] = []

    def __enter__(self) -> None:
        for name in self._names:
            if name not in sys.modules:
                module = _Late(name)
                module.__dict__.update(self._ready.get(name, {}))
                sys.modules[name] = module
                self._placed.append(module)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for module in self._placed:
            _remove(module)


class _Late(ModuleType):
    """Stands for a module that is no package. Asked for something, it loads the module and answers as that does."""

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the module has
        if name == "__path__":  # which `from … import …` looks at first, to know whether this is a package
            raise AttributeError(name)
        _remove(self)
        return getattr(importlib.import_module(self.__name__), name)


def _remove(module: _Late) -> None:
    if sys.modules.get(module.__name__) is module:
        del sys.modules[module.__name__]


class _Pattern:
    """A regular expression that is compiled when it is first asked for one of its methods, which it then has itself."""

    def __init__(self, expression: str, flags: re.RegexFlag) -> None:
        self._expression = expression
        self._flags = flags

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - a method of `re.Pattern`
        if name.startswith("_"):
            raise AttributeError(name)
        found = getattr(re.compile(self._expression, self._flags), name)
        setattr(self, name, found)
        return found


def pattern(expression: str, flags: re.RegexFlag = re.RegexFlag.NOFLAG) -> re.Pattern[str]:
    """Return what `re.compile` does, but compiled when it is first used."""
    made: Any = _Pattern(expression, flags)
    return made  # type: ignore[no-any-return]  # it answers as one does
