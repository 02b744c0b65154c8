"""`python -m tools.fuzz.guided READER …`: one reader under atheris, with the options of libFuzzer behind its name."""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports(include=["monoskope"]):
    from tools.fuzz.table import READERS


def main() -> None:
    """Fuzz until libFuzzer ends the process."""
    reader = READERS[sys.argv[1]]

    def one(content: bytes) -> None:
        reader.meets(content)

    atheris.Setup([sys.argv[0], *sys.argv[2:]], one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
