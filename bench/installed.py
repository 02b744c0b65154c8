"""`monoctl` as its users install it: an environment with the bare package and what it needs, and nothing else.

The environment of development has files that Python runs at each start (`.pth`), which cost 5 ms that no user pays.
"""

from __future__ import annotations

import compileall
import importlib.metadata
import shutil
import sys
import venv
from pathlib import Path

from packaging.requirements import Requirement

import monoskope

_SCRIPT = """#!{python}
import sys
from monoskope.monoctl.__main__ import main
if __name__ == '__main__':
    sys.argv[0] = sys.argv[0].removesuffix('.exe')
    sys.exit(main())
"""
"""What pip writes."""


def monoctl(folder: Path) -> Path:
    """Make the environment in `folder`, with its bytecode cache, and return the program.

    Nothing is fetched: what is installed here is copied.
    """
    venv.create(folder, with_pip=False)
    site = folder / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"
    for name in _needed("monoskope"):
        _copy(name, site)
    shutil.copytree(Path(monoskope.__file__).parent, site / "monoskope", ignore=shutil.ignore_patterns("__pycache__"))
    compileall.compile_dir(site, quiet=2)
    program = folder / "bin" / "monoctl"
    program.write_text(_SCRIPT.format(python=folder / "bin" / "python"), encoding="utf-8")
    program.chmod(0o755)
    return program


def _needed(name: str) -> set[str]:
    """Return the distributions that `name` needs, without its extras."""
    found: set[str] = set()
    left = [name]
    while left:
        for text in importlib.metadata.requires(left.pop()) or ():
            needed = Requirement(text)
            if needed.name not in found and (needed.marker is None or needed.marker.evaluate({"extra": ""})):
                found.add(needed.name)
                left.append(needed.name)
    return found


def _copy(name: str, site: Path) -> None:
    """Copy what a distribution installed, but its programs."""
    for file in importlib.metadata.files(name) or ():
        if ".." not in file.parts and file.suffix != ".pyc":
            target = site / file
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file.locate(), target)
