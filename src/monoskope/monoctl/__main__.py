"""The `monoctl` program, `python -m monoskope.monoctl` too: nothing is imported before `start` has begun."""

from __future__ import annotations

import gc
import os

from monoskope import start

_COLLECT_AFTER = 50_000
"""New objects before a garbage collection: a start makes many objects, and none of them is garbage."""

_LATE = (
    "array",
    "calendar",
    "fnmatch",
    "gettext",
    "inspect",
    "ipaddress",
    "ntpath",
    "platform",
    "random",
    "selectors",
)
"""What click, protobuf, `pathlib`, `urllib`, `uuid`, cryptography and `socket` import and seldom use: 12 ms in all."""


def main() -> None:
    """Run `monoctl` and end the process with its exit code."""
    start.begin()
    gc.set_threshold(_COLLECT_AFTER)
    from monoskope.lazy import LazyModules  # noqa: PLC0415

    with LazyModules(*_LATE, ready=_ready()):
        from monoskope.monoctl import main as program  # noqa: PLC0415

        program.main()


def _ready() -> dict[str, dict[str, object]]:
    """Return what is asked for at each start of what is late."""
    # click's words stay English, as ours are; else it looks for a translation of each.
    english = {"gettext": str, "ngettext": lambda one, several, count: one if count == 1 else several}
    # `uuid` asks for the system by name, which `platform` would take from here.
    system = {"system": lambda: os.uname().sysname} if hasattr(os, "uname") else {}
    return {"inspect": {"cleandoc": cleandoc}, "gettext": dict(english), "platform": dict(system)}


def cleandoc(text: str) -> str:
    """Return a docstring without its indentation, as `inspect.cleandoc` does."""
    lines = text.expandtabs().split("\n")
    indents = [len(line) - len(line.lstrip(" ")) for line in lines[1:] if line.strip(" ")]
    margin = min(indents, default=0)
    return "\n".join([lines[0].lstrip(" "), *(line[margin:] for line in lines[1:])]).strip("\n")


if __name__ == "__main__":
    main()
