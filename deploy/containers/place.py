"""Copy mounted files to where m8 or a reactor wants them: `place.py FROM... TO`, each file with mode 0600.

m8 and reactors refuse a key that others can read. Kubernetes and Compose mount secrets for a group; this copies them
into a folder in memory, as the user that the container runs as; the folder is made with mode 0700 unless there is one.
A file that is there already is replaced.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

PRIVATE = 0o600


def place(source: Path, target: Path) -> None:
    """Copy every file of the folder `source` into `target`. Names that begin with a dot are Kubernetes' own."""
    for file in sorted(source.iterdir()):
        if file.name.startswith(".") or not file.is_file():
            continue
        new = target / f".{file.name}.new"
        new.unlink(missing_ok=True)
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, PRIVATE)
        with os.fdopen(descriptor, "wb") as out:
            out.write(file.read_bytes())
        new.replace(target / file.name)


def main(arguments: list[str]) -> int:
    """Copy, and return the exit code."""
    *sources, target = (Path(argument) for argument in arguments)
    target.mkdir(mode=0o700, exist_ok=True)
    for source in sources:
        place(source, target)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
