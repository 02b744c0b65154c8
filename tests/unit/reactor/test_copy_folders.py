"""What copies of earlier versions left behind, and nothing else, is removed from a reactor's folder."""

from __future__ import annotations

import os
import time
from pathlib import Path

from monoskope.reactor.work import copy_folders


def left_behind(folder: Path, name: str, *, idle_s: float = 600.0) -> Path:
    """A folder as a killed reactor left it."""
    made = folder / name
    made.mkdir(mode=0o700)
    (made / "known_stores").write_text("m8:1 vault SHA256:\n")
    (made / ".known_stores.lock").touch()
    then = time.time() - idle_s
    os.utime(made, (then, then))
    return made


def test_what_a_killed_copy_left_is_removed(tmp_path: Path) -> None:
    left_behind(tmp_path, "copy-a1b2c3_d")
    left_behind(tmp_path, "copy-zzzzzzzz")
    (tmp_path / "reactor.toml").touch()
    copy_folders.clear(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["reactor.toml"]


def test_a_folder_that_another_process_may_use_stays(tmp_path: Path) -> None:
    """A reactor of an earlier version in the same folder, in the middle of a copy."""
    busy = left_behind(tmp_path, "copy-a1b2c3_d", idle_s=60.0)
    copy_folders.clear(tmp_path)
    assert (busy / "known_stores").exists()


def test_what_is_named_otherwise_or_is_no_folder_stays(tmp_path: Path) -> None:
    others = [left_behind(tmp_path, name) for name in ("copy-of-settings", "copies", "copy-A1B2C3_D")]
    elsewhere = left_behind(tmp_path, "elsewhere")
    (tmp_path / "copy-linkedxx").symlink_to(elsewhere)
    (tmp_path / "copy-filefile").touch()
    copy_folders.clear(tmp_path)
    assert all((other / "known_stores").exists() for other in (*others, elsewhere))
    assert (tmp_path / "copy-filefile").exists()


def test_what_somebody_else_put_into_it_stays(tmp_path: Path) -> None:
    found = left_behind(tmp_path, "copy-settings")
    (found / "reactor.toml").write_text("mine")
    then = time.time() - 600
    os.utime(found, (then, then))
    copy_folders.clear(tmp_path)
    assert [path.name for path in found.iterdir()] == ["reactor.toml"]
