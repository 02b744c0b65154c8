"""The environment of a program under test, and packages that are installed for it alone."""

from __future__ import annotations

import os
from pathlib import Path

from monoskope.start import EXECUTED

OURS = {EXECUTED, "PYTHONMALLOC", "GLIBC_TUNABLES"}
CLEAN = {name: value for name, value in os.environ.items() if name not in OURS}


def install(site: Path, package: str, module: str) -> None:
    """Lay out a package as pip would: its module, and the metadata that names its entry point."""
    (site / f"{package}.py").write_text(module, encoding="utf-8")
    info = site / f"{package}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n", encoding="utf-8")
    (info / "entry_points.txt").write_text(f"[monoskope.stores]\nshoebox = {package}:Store\n", encoding="utf-8")
