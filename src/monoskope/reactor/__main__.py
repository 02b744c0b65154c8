"""`python -m monoskope.reactor`: executes itself once under its allocator's settings before it reads a secret."""

from __future__ import annotations

from monoskope import start

if __name__ == "__main__":
    start.begin()
    start.execute_again()
    from monoskope.reactor import cli

    cli.main()
