"""A command of `m8` in this process, as a user with a home of their own."""

from __future__ import annotations

import contextlib
import os
from io import StringIO
from pathlib import Path
from typing import NamedTuple
from unittest import mock

from monoskope.m8.cli.main import run

ENVIRONMENT = {"PATH": os.environ["PATH"], "PYTHONWARNINGS": "error"}


class Ended(NamedTuple):
    """What a command printed."""

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
