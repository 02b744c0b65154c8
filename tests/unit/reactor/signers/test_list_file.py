"""A list in a file: whole or not at all, only its owner's to write, and read anew when it changes."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from monoskope.errors import Error, RefusedError, UsageError
from monoskope.reactor.signers import list_file
from monoskope.reactor.signers.list_file import MAX_LIST_BYTES, ListFile, lines_of


class Clock:
    """The wall clock, so many seconds ahead: what changed now has then rested for long."""

    def __init__(self) -> None:
        self.ahead = 60.0

    def __call__(self) -> float:
        return time.time() + self.ahead


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "list"
    path.write_text("first\n")
    return path


def parse(text: str) -> list[str]:
    """A list whose lines are words."""
    lines = [line for _, line in lines_of(text)]
    if "bad" in lines:
        raise UsageError("line 1: it is bad.", fix="Correct that line.")
    return lines


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def held(path: Path, clock: Clock) -> ListFile[list[str]]:
    return ListFile(path, "the list", parse, clock)


def test_a_change_counts_at_the_next_look(held: ListFile[list[str]], path: Path) -> None:
    before = held.sha256
    path.write_text("first\nsecond\n")
    held.read_again()
    assert (held.value, held.trouble) == (["first", "second"], "")
    assert held.sha256 != before


def test_a_list_that_was_emptied_is_empty(held: ListFile[list[str]], path: Path) -> None:
    path.write_text("")
    held.read_again()
    assert (held.value, held.trouble) == ([], "")


@pytest.mark.parametrize("keeps", ["size-and-time", "size"])
def test_a_change_counts_whatever_the_times_of_the_file_say(
    held: ListFile[list[str]], path: Path, *, keeps: str
) -> None:
    found = path.stat()
    path.write_text("other\n")
    if keeps == "size-and-time":
        os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))
    held.read_again()
    assert held.value == ["other"]


def test_a_file_that_was_replaced_counts(held: ListFile[list[str]], path: Path, tmp_path: Path) -> None:
    (tmp_path / "new").write_text("new\n")
    (tmp_path / "new").replace(path)
    held.read_again()
    assert held.value == ["new"]


def test_a_file_that_is_being_written_does_not_count_yet(held: ListFile[list[str]], path: Path, clock: Clock) -> None:
    clock.ahead = 0
    path.write_text("")
    held.read_again()
    assert (held.value, held.trouble) == (["first"], "")
    path.write_text("second\n")
    held.read_again()
    assert held.value == ["first"]
    clock.ahead = list_file.REST_S
    held.read_again()
    assert held.value == ["second"]


def test_a_clock_that_is_behind_the_files_does_not_keep_a_change_away(
    held: ListFile[list[str]], path: Path, clock: Clock
) -> None:
    clock.ahead = -3600
    path.write_text("second\n")
    held.read_again()
    assert held.value == ["second"]


@pytest.mark.parametrize(
    "content",
    [b"bad\n", b"cut sho", b"a\x00b\n", b"a\rb\n", b"\xff\n", b"a\n" * (MAX_LIST_BYTES // 2) + b"\n"],
    ids=["bad", "no-newline", "zero-byte", "carriage-return", "not-utf-8", "too-large"],
)
def test_a_bad_file_changes_nothing_and_is_told(held: ListFile[list[str]], path: Path, content: bytes) -> None:
    before = held.sha256
    path.write_bytes(content)
    for _ in range(2):
        held.read_again()
        assert held.value == ["first"]
        assert held.sha256 == before
        assert str(path) in held.trouble
    path.write_text("second\n")
    held.read_again()
    assert (held.value, held.trouble) == (["second"], "")
    path.write_text("first\n")
    held.read_again()
    assert held.trouble == ""
    path.write_bytes(content)
    held.read_again()
    assert held.trouble


def test_a_bad_file_is_not_parsed_at_each_look(path: Path, clock: Clock) -> None:
    parsed = []

    def counting(text: str) -> list[str]:
        parsed.append(text)
        return parse(text)

    held = ListFile(path, "the list", counting, clock)
    path.write_text("bad\n")
    for _ in range(3):
        held.read_again()
    assert parsed == ["first\n", "bad\n"]


def _group(path: Path) -> None:
    path.chmod(0o620)


def _others(path: Path) -> None:
    path.chmod(0o602)


def _gone(path: Path) -> None:
    path.unlink()


def _folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


BROKEN = {"group": _group, "others": _others, "missing": _gone, "folder": _folder, "pipe": _pipe}


@pytest.mark.parametrize("name", BROKEN)
def test_a_file_that_others_can_write_or_that_is_none_is_refused_at_the_start_and_later(
    held: ListFile[list[str]], path: Path, name: str
) -> None:
    BROKEN[name](path)
    held.read_again()
    assert held.value == ["first"]
    assert str(path) in held.trouble
    with pytest.raises(RefusedError if name in {"group", "others"} else UsageError) as caught:
        ListFile(path, "the list", parse)
    assert caught.value.fix


def test_a_file_of_another_user_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.chown(path, 12345, -1) if os.geteuid() == 0 else monkeypatch.setattr(os, "geteuid", lambda: 12345)
    with pytest.raises(RefusedError, match="another user"):
        ListFile(path, "the list", parse)


def test_a_file_that_others_can_read_is_taken(path: Path) -> None:
    path.chmod(0o644)
    assert ListFile(path, "the list", parse).value == ["first"]


def test_an_error_at_the_start_names_list_file_and_line(path: Path) -> None:
    path.write_text("ok\na\x00b\n")
    with pytest.raises(Error, match=rf"^the list {path}, line 2: "):
        ListFile(path, "the list", parse)
