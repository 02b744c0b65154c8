"""`python -m monoskope.reactor`: executes itself once under its allocator's settings before it reads a secret."""

from __future__ import annotations

from monoskope.reactor import cli, harden

if __name__ == "__main__":
    harden.execute_again()
    cli.main()
