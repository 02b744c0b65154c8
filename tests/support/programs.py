"""Programs under test: their environment, packages for them alone, and `m8` as a command in this process."""

from __future__ import annotations

import contextlib
import os
from io import StringIO
from pathlib import Path
from typing import NamedTuple
from unittest import mock

from monoskope.m8.cli.main import run
from monoskope.start import EXECUTED

for _name in (EXECUTED, "PYTHONMALLOC", "GLIBC_TUNABLES", "PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED"):
    os.environ.pop(_name, None)  # how whoever runs the tests was started is not how programs under test start
CLEAN = dict(os.environ)


def install(site: Path, package: str, module: str) -> None:
    """Lay out a package as pip would: its module, and the metadata that names its entry point."""
    (site / f"{package}.py").write_text(module, encoding="utf-8")
    info = site / f"{package}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n", encoding="utf-8")
    (info / "entry_points.txt").write_text(f"[monoskope.stores]\nshoebox = {package}:Store\n", encoding="utf-8")


ENVIRONMENT = {"PATH": os.environ["PATH"], "PYTHONWARNINGS": "error"}


class Ended(NamedTuple):
    stdout: str
    stderr: str


def m8(*arguments: str, home: Path, code: int = 0, env: dict[str, str] | None = None) -> Ended:
    """Run a command in this process, which has imported everything already, as a user with that home."""
    environment = {**ENVIRONMENT, "HOME": str(home), **(env or {})}
    out, err = StringIO(), StringIO()
    with (
        mock.patch.dict(os.environ, environment, clear=True),
        contextlib.chdir(home),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        ended = run(arguments)
    assert ended == code, err.getvalue()
    return Ended(out.getvalue(), err.getvalue())
