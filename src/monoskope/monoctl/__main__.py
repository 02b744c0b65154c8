"""The `monoctl` program, `python -m monoskope.monoctl` too: nothing is imported before `start` has begun."""

from __future__ import annotations

from monoskope import start


def main() -> None:
    """Run `monoctl` and end the process with its exit code."""
    start.begin()
    from monoskope.monoctl import main as program  # noqa: PLC0415

    program.main()


if __name__ == "__main__":
    main()
