"""Files that nobody but their owner may reach, in folders that others may write to."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from monoskope.errors import RefusedError, UsageError
from monoskope.settings import append_private, read_private, write_private


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_a_new_file_is_the_owners_alone_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        write_private(tmp_path / "key", b"secret")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "key").stat().st_mode) == 0o600
    assert read_private(tmp_path / "key") == b"secret"
    assert names(tmp_path) == {"key"}


@pytest.mark.parametrize("target", ["there", "missing"])
def test_what_is_there_is_kept_even_a_link_that_leads_nowhere(tmp_path: Path, target: str) -> None:
    (tmp_path / "there").write_bytes(b"theirs")
    (tmp_path / "key").symlink_to(tmp_path / target)
    with pytest.raises(UsageError, match="exists already"):
        write_private(tmp_path / "key", b"secret")
    assert names(tmp_path) == {"there", "key"}
    assert (tmp_path / "there").read_bytes() == b"theirs"


def test_a_link_is_replaced_and_not_followed(tmp_path: Path) -> None:
    (tmp_path / "theirs").write_bytes(b"theirs")
    (tmp_path / "key").symlink_to(tmp_path / "theirs")
    write_private(tmp_path / "key", b"secret", replace=True)
    assert not (tmp_path / "key").is_symlink()
    assert (tmp_path / "theirs").read_bytes() == b"theirs"


def test_nobody_can_prepare_the_file_that_is_written_first(tmp_path: Path) -> None:
    """A name made of what others know, such as the process id, could be a link of theirs."""
    trap = tmp_path / f".key.{os.getpid()}.new"
    (tmp_path / "theirs").write_bytes(b"")
    trap.symlink_to(tmp_path / "theirs")
    write_private(tmp_path / "key", b"secret", replace=True)
    assert (tmp_path / "theirs").read_bytes() == b""
    assert (tmp_path / "key").read_bytes() == b"secret"


def test_the_name_is_on_disk_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[bool] = []
    original = os.fsync

    def fsync(descriptor: int) -> None:
        synced.append(stat.S_ISDIR(os.fstat(descriptor).st_mode))
        original(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    write_private(tmp_path / "key", b"secret")
    assert synced == [False, True]


@pytest.mark.parametrize("replace", [True, False])
def test_a_failed_write_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, replace: bool
) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(UsageError, match="No space"):
            write_private(tmp_path / "key", b"secret", replace=replace)
    assert names(tmp_path) == set()


def test_a_log_is_made_for_its_owner_and_a_looser_one_is_refused(tmp_path: Path) -> None:
    for line in ("one\n", "two\n"):
        with append_private(tmp_path / "log") as file:
            file.write(line)
    assert (tmp_path / "log").read_text() == "one\ntwo\n"
    assert stat.S_IMODE((tmp_path / "log").stat().st_mode) == 0o600
    (tmp_path / "log").chmod(0o640)
    with pytest.raises(RefusedError, match="0640"):
        append_private(tmp_path / "log")
    with pytest.raises(UsageError):
        append_private(tmp_path / "missing" / "log")


def test_a_log_may_go_to_what_is_no_file() -> None:
    with append_private(Path(os.devnull)) as file:
        file.write("anything\n")
