"""A list in a file: whole or not at all, only its owner's to write, and read anew when it changes."""

from __future__ import annotations

import grp
import os
import pwd
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from monoskope import ownership
from monoskope.errors import Error, RefusedError, UsageError
from monoskope.protocol.sshsig.lists import lines_of
from monoskope.reactor.signers import list_file
from monoskope.reactor.signers.list_file import MAX_LIST_BYTES, ListFile
from tests.support.reactor_world import Clock as Monotonic

LONG_S = 3_600.0


def peak(call: Callable[[], object]) -> int:
    """Return the most bytes that a call had at once."""
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_a_look_takes_no_room_for_the_longest_list(held: ListFile[list[str]]) -> None:
    """It is made for each request, and what is freed is overwritten."""
    assert peak(held.read_again) < MAX_LIST_BYTES // 8


def test_a_list_of_many_pieces_is_read_whole(path: Path) -> None:
    lines = [f"line-{number}" for number in range(20_000)]
    path.write_text("\n".join([*lines, "# end", ""]))
    assert ListFile(path, "the list", parse).value == lines


class Clock:
    """Stands so many seconds after it was made: what a test has changed has then rested for long.

    It does not go on: however long a test takes, what it has just changed has not rested unless the test says so.
    """

    def __init__(self) -> None:
        self.made = time.time()
        self.ahead = LONG_S

    def __call__(self) -> float:
        return self.made + self.ahead

    def after_change(self, path: Path, *, seconds: float) -> None:
        """Stand so many seconds after the last change of a file."""
        self.made, self.ahead = path.stat().st_ctime, seconds


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "list"
    path.write_text("first\n# end\n")
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
def now() -> Monotonic:
    return Monotonic()


@pytest.fixture
def held(path: Path, clock: Clock, now: Monotonic) -> ListFile[list[str]]:
    return ListFile(path, "the list", parse, clock, now)


def test_a_change_counts_at_the_next_look(held: ListFile[list[str]], path: Path) -> None:
    before = held.sha256
    path.write_text("first\nsecond\n# end\n")
    held.read_again()
    assert (held.value, held.trouble) == (["first", "second"], "")
    assert held.sha256 != before


def test_a_list_without_entries_is_empty(held: ListFile[list[str]], path: Path) -> None:
    path.write_text("# end\n")
    held.read_again()
    assert (held.value, held.trouble) == ([], "")


@pytest.mark.parametrize(
    "content",
    [
        "",
        "\n",
        "first\n",
        "# end\nfirst\n",
        "first # end\n",
        " # end\n",
        "# end \n",
        "# end\n\n",
        "first\n# end\nb\n# end\n",
    ],
)
def test_a_list_without_its_last_line_is_not_whole(held: ListFile[list[str]], path: Path, content: str) -> None:
    path.write_text(content)
    held.read_again()
    assert "does not end with the line `# end`" in held.trouble
    with pytest.raises(UsageError, match="does not end with the line `# end`"):
        ListFile(path, "the list", parse)


@pytest.mark.parametrize("keeps", ["size-and-time", "size"])
def test_a_change_counts_whatever_the_file_s_times_say(held: ListFile[list[str]], path: Path, *, keeps: str) -> None:
    found = path.stat()
    path.write_text("other\n# end\n")
    if keeps == "size-and-time":
        os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))
    held.read_again()
    assert held.value == ["other"]


def test_a_file_that_was_replaced_counts(held: ListFile[list[str]], path: Path, tmp_path: Path) -> None:
    (tmp_path / "new").write_text("new\n# end\n")
    (tmp_path / "new").replace(path)
    held.read_again()
    assert held.value == ["new"]


def test_a_file_that_is_being_written_does_not_count_yet(held: ListFile[list[str]], path: Path, clock: Clock) -> None:
    path.write_text("")
    clock.after_change(path, seconds=0)
    held.read_again()
    assert (held.value, held.trouble) == (["first"], "")
    path.write_text("second\n# end\n")
    clock.after_change(path, seconds=list_file.REST_S * 0.9)
    held.read_again()
    assert held.value == ["first"]
    clock.after_change(path, seconds=list_file.REST_S)
    held.read_again()
    assert held.value == ["second"]


def test_a_clock_that_is_behind_the_files_neither_keeps_a_change_away_nor_lets_half_of_one_count(
    held: ListFile[list[str]], path: Path, clock: Clock, now: Monotonic
) -> None:
    clock.ahead = -3600
    path.write_text("")
    held.read_again()
    assert held.value == ["first"]
    path.write_text("second\n# end\n")
    now.time += list_file.REST_S
    held.read_again()
    assert held.value == ["first"]
    now.time += list_file.REST_S
    held.read_again()
    assert held.value == ["second"]


def test_links_to_the_file_keep_no_revocation_away(
    held: ListFile[list[str]], path: Path, tmp_path: Path, clock: Clock, now: Monotonic
) -> None:
    """Each link is a change by the file's own time."""
    clock.ahead = 0
    path.write_text("second\n# end\n")
    for second in range(3):
        os.link(path, tmp_path / f"link-{second}")
        held.read_again()
        now.time += list_file.REST_S
    assert held.value == ["second"]


@pytest.mark.parametrize(
    "content",
    [
        b"bad\n",
        b"cut sho",
        b"a\x00b\n",
        b"a\rb\n",
        b"\xff\n",
        # What is read of it ends as a whole list does.
        b"aa\n" + b"a\n" * ((MAX_LIST_BYTES - 8) // 2) + b"# end\n" + b"later\n# end\n",
    ],
    ids=["bad", "no-newline", "zero-byte", "carriage-return", "not-utf-8", "too-large"],
)
def test_a_bad_file_changes_nothing_and_is_told(held: ListFile[list[str]], path: Path, content: bytes) -> None:
    before = held.sha256
    path.write_bytes(content)
    for _ in range(2):
        held.read_again()
        assert (held.value, held.sha256) == (["first"], before)
        assert str(path) in held.trouble
    path.write_text("second\n# end\n")
    held.read_again()
    assert (held.value, held.trouble) == (["second"], "")
    path.write_text("first\n# end\n")
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
    path.write_text("bad\n# end\n")
    for _ in range(3):
        held.read_again()
    assert parsed == ["first\n# end\n", "bad\n# end\n"]


def _folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


BROKEN: dict[str, Callable[[Path], None]] = {
    "group": lambda path: path.chmod(0o620),
    "others": lambda path: path.chmod(0o602),
    "missing": Path.unlink,
    "folder": _folder,
    "pipe": _pipe,
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_file_that_others_can_write_or_none_is_refused(held: ListFile[list[str]], path: Path, name: str) -> None:
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


def _folder_of_a_link(folder: Path) -> None:
    """The list is a link to one in a safe folder, by way of one that is not."""
    away, safe = folder.parent / "away", folder.parent / "safe"
    away.mkdir(mode=0o700)
    safe.mkdir(mode=0o700)
    (folder / "list").replace(safe / "list")
    (away / "link").symlink_to("../safe/list")
    (folder / "list").symlink_to("../away/link")
    away.chmod(0o772)


def _links_that_lead_nowhere(folder: Path) -> None:
    (folder / "list").unlink()
    (folder / "list").symlink_to("list")


WAYS: dict[str, Callable[[Path], None]] = {
    "group": lambda folder: folder.chmod(0o770),
    "others": lambda folder: folder.chmod(0o707),
    "above": lambda folder: folder.parent.chmod(0o777),
    "link": _folder_of_a_link,
    "loop": _links_that_lead_nowhere,
}


@pytest.mark.parametrize("name", WAYS)
def test_a_folder_in_which_others_can_put_another_file_in_its_place_is_refused_at_the_start_and_later(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Such as a link to an empty file of root's, which revokes nobody, or an earlier list."""
    monkeypatch.setattr(ownership, "_is_private", lambda *_: False)
    path = tmp_path / "above" / "folder" / "list"
    path.parent.mkdir(parents=True)
    path.write_text("first\n# end\n")
    held = ListFile(path, "the list", parse, clock)
    WAYS[name](path.parent)
    held.read_again()
    assert held.value == ["first"]
    assert held.trouble.startswith(str(path))
    with pytest.raises(UsageError if name == "loop" else RefusedError) as caught:
        ListFile(path, "the list", parse)
    assert caught.value.fix


@pytest.mark.parametrize("whose", ["folder", "link", "root"])
def test_another_user_s_folder_or_link_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whose: str) -> None:
    path = tmp_path / "folder" / "list"
    path.parent.mkdir()
    (tmp_path / "real").write_text("first\n# end\n")
    path.symlink_to(tmp_path / "real")
    other = {"folder": path.parent, "link": path, "root": Path("/")}[whose]
    real = os.lstat

    def lstat(shown: Path) -> os.stat_result:
        found = real(shown)
        return found if shown != other else os.stat_result([*found[:4], 12345, *found[5:]])

    monkeypatch.setattr(os, "lstat", lstat)
    with pytest.raises(RefusedError, match="another user"):
        ListFile(path, "the list", parse)


def test_a_sticky_folder_and_a_volume_of_kubernetes_are_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A volume: a folder that everybody could write, were it not mounted read-only, and in it links to links."""
    volume = tmp_path / "volume"
    (volume / "..data_1").mkdir(parents=True)
    (volume / "..data_1" / "list").write_text("first\n# end\n")
    (volume / "..data").symlink_to("..data_1")
    (volume / "list").symlink_to("..data/list")
    volume.chmod(0o1777)
    assert ListFile(volume / "list", "the list", parse).value == ["first"]
    volume.chmod(0o777)
    with pytest.raises(RefusedError, match="0777"):
        ListFile(volume / "list", "the list", parse)
    monkeypatch.setattr(ownership, "_is_read_only", lambda folder: folder == volume)
    assert ListFile(volume / "list", "the list", parse).value == ["first"]


@pytest.mark.parametrize(
    ("user", "group", "members", "mode", "taken"),
    [
        ("anna", "anna", [], 0o775, True),
        ("anna", "anna", ["anna"], 0o775, True),
        ("anna", "anna", ["anna", "bert"], 0o775, False),
        ("anna", "staff", [], 0o775, False),
        ("anna", "anna", [], 0o777, False),
        (None, "anna", [], 0o775, False),
    ],
)
def test_a_folder_that_its_owners_own_group_can_write_is_taken(  # noqa: PLR0917 - a row is a case
    path: Path,
    monkeypatch: pytest.MonkeyPatch,
    user: str | None,
    group: str,
    members: list[str],
    mode: int,
    taken: bool,
) -> None:
    """As most Linux systems make folders for users: mode 0775, and a group of the user's name."""

    def named(_: int) -> SimpleNamespace:
        if user is None:
            raise KeyError
        return SimpleNamespace(pw_name=user)

    monkeypatch.setattr(grp, "getgrgid", lambda _: SimpleNamespace(gr_name=group, gr_mem=members))
    monkeypatch.setattr(pwd, "getpwuid", named)
    found = os.stat_result([0o40000 | mode, 1, 1, 2, 1000, 1000, 0, 0, 0, 0])
    assert ownership._others_write(found) is not taken


def test_the_group_of_root_is_not_roots_own() -> None:
    assert not ownership._is_private(0, 0)


def test_a_path_that_begins_where_the_reactor_runs_is_followed(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (path.parent / "below").mkdir()
    monkeypatch.chdir(path.parent / "below")
    assert ListFile(Path("../list"), "the list", parse).value == ["first"]
    path.parent.chmod(0o777)
    with pytest.raises(RefusedError, match="0777"):
        ListFile(Path("../list"), "the list", parse)


def test_a_file_that_others_can_read_is_taken(path: Path) -> None:
    path.chmod(0o644)
    assert ListFile(path, "the list", parse).value == ["first"]


def test_an_error_at_the_start_names_list_file_and_line(path: Path) -> None:
    path.write_text("ok\na\x00b\n# end\n")
    with pytest.raises(Error, match=rf"^the list {path}, line 2: "):
        ListFile(path, "the list", parse)
