"""The `m8` program, `python -m monoskope.m8` too: nothing is imported before `start` has begun.

A server executes itself once more under the allocator settings of the reactors, so that memory which held a caller's
credential is overwritten when it is freed.
"""

from __future__ import annotations

import os
import sys

from monoskope import start

SERVERS = frozenset({"serve", "dev"})
"""The commands that receive credentials of other people."""

_SAY_MORE = ("M8_", "_M8_")
"""How variables begin about which `m8` may have something to say: settings of ours, and completion by a shell."""


def main() -> None:
    """Run `m8` with the arguments of this process and end it with its exit code."""
    start.begin()
    if sys.argv[1:2] == ["reactor"] and not any(name.startswith(_SAY_MORE) for name in os.environ):
        start.become_reactor(*sys.argv[2:])  # at once: the command line would only be loaded to do the same
    if SERVERS & set(sys.argv[1:]):
        start.execute_again()
    from monoskope.m8.cli.main import main as run  # noqa: PLC0415

    run()


if __name__ == "__main__":
    main()
