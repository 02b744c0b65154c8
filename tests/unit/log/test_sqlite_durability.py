"""A commit to a log in SQLite waits until the disk has it, though not in most tests (`support/disk.py`)."""

from __future__ import annotations

import importlib.util
from contextlib import closing
from pathlib import Path

from monoskope.m8.log.sqlite import file as sqlite_file

FULL = 2


def test_a_commit_waits_for_the_disk(tmp_path: Path) -> None:
    spec = importlib.util.find_spec(sqlite_file.__name__)
    assert spec is not None
    assert spec.loader is not None
    as_users_have_it = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(as_users_have_it)
    (tmp_path / "log.db").touch()
    with closing(as_users_have_it.connect(tmp_path / "log.db")) as connection:
        assert connection.execute("PRAGMA synchronous").fetchone() == (FULL,)
