"""The `monoctl` program, `python -m monoskope.monoctl` too: nothing is imported before `start` has begun."""

from __future__ import annotations

import gc

from monoskope import start

_COLLECT_AFTER = 50_000
"""New objects before a garbage collection: a start makes many objects, and none of them is garbage."""


def main() -> None:
    """Run `monoctl` and end the process with its exit code."""
    start.begin()
    gc.set_threshold(_COLLECT_AFTER)
    from monoskope.monoctl import main as program  # noqa: PLC0415

    program.main()


if __name__ == "__main__":
    main()
