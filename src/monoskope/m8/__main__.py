"""The `m8` program, `python -m monoskope.m8` too: nothing is imported before `start` has begun.

A server executes itself once more under the allocator settings of the reactors, so that memory which held a caller's
credential is overwritten when it is freed.
"""

from __future__ import annotations

import sys

from monoskope import start

SERVERS = frozenset({"serve", "dev"})
"""The commands that receive credentials of other people."""


def main() -> None:
    """Run `m8` with the arguments of this process and end it with its exit code."""
    start.begin()
    if SERVERS & set(sys.argv[1:]):
        start.execute_again()
    from monoskope.m8.cli.main import main as run  # noqa: PLC0415

    run()


if __name__ == "__main__":
    main()
